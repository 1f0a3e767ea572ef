"""Key poses that the sources do not have, made of an actor's standing pose, and the way from one to the next.

A pose is (33, 3) in metres, as one frame of a `Body`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classifier.training.corpus.body import RATE, Body, normalised, rotate_about, smooth_noise
from classifier.training.corpus.motions import bend_knees, seat, swing_arms

__all__ = ["floor_seat", "kneel", "lie", "plank", "squat", "through", "way"]

_UP = np.array([0.0, 1.0, 0.0])
_FACE = tuple(range(11))
_PARENTS = {  # a point by the one that carries it, in an order in which the carrier comes first
    **{13: 11, 14: 12, 15: 13, 16: 14, 25: 23, 26: 24, 27: 25, 28: 26},
    **{17: 15, 19: 15, 21: 15, 18: 16, 20: 16, 22: 16, 29: 27, 31: 27, 30: 28, 32: 28},
}


def lie(pose: Body, random: np.random.Generator, *, height: float = 0.0) -> Body:
    """The pose on its back, belly or side, at a height; arms and knees a little anyhow."""
    left, forward = _axes(pose)
    kind = random.random()
    axis = left if kind < 0.7 else forward
    angle = np.radians(random.uniform(80, 95)) * (1 if random.random() < 0.5 else -1)
    bent = random.uniform(0.0, 0.35)
    one = bend_knees(pose[None], np.array([bent]))
    one = _turn(one, one[:, 23:25].mean(axis=1), axis, angle)
    one = _turn(one, one[:, 23:25].mean(axis=1), _UP, random.uniform(0, 2 * np.pi))
    one = swing_arms(one, random, strength=0.7, sigma=1.0)
    one[..., 1] -= one[..., 1].min()
    one[..., 1] = height + 0.06 + one[..., 1] * random.uniform(0.3, 0.6)
    return np.asarray(one[0])


def squat(pose: Body, random: np.random.Generator) -> Body:
    """Deep in the knees, leaning forward."""
    one = bend_knees(pose[None], np.array([random.uniform(0.4, 0.75)]))
    return _lean(one[0], random.uniform(10, 55))


def kneel(pose: Body, random: np.random.Generator) -> Body:
    """On both knees, upright or with the hands to the floor."""
    _, forward = _axes(pose)
    result = pose.copy()
    thigh = np.linalg.norm(pose[23:25] - pose[25:27], axis=1).mean()
    result[:25, 1] -= pose[23:25, 1].mean() - thigh * random.uniform(0.75, 1.0) - 0.06
    for hip, knee, ankle, feet in ((23, 25, 27, (29, 31)), (24, 26, 28, (30, 32))):
        shin = np.linalg.norm(pose[knee] - pose[ankle])
        reach = np.sqrt(max(thigh**2 - (result[hip, 1] - 0.06) ** 2, 0.0))
        result[knee] = result[hip] * [1, 0, 1] + forward * reach + 0.06 * _UP
        result[ankle] = result[knee] - forward * shin + 0.02 * _UP
        for foot in feet:
            result[foot] = result[ankle] - forward * (0.03 if foot < 31 else 0.14) + 0.01 * _UP
    return _lean(result, float(random.choice([random.uniform(-5, 20), random.uniform(40, 85)])))


def floor_seat(pose: Body, random: np.random.Generator) -> Body:
    """On the floor, legs forward or folded."""
    one = seat(pose[None], random)
    left, forward = _axes(pose)
    hips = one[0, 23:25].mean(axis=0)
    result = one[0] - np.array([0.0, hips[1] - 0.1, 0.0])
    folded = random.random() < 0.5
    for side, (hip, knee, ankle, feet) in zip(
        (1.0, -1.0), ((23, 25, 27, (29, 31)), (24, 26, 28, (30, 32))), strict=True
    ):
        thigh, shin = (np.linalg.norm(pose[a] - pose[b]) for a, b in ((hip, knee), (knee, ankle)))
        out = forward + side * left * (0.9 if folded else 0.15) + _UP * random.uniform(0.0, 0.8)
        result[knee] = result[hip] + thigh * normalised(out)
        back = forward * (-0.3 if folded else 1.0) - side * left * (1.0 if folded else 0.0)
        down = (0.06 - result[knee, 1]) / shin
        result[ankle] = result[knee] + shin * normalised(
            normalised(back) * np.sqrt(max(1 - down**2, 0.01)) + down * _UP
        )
        for foot in feet:
            result[foot] = result[ankle] + forward * (0.12 if foot >= 31 else -0.03) + 0.02 * _UP
    return result


def plank(pose: Body, *, low: bool) -> Body:
    """Face down on hands and toes, arms straight, or bent at the lower end of a push-up."""
    left, _ = _axes(pose)
    one = _turn(pose[None], pose[None, 27:29].mean(axis=1), left, np.radians(70 if not low else 85))
    result = one[0]
    result[:, 1] -= result[31:33, 1].mean() - 0.02
    for shoulder, elbow, wrist, hand in ((11, 13, 15, (17, 19, 21)), (12, 14, 16, (18, 20, 22))):
        upper, fore = (np.linalg.norm(pose[a] - pose[b]) for a, b in ((shoulder, elbow), (elbow, wrist)))
        height = max(result[shoulder, 1], 0.12)
        aside = np.sqrt(max((upper + fore) ** 2 - height**2, 0.0)) * 0.5
        result[wrist] = result[shoulder] * [1, 0, 1] + 0.05 * _UP
        way_out = normalised(result[shoulder] - result[23 + (shoulder == 12)]) * -0.5 + left * (
            0.5 if shoulder == 11 else -0.5
        )
        result[elbow] = (result[shoulder] + result[wrist]) / 2 + normalised(way_out) * min(aside, 0.25)
        for finger in hand:
            result[finger] = result[wrist] + 0.07 * normalised(result[shoulder] - result[23]) * [1, 0, 1]
    result[:, 1] = np.maximum(result[:, 1], 0.03)
    return result


def way(first: Body, last: Body, shares: Body) -> Body:
    """(T, 33, 3) poses between two by shares (T,) in 0..1: bones turn and keep their lengths."""
    result = np.empty((len(shares), 33, 3))
    share = shares[:, None]
    roots = [pose[23:25].mean(axis=0) for pose in (first, last)]
    root = roots[0] + share * (roots[1] - roots[0])

    def bone(start: Body, end: Body) -> Body:
        """(T, 3) from vector to vector."""
        lengths = float(np.linalg.norm(start)), float(np.linalg.norm(end))
        mixed = (1 - share) * start / max(lengths[0], 1e-6) + share * end / max(lengths[1], 1e-6)
        return np.asarray(normalised(mixed) * ((1 - share) * lengths[0] + share * lengths[1]))

    for point in (23, 24, 11, 12):
        result[:, point] = root + bone(first[point] - roots[0], last[point] - roots[1])
    middle = result[:, 11:13].mean(axis=1)
    chest = [pose[11:13].mean(axis=0) for pose in (first, last)]
    for point in _FACE:
        result[:, point] = middle + bone(first[point] - chest[0], last[point] - chest[1])
    for point, parent in _PARENTS.items():
        carried = bone(first[point] - first[parent], last[point] - last[parent])
        result[:, point] = result[:, parent] + carried
    return result


def through(
    keys: Sequence[tuple[Body, float, float]], random: np.random.Generator
) -> tuple[Body, list[tuple[int, int]]]:
    """Goes through poses.

    Args:
        keys: pose, seconds of the way to it (0 for the first), seconds that it is held.
        random: source of chance.

    Returns:
        the body, and for each pose the frames in which it is held: first and one past the last.
    """
    parts: list[Body] = []
    held, count = [], 0
    before = keys[0][0]
    for pose, moving, holding in keys:
        steps = round(moving * RATE)
        if steps:
            line = np.linspace(0, 1, steps + 1)[1:] ** random.uniform(0.8, 1.5)
            parts.append(way(before, pose, line * line * (3 - 2 * line)))
            count += steps
        still = max(1, round(holding * RATE))
        parts.append(np.repeat(pose[None], still, axis=0))
        held.append((count, count + still))
        count, before = count + still, pose
    body = np.concatenate(parts)
    body = swing_arms(body, random, strength=float(random.choice([0.03, 0.1, 0.25])), sigma=12.0)
    return body + 0.01 * smooth_noise(random, (count, 1, 3), 10.0) * np.array([1.0, 0.3, 1.0]), held


def _axes(pose: Body) -> tuple[Body, Body]:
    """Unit vectors to the person's left and forward."""
    left = normalised((pose[23] - pose[24]) * np.array([1.0, 0.0, 1.0]))
    return left, np.cross(left, _UP)


def _turn(body: Body, pivot: Body, axis: Body, angle: float) -> Body:
    return rotate_about(body, pivot, axis, np.full(len(body), angle))


def _lean(pose: Body, degrees: float) -> Body:
    """Turns what is above the hips forward; hands stay above the floor."""
    left, _ = _axes(pose)
    upper = [*range(23)]
    result = pose.copy()
    turned = _turn(pose[None, upper], pose[None, 23:25].mean(axis=1), left, np.radians(degrees))
    result[upper] = turned[0]
    result[15:23, 1] = np.maximum(result[15:23, 1], 0.04)
    return result
