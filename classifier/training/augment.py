"""Changes to windows that do not change their label: what another camera or a noisier pose would see."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["MIRROR", "augment"]

_Float = npt.NDArray[np.float32]
_Bool = npt.NDArray[np.bool_]

_PAIRS = ((1, 4), (2, 5), (3, 6), (9, 10), *((left, left + 1) for left in (7, *range(11, 32, 2))))


def _mirror() -> npt.NDArray[np.int64]:
    order = np.arange(33)
    for left, right in _PAIRS:
        order[left], order[right] = right, left
    return order


MIRROR = _mirror()
"""(33,) where each landmark's mirror image is found."""


def augment(
    landmarks: _Float, valid: _Bool, random: np.random.Generator, *, noise: float = 0.03
) -> tuple[_Float, _Bool]:
    """Returns changed copies of windows.

    Mirrors half of them, tilts, stretches and shears a little, adds jitter (white and slow) in proportion to
    the person, loses single samples, lowers visibilities and cuts the start of some windows as for a track
    that is still young.

    Args:
        landmarks: (N, T, 33, 4) px.
        valid: (N, T).
        random: source of chance.
        noise: standard deviation of the strongest jitter in body scales.
    """
    count, samples = valid.shape
    result = landmarks.copy()
    flip = random.random(count) < 0.5
    result[flip] = result[flip][:, :, MIRROR]
    result[flip, :, :, 0] *= -1

    angle = random.normal(0.0, np.radians(5.0), count)
    stretch = np.exp(random.normal(0.0, 0.08, count))
    shear = random.normal(0.0, 0.05, count)
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.empty((count, 2, 2), np.float32)
    matrix[:, 0] = np.stack([cosine * stretch, -sine + shear], axis=-1)
    matrix[:, 1] = np.stack([sine * stretch, cosine], axis=-1)
    result[..., :2] = np.einsum("nij,ntkj->ntki", matrix, result[..., :2])

    extent = np.ptp(result[..., :2], axis=2).max(axis=-1)  # (N, T) px
    scale = (np.where(valid, extent, 0).max(axis=1) / 3.2)[:, None, None, None]
    strength = (random.random((count, 1, 1, 1)) ** 2 * noise).astype(np.float32)
    white = random.standard_normal((count, samples, 33, 2), np.float32)
    slow = random.standard_normal((count, 2, 33, 2), np.float32)
    ramp = np.linspace(0, 1, samples, dtype=np.float32)[None, :, None, None]
    drift = slow[:, :1] * (1 - ramp) + slow[:, 1:] * ramp
    result[..., :2] += scale * strength * (white + drift)

    # Some joints are not seen for the whole window, and then badly placed.
    unseen = (random.random((count, 1, 33)) < random.random((count, 1, 1)) * 0.2).repeat(samples, axis=1)
    result[..., 3] = np.where(unseen, result[..., 3] * random.random((count, 1, 33)), result[..., 3])
    wrong = random.standard_normal((count, 1, 33, 2), np.float32) * 0.08 * scale
    result[..., :2] += np.where(unseen[..., None], wrong, 0)
    result[..., 3] *= 1 - 0.2 * random.random((count, 1, 1))

    kept = _cut_and_lose(valid, random)
    result[~kept] = 0.0
    return result, kept


def _cut_and_lose(valid: _Bool, random: np.random.Generator) -> _Bool:
    count, samples = valid.shape
    start = np.where(random.random(count) < 0.25, random.integers(0, samples * 2 // 3, count), 0)
    kept = valid & (np.arange(samples)[None] >= start[:, None])
    lost = (random.random((count, samples)) < 0.04) & (random.random((count, 1)) < 0.3)
    lost[:, -2:] = False
    return kept & ~lost
