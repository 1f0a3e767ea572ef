"""Walking and running, made of an actor's body: the sources hold few steps, most of them slow.

Angles over a stride after Winter, Biomechanics and Motor Control of Human Movement (walking), and Novacheck
1998, The biomechanics of running; each walker varies them. What tells the two apart is in them:
how far the knees bend, the arms, the flight phase, steps a second; not the speed over the ground alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.interpolate import CubicSpline

from classifier.training.corpus.body import RATE, Body, normalised, rotate_about, smooth_noise

__all__ = ["stride"]

_SHARES = np.array([0.0, 0.15, 0.4, 0.55, 0.72, 0.87, 1.0])  # of a stride, from the heel's contact


@dataclass(frozen=True, slots=True)
class _Style:
    """Degrees of hip (forward) and knee (bent) at `_SHARES`; ranges of what varies."""

    hip: tuple[float, ...]
    knee: tuple[float, ...]
    strides: tuple[float, float]  # a second
    length: tuple[float, float]  # of a stride in m
    lean: tuple[float, float]  # degrees
    elbow: tuple[float, float]  # degrees bent
    swing: tuple[float, float]  # degrees of the upper arm
    flight: float  # m


_WALK = _Style(
    hip=(28, 22, -8, -10, 18, 30, 28),
    knee=(5, 17, 6, 30, 60, 22, 5),
    strides=(0.75, 1.15),
    length=(1.0, 1.7),
    lean=(-3, 8),
    elbow=(5, 35),
    swing=(8, 30),
    flight=0.0,
)
_RUN = _Style(
    hip=(38, 28, -12, -5, 35, 50, 38),
    knee=(18, 40, 22, 60, 105, 50, 18),
    strides=(1.2, 1.6),
    length=(1.6, 3.0),
    lean=(4, 16),
    elbow=(65, 110),
    swing=(20, 45),
    flight=0.07,
)


def stride(pose: Body, seconds: float, random: np.random.Generator, *, running: bool) -> Body:
    """An actor who walks or runs.

    Args:
        pose: (33, 3) the actor standing.
        seconds: how long.
        random: source of chance.
        running: whether to run.

    Returns:
        (T, 33, 3).
    """
    style = _RUN if running else _WALK
    count = max(2, round(seconds * RATE))
    pace = random.uniform(0, 1)  # who takes more steps takes longer ones
    frequency = np.interp(np.clip(pace + random.normal(0, 0.2), 0, 1), (0, 1), style.strides)
    length = np.interp(np.clip(pace + random.normal(0, 0.2), 0, 1), (0, 1), style.length)
    if running and random.random() < 0.3:  # on the spot
        length = random.uniform(0.0, 0.2)
    phase = random.uniform(0, 1) + np.arange(count) / RATE * frequency
    phase += 0.02 * smooth_noise(random, (count,), 15.0)
    vigour = random.uniform(0.75, 1.15) * (0.7 + 0.3 * pace if not running else 1.0)
    left = normalised((pose[23] - pose[24]) * np.array([1.0, 0.0, 1.0]))
    body = np.repeat(_upright(pose, left)[None], count, axis=0)
    for side, offset in (("left", 0.0), ("right", 0.5)):
        _swing_leg(body, left, style, side, (phase + offset) % 1, vigour, random)
    lean, elbow = np.radians(random.uniform(*style.lean)), random.uniform(*style.elbow)
    swing = random.uniform(*style.swing)
    for side, offset in (("left", 0.5), ("right", 0.0)):  # arms go with the other leg
        own = swing * random.uniform(0.5, 1.1) if random.random() < 0.8 else 0.0  # or carry something
        _swing_arm(body, left, side, own * np.cos(2 * np.pi * (phase + offset)), elbow + 0.4 * own)
    upper = [*range(23)]
    hips = body[:, 23:25].mean(axis=1)
    body[:, upper] = rotate_about(body[:, upper], hips, left, np.full(count, lean))
    twist = np.radians(random.uniform(2, 9)) * np.cos(2 * np.pi * (phase + 0.5))
    body[:, upper] = rotate_about(body[:, upper], hips, np.array([0.0, 1.0, 0.0]), twist)
    body[..., 1] -= body[:, 27:33, 1].min(axis=1)[:, None]
    body[..., 1] += (
        style.flight * random.uniform(0.5, 1.2) * np.clip(np.sin(4 * np.pi * (phase - 0.05)), 0, 1)[:, None]
    )
    # Forward, on a way that may bend.
    heading = np.cumsum(np.full(count, random.normal(0, 0.25) / RATE))
    forward = np.cross(left, np.array([0.0, 1.0, 0.0]))
    body = rotate_about(body, body[:, 23:25].mean(axis=1), np.array([0.0, 1.0, 0.0]), heading)
    ways = rotate_about(
        np.repeat(forward[None, None], count, 0), np.zeros((count, 3)), np.array([0.0, 1.0, 0.0]), heading
    )
    return np.asarray(body + np.cumsum(ways * (length * frequency / RATE), axis=0))


def _upright(pose: Body, left: Body) -> Body:
    """The pose with straight legs below the hips and arms that hang."""
    result = pose.copy()
    down = np.array([0.0, -1.0, 0.0])
    for chain in ((23, 25, 27), (24, 26, 28)):
        for above, below in pairwise(chain):
            result[below] = result[above] + np.linalg.norm(pose[above] - pose[below]) * down
        ankle = chain[-1]
        for foot in (ankle + 2, ankle + 4):
            result[foot] = result[ankle] + pose[foot] - pose[ankle]
    for side, chain in ((0.12, (11, 13, 15)), (-0.12, (12, 14, 16))):
        for above, below in pairwise(chain):
            bone = normalised(down + side * left) * np.linalg.norm(pose[above] - pose[below])
            result[below] = result[above] + bone
        wrist = chain[-1]
        for finger in (wrist + 2, wrist + 4, wrist + 6):
            result[finger] = result[wrist] + 0.08 * down
    return result


def _swing_leg(
    body: Body,
    left: Body,
    style: _Style,
    side: str,
    phase: Body,
    vigour: float,
    random: np.random.Generator,
) -> None:
    hip, knee, ankle = (23, 25, 27) if side == "left" else (24, 26, 28)
    feet = (ankle + 2, ankle + 4)
    for joint, moved, degrees, sign in (
        (hip, (knee, ankle, *feet), style.hip, -1.0),
        (knee, (ankle, *feet), style.knee, 1.0),
    ):
        angles = np.array(degrees) * vigour * random.uniform(0.9, 1.1)
        curve = CubicSpline(_SHARES, angles, bc_type="periodic")
        turn = sign * np.radians(curve(phase))
        points = [*moved]
        body[:, points] = rotate_about(body[:, points], body[:, joint].copy(), left, turn)
    # The foot keeps to the floor better than the shin.
    level = np.radians(-0.5 * CubicSpline(_SHARES, np.array(style.knee) * vigour, bc_type="periodic")(phase))
    body[:, [*feet]] = rotate_about(body[:, [*feet]], body[:, ankle].copy(), left, level)


def _swing_arm(body: Body, left: Body, side: str, degrees: Body, elbow: float) -> None:
    shoulder, joint, wrist = (11, 13, 15) if side == "left" else (12, 14, 16)
    hand = (wrist, wrist + 2, wrist + 4, wrist + 6)
    arm = [joint, *hand]
    body[:, arm] = rotate_about(body[:, arm], body[:, shoulder].copy(), left, -np.radians(degrees))
    bend = np.full(len(body), -np.radians(elbow))
    body[:, [*hand]] = rotate_about(body[:, [*hand]], body[:, joint].copy(), left, bend)
