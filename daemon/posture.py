"""Whether a body is down, from its box and its torso alone: what a fall must come to, whatever its score."""

from __future__ import annotations

import math

import numpy as np

from daemon.scene import Person
from tracker.landmarks import Landmark
from tracker.pose import Pose

__all__ = ["is_down", "torso_tilt"]

_SHOULDERS = [Landmark.LEFT_SHOULDER, Landmark.RIGHT_SHOULDER]
_HIPS = [Landmark.LEFT_HIP, Landmark.RIGHT_HIP]
_VISIBLE = 0.5
_TILTED = math.radians(50.0)
_WIDE = 1.0  # width over height of the box
_SHRUNK = 0.7  # height of the box over what it was


def torso_tilt(pose: Pose) -> float | None:
    """Angle in radians between torso and vertical: 0 upright, pi upside down; None where it is hidden."""
    if pose.landmarks[_SHOULDERS + _HIPS, 3].min() < _VISIBLE:
        return None
    x, y = (pose.landmarks[_SHOULDERS, :2].mean(axis=0) - pose.landmarks[_HIPS, :2].mean(axis=0)).tolist()
    return math.atan2(abs(x), -y) if x or y else None


def is_down(person: Person, tall: float) -> bool:
    """True for a torso that leans far over, a box that is wider than tall, or one far lower than it was.

    Args:
        person: somebody in a scene.
        tall: height in px that the person's box had of late.
    """
    width, height = np.maximum(person.track.box[2:] - person.track.box[:2], 1.0).tolist()
    if width >= _WIDE * height or height <= _SHRUNK * tall:
        return True
    tilt = None if person.pose is None else torso_tilt(person.pose)
    return tilt is not None and tilt >= _TILTED
