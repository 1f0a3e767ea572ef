"""Motions that the sources lack: idle standing, seated people, falls and people on the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from classifier.training.corpus.body import RATE, Body, normalised, rotate_about, smooth_noise

__all__ = ["Fall", "bend_knees", "fall", "hands_before", "hold", "seat", "swing_arms", "turn"]

_ARMS = ((11, (13, 15, 17, 19, 21)), (12, (14, 16, 18, 20, 22)))
_LEGS = ((23, 25, 27, (29, 31)), (24, 26, 28, (30, 32)))


def turn(body: Body, angle: float) -> Body:
    """The whole motion turned about the vertical."""
    pivot = np.zeros((len(body), 3))
    return rotate_about(body, pivot, np.array([0.0, 1.0, 0.0]), np.full(len(body), angle))


def swing_arms(body: Body, random: np.random.Generator, *, strength: float, sigma: float) -> Body:
    """Turns each arm about its shoulder, and the forearm about the elbow, by smooth random angles in rad."""
    result = body.copy()
    for shoulder, arm in _ARMS:
        angles = smooth_noise(random, (len(body), 2), sigma) * strength
        axis = random.standard_normal((2, 3))
        result[:, arm] = rotate_about(result[:, arm], result[:, shoulder], axis[0], angles[:, 0])
        result[:, arm[1:]] = rotate_about(result[:, arm[1:]], result[:, arm[0]], axis[1], angles[:, 1])
    return result


def hold(pose: Body, seconds: float, random: np.random.Generator, *, sway: float = 0.015) -> Body:
    """A person who keeps a pose (33, 3): sways by `sway` m, and at times looks around or moves the arms."""
    count = max(2, round(seconds * RATE))
    body = np.repeat(pose[None], count, axis=0)
    share = np.clip(body[..., 1:2] / 1.6, 0, 1)  # the feet stay
    body = body + share * sway * smooth_noise(random, (count, 1, 3), 12.0) * np.array([1.0, 0.2, 1.0])
    return swing_arms(body, random, strength=float(random.choice([0.02, 0.06, 0.2])), sigma=12.0)


def hands_before(body: Body, random: np.random.Generator) -> Body:
    """The same body with one or both forearms held before it, as who holds a phone or a bag, or works."""
    result = body.copy()
    left = normalised((body[:, 23] - body[:, 24]) * np.array([1.0, 0.0, 1.0]))
    for shoulder, arm in _ARMS:
        if random.random() < 0.2:
            continue
        upper = np.full(len(body), -np.radians(random.uniform(0, 35)))
        lower = np.full(len(body), -np.radians(random.uniform(40, 120)))
        result[:, arm] = rotate_about(result[:, arm], result[:, shoulder], left, upper)
        result[:, arm[1:]] = rotate_about(result[:, arm[1:]], result[:, arm[0]], left, lower)
    return result


def seat(body: Body, random: np.random.Generator) -> Body:
    """The same upper body on a chair: hips lowered, thighs forward, feet in front; (T, 33, 3)."""
    result = body.copy()
    hips = body[:, 23:25].mean(axis=1)
    left = normalised((body[:, 23] - body[:, 24]) * np.array([1.0, 0.0, 1.0]))
    forward = np.cross(left, np.array([0.0, 1.0, 0.0]))
    drop = np.median(hips[:, 1]) - random.uniform(0.32, 0.62)
    upper = [*range(25)]
    result[:, upper, 1] -= drop
    lean = np.full(len(body), np.radians(random.uniform(-15, 25)))
    result[:, upper] = rotate_about(result[:, upper], hips - [0, drop, 0], left, lean)
    reach, spread = random.uniform(-0.15, 0.35), random.uniform(-0.05, 0.25)
    for sign, (hip, knee, ankle, foot) in zip((1.0, -1.0), _LEGS, strict=True):
        thigh = np.linalg.norm(body[:, hip] - body[:, knee], axis=-1, keepdims=True)
        shin = np.linalg.norm(body[:, knee] - body[:, ankle], axis=-1, keepdims=True)
        above = random.normal(0.0, 0.08)
        out = normalised(forward + sign * spread * left + np.array([0.0, above, 0.0]))
        knees = result[:, hip] + thigh * out
        down = normalised(reach * forward + np.array([0.0, -1.0, 0.0]) + random.normal(0, 0.08, 3))
        ankles = knees + shin * down
        toes = (forward * 0.15 - np.array([0, 0.04, 0]), -forward * 0.045 - np.array([0, 0.05, 0]))
        result[:, knee], result[:, ankle] = knees, ankles
        result[:, foot[0]], result[:, foot[1]] = ankles + toes[1], ankles + toes[0]
    result[..., 1] -= np.median(result[:, 27:33, 1].min(axis=1))
    return result


@dataclass(frozen=True, slots=True)
class Fall:
    """A body that falls: frame numbers of the first sure sign, of the impact, and the motion itself."""

    body: Body
    begins: int
    lands: int


def fall(lead: Body, random: np.random.Generator, *, lying_seconds: float, faint: bool | None = None) -> Fall:
    """Lets a person fall at the end of a motion and lie still.

    The body tips over its feet like an inverted rod, theta'' = 3 g sin(theta) / (2 L), in any direction,
    while the knees give way more (a faint) or less (a trip); arms fly; on the floor it flattens and settles.

    Args:
        lead: (T, 33, 3) what the person did before.
        random: source of chance.
        lying_seconds: time on the floor.
        faint: whether the knees give way; by chance when None.
    """
    angles = _tipping(random)
    drop_count, lying_count = len(angles), round(lying_seconds * RATE)
    velocity = np.median(np.diff(lead[-8:, 23:25].mean(axis=1), axis=0), axis=0) * np.array([1.0, 0.0, 1.0])
    body = np.concatenate([lead, _going_on(lead, drop_count + lying_count)])
    start, count = len(lead), len(body)
    lands = start + drop_count - 1
    progress = np.concatenate([np.zeros(start), angles, np.full(lying_count, angles[-1])])

    collapse = (
        random.uniform(0.35, 0.8)
        if (random.random() < 0.5 if faint is None else faint)
        else random.uniform(0, 0.3)
    )
    body = bend_knees(body, collapse * np.clip(progress / 1.2, 0, 1) ** 0.8)
    pivot = body[start - 1, 27:33].mean(axis=0) * np.array([1.0, 0.0, 1.0])
    facing = lead[-1, 11] - lead[-1, 12]
    heading = (
        np.arctan2(facing[2], facing[0])
        + random.choice([0, np.pi, np.pi / 2, -np.pi / 2])
        + random.normal(0, 0.4)
    )
    axis = np.array([np.cos(heading), 0.0, np.sin(heading)])
    body = rotate_about(body, np.repeat(pivot[None], count, axis=0), axis, progress)
    spin = random.normal(0, 0.35) * np.clip(progress / 1.5, 0, 1)
    body = rotate_about(body, np.repeat(pivot[None], count, axis=0), np.array([0.0, 1.0, 0.0]), spin)

    flown = gaussian_filter1d((progress > 0.25).astype(float), 5.0, mode="nearest")
    flying = swing_arms(body, random, strength=random.uniform(0.2, 1.2), sigma=8.0)
    still = np.minimum(np.arange(count), lands + random.integers(3, 15))
    flying = flying - body
    body = body + flying[still] * flown[:, None, None]
    slide = np.cumsum(np.where((np.arange(count) > start) & (np.arange(count) < lands), 1.0, 0.0))
    body = body + (slide * random.uniform(0.3, 0.9))[:, None, None] * velocity
    body = _meet_floor(body, progress, lands, random)
    quiet = np.clip((np.arange(count) - lands) / 10.0, 0, 1)[:, None, None]
    body = body + quiet * 0.006 * smooth_noise(random, (count, 33, 3), 10.0)
    return Fall(body, start + int(np.argmax(angles > 0.3)), lands)


def _tipping(random: np.random.Generator) -> Body:
    """Angles from the vertical at 30 Hz, until the body is on the floor."""
    angle, speed = random.uniform(0.03, 0.15), random.uniform(0.2, 1.4)
    end = np.radians(random.uniform(78, 96))
    length, step, angles = random.uniform(1.4, 1.9), 1 / (RATE * 8), []
    gravity = 9.81 * random.uniform(0.6, 1.0)  # arms, walls and steps hold a little
    while angle < end:
        angles.append(angle)
        speed += 1.5 * gravity / length * np.sin(angle) * step
        angle += speed * step
    return np.append(np.array(angles[::8]), end)


def _going_on(lead: Body, count: int) -> Body:
    """Continues a motion for a moment, slowing to a stop."""
    moves = np.diff(lead[-10:], axis=0).mean(axis=0)
    slowing = np.cumsum(np.exp(-np.arange(1, count + 1) / 4.0))
    return np.asarray(lead[-1] + slowing[:, None, None] * moves)


def bend_knees(body: Body, amount: Body) -> Body:
    """Bends the knees: lowers the hips by `amount` (T,) of the leg's length, ankles in place (IK)."""
    result = body.copy()
    left = normalised((body[:, 23] - body[:, 24]) * np.array([1.0, 0.0, 1.0]))
    forward = np.cross(left, np.array([0.0, 1.0, 0.0]))
    height = body[:, 23:25, 1].mean(axis=1) - body[:, 27:29, 1].mean(axis=1)
    result[:, :25, 1] -= (np.maximum(height, 0) * amount)[:, None]
    for hip, knee, ankle, _ in _LEGS:
        thigh = np.linalg.norm(body[:, hip] - body[:, knee], axis=-1)
        shin = np.linalg.norm(body[:, knee] - body[:, ankle], axis=-1)
        line = result[:, ankle] - result[:, hip]
        length = np.clip(np.linalg.norm(line, axis=-1), 0.05, 0.999 * (thigh + shin))
        along = (thigh**2 - shin**2 + length**2) / (2 * length)
        aside = np.sqrt(np.maximum(thigh**2 - along**2, 0.0))
        way = normalised(line)
        out = normalised(forward - (forward * way).sum(-1, keepdims=True) * way)
        bent = result[:, hip] + along[:, None] * way + aside[:, None] * out
        share = np.clip(amount * 12, 0, 1)[:, None]
        result[:, knee] = (1 - share) * body[:, knee] + share * bent
    return result


def _meet_floor(body: Body, progress: Body, lands: int, random: np.random.Generator) -> Body:
    """Keeps the body above the floor, and lets it flatten once it lies."""
    result = body.copy()
    result[..., 1] -= np.minimum(result[..., 1].min(axis=1), 0.0)[:, None]
    settle = np.clip((np.arange(len(body)) - lands + 4) / random.uniform(5, 14), 0, 1)
    settle *= np.clip(progress / 1.2, 0, 1)
    flat = 0.07 + (result[..., 1] - 0.07) * random.uniform(0.25, 0.6)
    result[..., 1] += settle[:, None] * (np.minimum(flat, result[..., 1]) - result[..., 1])
    return result
