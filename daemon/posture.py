"""How bodies came to be as they are: from boxes and torsos alone, what a fall must come to and from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from classifier.model import ActionScores
from daemon.places import takes_over
from daemon.scene import Person, Scene
from tracker.landmarks import Landmark
from tracker.pose import Pose
from tracker.tracks import rename

__all__ = ["Posture", "Postures", "is_low", "leans", "plausible", "torso_tilt"]

_SHOULDERS = [Landmark.LEFT_SHOULDER, Landmark.RIGHT_SHOULDER]
_HIPS = [Landmark.LEFT_HIP, Landmark.RIGHT_HIP]
_VISIBLE = 0.5
_TILTED = math.radians(50.0)
_WIDE = 1.0  # width over height of the box
_SHRUNK = 0.7  # height of the box over what it was
_NARROW = 0.5  # width over height below which a box is of somebody upright, whatever a jumping pose says
_LEANS_FOR = 0.09  # seconds from which leaning over is being down: poses jump for a frame
_DOWN_FOR = 0.6  # seconds for which having been down counts as being down
_TALL_MEMORY = 8.0  # seconds in which the height that a person had falls to 1/e
_DROP = 1.0  # heights a second of a head in a fall; of who sits or lies down it is half of that
_DROP_OVER = 0.18, 0.6  # seconds over which that is measured, at least and at most
_UNSEEN = 0.5, 3.0  # seconds, at least and at most, for which somebody may be lost in a fall
_UNSEEN_DROP = 0.4  # heights by which the head of who is found again must be lower
_MEMORY = 4.0  # seconds for which somebody who is not seen is remembered
_NEVER = float("-inf")


def torso_tilt(pose: Pose) -> float | None:
    """Angle in radians between torso and vertical: 0 upright, pi upside down; None where it is hidden."""
    if pose.landmarks[_SHOULDERS + _HIPS, 3].min() < _VISIBLE:
        return None
    x, y = (pose.landmarks[_SHOULDERS, :2].mean(axis=0) - pose.landmarks[_HIPS, :2].mean(axis=0)).tolist()
    return math.atan2(abs(x), -y) if x or y else None


def is_low(person: Person, tall: float) -> bool:
    """True for a box that is wider than tall, or far lower than it was.

    One that has shrunk because something hides the legs is not low: then the hips are hidden, too.

    Args:
        person: somebody in a scene.
        tall: height in px that the person's box had of late.
    """
    width, height = _size(person)
    hidden = person.pose is not None and torso_tilt(person.pose) is None
    return width >= _WIDE * height or (height <= _SHRUNK * tall and not hidden)


def leans(person: Person) -> bool:
    """True for a torso that leans far over. In a narrow box nobody does: there a pose has jumped."""
    tilt = None if person.pose is None else torso_tilt(person.pose)
    width, height = _size(person)
    return tilt is not None and tilt >= _TILTED and width >= _NARROW * height


def plausible(scores: ActionScores, posture: Posture | None) -> ActionScores:
    """The scores without falling where the body has not been down: jumps of a pose look like falls."""
    if posture is None or posture.is_down(scores.monotonic) or "falling" not in scores.labels:
        return scores
    probabilities = scores.probabilities.copy()
    probabilities[scores.labels.index("falling")] = 0.0
    return replace(scores, probabilities=probabilities)


def _size(person: Person) -> tuple[float, float]:
    width, height = np.maximum(person.track.box[2:] - person.track.box[:2], 1.0).tolist()
    return width, height


@dataclass(frozen=True, slots=True)
class Posture:
    """One person's; times in monotonic seconds.

    Attributes:
        person: id of the person's first track.
        box: (4,) px where the person was last seen.
        seen: when that was.
        stood: when the body was last not down.
        down: when it was last down.
        leaning: since when it has leaned over without a break; None while it does not.
        moved: when the person last moved from the place.
        tall: height in px that the box had of late.
        heads: time and top of the box in px over the last moments, the oldest first.
        dropped: when the head last came down as fast as in a fall.
    """

    person: str
    box: NDArray[np.float32]
    seen: float
    stood: float = _NEVER
    down: float = _NEVER
    moved: float = _NEVER
    leaning: float | None = None
    tall: float = 0.0
    heads: tuple[tuple[float, float], ...] = ()
    dropped: float = _NEVER

    def is_down(self, monotonic: float) -> bool:
        """Whether the body is down at this time, or was a moment before."""
        return monotonic - self.down <= _DOWN_FOR


class Postures:
    """Follows the posture of everybody in a camera's scenes, over tracks that break in two."""

    def __init__(self) -> None:
        self._known: dict[str, Posture] = {}

    def update(self, scene: Scene) -> dict[str, Posture]:
        """Takes the next scene; returns the posture of everybody who is seen, by track id."""
        if scene.cut:
            self._known.clear()
        rename(self._known, scene.renamed)
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


def _with_head(posture: Posture, now: float) -> Posture:
    """Takes in where the head is, as the top of the box."""
    top = float(posture.box[1])
    if posture.heads and _UNSEEN[0] <= now - posture.heads[-1][0] <= _UNSEEN[1]:
        # Lost on the way down, as the detector loses people who tip over, and found again where they lie.
        fell = top - posture.heads[-1][1] >= _UNSEEN_DROP * posture.tall
        return replace(posture, heads=((now, top),), dropped=now if fell else posture.dropped)
    # Of the heads that are old enough the youngest; an older one only where there are so few frames.
    heads = (*(head for head in posture.heads if now - head[0] <= _DROP_OVER[1]), (now, top))
    old = [head for head in heads if now - head[0] >= _DROP_OVER[0]]
    drops = False
    if old:
        then, before = old[-1]
        drops = top - before >= _DROP * posture.tall * (now - then)
    return replace(posture, heads=heads, dropped=now if drops else posture.dropped)


def _followed(posture: Posture, person: Person, now: float) -> Posture:
    box = person.track.box
    tall = posture.tall * math.exp(-max(now - posture.seen, 0.0) / _TALL_MEMORY)
    posture = replace(posture, box=box, seen=now, tall=max(tall, float(box[3] - box[1])))
    posture = _with_head(posture, now)
    if not person.track.stationary:
        posture = replace(posture, moved=now)
    if is_low(person, posture.tall):
        return replace(posture, down=now, leaning=None)
    if not leans(person):
        return replace(posture, stood=now, leaning=None)
    leaning = now if posture.leaning is None else posture.leaning
    return replace(posture, leaning=leaning, down=now if now - leaning >= _LEANS_FOR else posture.down)
