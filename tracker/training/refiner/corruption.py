"""What goes wrong with the landmarks of a pose network on CCTV, made to happen to true ones.

Jitter, hidden limbs that drift to a wrong place, left and right swapped, landmarks on a neighbour, spikes.
Everything is in body heights, for B sequences of T frames at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker.landmarks import MIRROR

__all__ = ["Corruption", "Observed", "corrupt"]

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

_FACE = tuple(range(11))
_LEFT_ARM, _RIGHT_ARM = (13, 15, 17, 19, 21), (14, 16, 18, 20, 22)
_LEFT_LEG, _RIGHT_LEG = (25, 27, 29, 31), (26, 28, 30, 32)
_HIDDEN = (  # landmarks that are hidden together, the landmarks they hang on, and how often
    (_LEFT_ARM, (11,), 0.12),
    (_RIGHT_ARM, (12,), 0.12),
    (_LEFT_LEG, (23,), 0.1),
    (_RIGHT_LEG, (24,), 0.1),
    (_LEFT_LEG + _RIGHT_LEG, (23, 24), 0.2),
    ((23, 24, *_LEFT_LEG, *_RIGHT_LEG), (11, 12), 0.12),
    ((11, 23, *_LEFT_ARM, *_LEFT_LEG), (12, 24), 0.06),
    ((12, 24, *_RIGHT_ARM, *_RIGHT_LEG), (11, 23), 0.06),
    ((*_LEFT_ARM, *_RIGHT_ARM), (11, 12), 0.06),
    ((*_FACE, 11, 12), (23, 24), 0.04),
    (tuple(range(33)), (23, 24), 0.02),
)
_MEMBERS = np.stack([np.isin(np.arange(33), joints) for joints, *_ in _HIDDEN])
_SWAPPED = (  # landmarks that change sides together, and how often
    (tuple(range(23, 33)), 0.3),
    (_LEFT_LEG + _RIGHT_LEG, 0.2),
    (tuple(range(11, 23)), 0.1),
    (_LEFT_ARM + _RIGHT_ARM, 0.1),
    (tuple(range(11, 33)), 0.15),
    (tuple(range(33)), 0.15),
)
_SIDES = np.stack([np.isin(np.arange(33), joints) for joints, _ in _SWAPPED])


@dataclass(frozen=True, slots=True)
class Corruption:
    """How often and how strongly.

    Attributes:
        jitter: least and largest deviation of the jitter of a sequence, body heights.
        hidden: odds of each of the three bursts of occlusion of a sequence.
        always: share of those that last from before the sequence to its end: out of the picture, a desk.
        sure: share of those in which the visibility stays high.
        swapped: odds of each of the two bursts of swapped sides.
        neighbour: odds of a burst on another person.
        spike: odds of a single wild landmark.
    """

    jitter: tuple[float, float] = (0.002, 0.02)
    hidden: float = 0.35
    always: float = 0.12
    sure: float = 0.25
    swapped: float = 0.3
    neighbour: float = 0.1
    spike: float = 0.004


@dataclass(frozen=True, slots=True)
class Observed:
    """Corrupted sequences.

    Attributes:
        landmarks: (B, T, 33, 3) float32 x, y in body heights, visibility.
        hidden: (B, T, 33) bool, within a burst of occlusion.
        swapped: (B, T, 33) bool, on the other side of the body.
        elsewhere: (B, T) bool, on a neighbour.
    """

    landmarks: Floats
    hidden: Bools
    swapped: Bools
    elsewhere: Bools


def corrupt(
    truth: Floats,
    visible: Bools,
    seconds: Floats,
    random: np.random.Generator,
    settings: Corruption | None = None,
) -> Observed:
    """Corrupts sequences.

    Args:
        truth: (B, T, 33, 2) body heights.
        visible: (B, T, 33) whether each landmark is in view in truth.
        seconds: (B, T) time since the frame before; the first one counts, too.
        random: source of every choice.
        settings: how often and how strongly.
    """
    settings = settings or Corruption()
    times = np.cumsum(seconds, axis=1)
    batch = len(truth)
    points, visibility = truth.copy(), _visibilities(visible, random)
    hidden = np.zeros(visible.shape, bool)
    for _ in range(3):
        rows = np.flatnonzero(random.random(batch) < settings.hidden)
        count = len(rows)
        group = _chosen(random, [odds for *_, odds in _HIDDEN], count)
        lasts = np.exp(random.uniform(np.log(0.2), np.log(2.0), (count, 1)))
        first = times[rows, :1] - 0.3 * lasts
        begins = first + random.random((count, 1)) * (times[rows, -1:] - first)
        always = random.random((count, 1)) < settings.always
        since = times[rows] - np.where(always, times[rows, :1] - 1.0, begins)
        lasts[always] = np.inf
        during = (since >= 0) & (since < lasts)
        mask = during[:, :, None] & _MEMBERS[group][:, None]
        wrong = _wrong_place(truth[rows], group, during, seconds[rows], random)
        ramp = 1 - np.exp(-np.maximum(since, 0.0) / random.uniform(0.01, 0.15, (count, 1)))
        share = (mask * ramp[..., None])[..., None].astype(np.float32)
        points[rows] += share * (wrong - points[rows])
        low = random.uniform(0.02, 0.6, (count, 1, 33)) * random.uniform(0.3, 1.0, (count, 1, 1))
        sure = random.random((count, 1, 1)) < settings.sure
        visibility[rows] = np.where(mask & ~sure, np.minimum(visibility[rows], low), visibility[rows])
        hidden[rows] |= mask
    blurred = hidden | ~visible
    points += _jitter(blurred, seconds, random, settings)
    swapped = _swap(points, visibility, random, settings)
    elsewhere = _on_neighbour(points, random, settings)
    spikes = random.random(visible.shape) < settings.spike
    points += spikes[..., None] * random.normal(0.0, 0.15, points.shape)
    visibility = np.clip(visibility + random.normal(0.0, 0.02, visibility.shape), 0.0, 1.0)
    landmarks = np.concatenate([points, visibility[..., None]], axis=-1).astype(np.float32)
    return Observed(landmarks, hidden & ~elsewhere[..., None], swapped & ~elsewhere[..., None], elsewhere)


def _chosen(random: np.random.Generator, odds: list[float], count: int) -> npt.NDArray[np.int64]:
    return np.asarray(random.choice(len(odds), count, p=np.array(odds) / sum(odds)))


def _visibilities(visible: Bools, random: np.random.Generator) -> Floats:
    """(B, T, 33): high where in view, mostly low elsewhere; shoulders and hips are always thought seen."""
    batch = len(visible)
    low = random.uniform(0.05, 0.8, (batch, 1, 33))
    low = np.where(random.random((batch, 1, 1)) < 0.2, random.uniform(0.7, 1.0, low.shape), low)
    high = 1.0 - random.exponential(0.03, (batch, 1, 33))
    visibility = np.where(visible, high, low)
    visibility[..., [11, 12, 23, 24]] = np.maximum(visibility[..., [11, 12, 23, 24]], 0.85)
    # The network's visibility lags and blurs over a few frames.
    blurred = visibility.copy()
    blurred[:, 1:] = 0.5 * visibility[:, 1:] + 0.5 * visibility[:, :-1]
    return np.asarray(blurred, np.float32)


def _wrong_place(
    truth: Floats,
    group: npt.NDArray[np.int64],
    during: Bools,
    seconds: Floats,
    random: np.random.Generator,
) -> Floats:
    """(B, T, 33, 2) where hidden landmarks go: to the other limb, to the body, aside, or they stay put."""
    batch = len(truth)
    weights = np.zeros((len(_HIDDEN), 33), np.float32)
    for row, (_, roots, _) in enumerate(_HIDDEN):
        weights[row, list(roots)] = 1.0 / len(roots)
    root = np.einsum("bj,btjc->btc", weights[group], truth)[:, :, None]
    strength = random.uniform(0.3, 1.0, (batch, 1, 1, 1)).astype(np.float32)
    other = truth + strength * (truth[:, :, MIRROR] - truth)
    inward = truth + strength * (root - truth)
    aside = truth + random.normal(0.0, 0.12, (batch, 1, 1, 2)) + random.normal(0.0, 0.04, (batch, 1, 33, 2))
    first = during.argmax(axis=1)
    rows = np.arange(batch)
    stuck = truth[rows, first][:, None] - root[rows, first][:, None] + root
    mode = random.integers(0, 4, batch)[:, None, None, None]
    wrong = np.select([mode == 0, mode == 1, mode == 2], [other, inward, aside], stuck)
    slow = _slow_noise(random, seconds, (batch, truth.shape[1], 33, 2), 0.4)
    together = _slow_noise(random, seconds, (batch, truth.shape[1], 1, 2), 0.4)
    return np.asarray(
        wrong + random.uniform(0.005, 0.05, (batch, 1, 1, 1)) * (slow + together), dtype=np.float32
    )


def _jitter(blurred: Bools, seconds: Floats, random: np.random.Generator, settings: Corruption) -> Floats:
    """(B, T, 33, 2): white and slow noise of each landmark and of the whole body, more where not in view."""
    batch, length = blurred.shape[:2]
    low, high = np.log(settings.jitter)
    strength = np.exp(random.uniform(low, high, (batch, 1, 1, 1)))
    white = random.standard_normal((batch, length, 33, 2)) * random.uniform(0.3, 1.0, (batch, 1, 1, 1))
    slow = _slow_noise(random, seconds, (batch, length, 33, 2), 0.2) * random.uniform(
        0.3, 1.0, (batch, 1, 1, 1)
    )
    whole = _slow_noise(random, seconds, (batch, length, 1, 2), 0.15) * 0.4
    factor = np.where(blurred, random.uniform(1.0, 3.5, (batch, 1, 1)), 1.0)[..., None]
    return np.asarray(strength * factor * (white + slow + whole), dtype=np.float32)


def _slow_noise(
    random: np.random.Generator, seconds: Floats, shape: tuple[int, ...], constant: float
) -> Floats:
    """Noise of unit deviation that is forgotten with a time constant in seconds (Ornstein-Uhlenbeck)."""
    noise = random.standard_normal(shape, dtype=np.float32)
    kept = np.exp(-seconds / constant)[..., None, None].astype(np.float32)
    for step in range(1, shape[1]):
        noise[:, step] = kept[:, step] * noise[:, step - 1] + np.sqrt(1 - kept[:, step] ** 2) * noise[:, step]
    return noise


def _swap(points: Floats, visibility: Floats, random: np.random.Generator, settings: Corruption) -> Bools:
    """Swaps left and right in place for bursts of 1-15 frames; returns (B, T, 33) where."""
    batch, length = visibility.shape[:2]
    frames = np.arange(length)[None]
    everywhere = np.zeros(visibility.shape, bool)
    for _ in range(2):
        group = _chosen(random, [odds for _, odds in _SWAPPED], batch)
        first = random.integers(-3, length, (batch, 1))
        last = first + np.rint(np.exp(random.uniform(0.0, np.log(15.0), (batch, 1))))
        during = (frames >= first) & (frames < last) & (random.random((batch, 1)) < settings.swapped)
        everywhere ^= during[:, :, None] & _SIDES[group][:, None]
    points[:] = np.where(everywhere[..., None], points[:, :, MIRROR], points)
    visibility[:] = np.where(everywhere, visibility[:, :, MIRROR], visibility)
    return everywhere


def _on_neighbour(points: Floats, random: np.random.Generator, settings: Corruption) -> Bools:
    """Puts whole bodies on another person for 1-8 frames, in place; returns (B, T) where."""
    batch, length = points.shape[:2]
    frames = np.arange(length)[None]
    first = random.integers(0, length, (batch, 1))
    last = first + random.integers(1, 9, (batch, 1))
    during = (frames >= first) & (frames < last) & (first > 0)
    during &= random.random((batch, 1)) < settings.neighbour
    other = np.roll(points, 1, axis=0)
    middle, own = other.mean(axis=(1, 2), keepdims=True), points.mean(axis=2, keepdims=True)
    away = random.normal(0.0, 1.0, (batch, 1, 1, 2))
    away *= random.uniform(0.25, 1.2, (batch, 1, 1, 1)) / np.linalg.norm(away, axis=-1, keepdims=True)
    moved = (other - middle) * random.uniform(0.7, 1.3, (batch, 1, 1, 1)) + own[:, :1] + away
    points[:] = np.where(during[..., None, None], moved, points)
    return np.asarray(during)
