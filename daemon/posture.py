"""How bodies came to be as they are: from boxes and torsos alone, what a fall must come to and from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from daemon.places import takes_over
from daemon.scene import Person, Scene
from tracker.landmarks import Landmark
from tracker.pose import Pose

__all__ = ["Posture", "Postures", "is_down", "torso_tilt"]

_SHOULDERS = [Landmark.LEFT_SHOULDER, Landmark.RIGHT_SHOULDER]
_HIPS = [Landmark.LEFT_HIP, Landmark.RIGHT_HIP]
_VISIBLE = 0.5
_TILTED = math.radians(50.0)
_WIDE = 1.0  # width over height of the box
_SHRUNK = 0.7  # height of the box over what it was
_TALL_MEMORY = 8.0  # seconds in which the height that a person had falls to 1/e
_MEMORY = 4.0  # seconds for which somebody who is not seen is remembered
_NEVER = float("-inf")


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


@dataclass(frozen=True, slots=True)
class Posture:
    """One person's; times in monotonic seconds.

    Attributes:
        person: id of the person's first track.
        box: (4,) px where the person was last seen.
        seen: when that was.
        stood: when the body was last not down.
        down: when it was last down.
        moved: when the person last moved from the place.
        tall: height in px that the box had of late.
    """

    person: str
    box: NDArray[np.float32]
    seen: float
    stood: float = _NEVER
    down: float = _NEVER
    moved: float = _NEVER
    tall: float = 0.0


class Postures:
    """Follows the posture of everybody in a camera's scenes, over tracks that break in two."""

    def __init__(self) -> None:
        self._known: dict[str, Posture] = {}

    def update(self, scene: Scene) -> dict[str, Posture]:
        """Takes the next scene; returns the posture of everybody who is seen, by track id."""
        live, oldest = scene.live, scene.monotonic - _MEMORY
        self._known = {k: one for k, one in self._known.items() if k in live or one.seen >= oldest}
        seen = {person.track.id: person for person in scene.confirmed}
        for track, person in seen.items():
            before = self._known.get(track) or self._inherited(person, scene, set(seen))
            self._known[track] = _followed(before, person, scene.monotonic)
        return {track: self._known[track] for track in seen}

    def _inherited(self, person: Person, scene: Scene, seen: set[str]) -> Posture:
        for key, posture in self._known.items():
            if key not in seen and takes_over(person.track, posture.box, posture.seen):
                return posture
        return Posture(person.track.id, person.track.box, scene.monotonic)


def _followed(posture: Posture, person: Person, now: float) -> Posture:
    box = person.track.box
    tall = posture.tall * math.exp(-max(now - posture.seen, 0.0) / _TALL_MEMORY)
    posture = replace(posture, box=box, seen=now, tall=max(tall, float(box[3] - box[1])))
    if not person.track.stationary:
        posture = replace(posture, moved=now)
    if is_down(person, posture.tall):
        return replace(posture, down=now)
    return replace(posture, stood=now)
