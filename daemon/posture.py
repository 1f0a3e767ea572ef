"""How bodies came to be as they are: from boxes and torsos alone, what a fall must come to and from."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classifier.model import ActionScores
from daemon.places import takes_over
from daemon.scene import Person, Scene
from tracker.landmarks import Landmark
from tracker.pose import Pose
from tracker.tracks import rename

__all__ = ["Posture", "Postures", "is_low", "leans", "plausible", "torso_tilt"]

_TORSO = [Landmark.LEFT_SHOULDER, Landmark.RIGHT_SHOULDER, Landmark.LEFT_HIP, Landmark.RIGHT_HIP]
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
_Heads: TypeAlias = tuple[tuple[float, float], ...]


def torso_tilt(pose: Pose) -> float | None:
    """Angle in radians between torso and vertical: 0 upright, pi upside down; None where it is hidden."""
    # Four rows as plain numbers: this runs for everybody in every frame, and arrays this small are slow.
    left, right, left_hip, right_hip = pose.landmarks[_TORSO].tolist()
    if not min(left[3], right[3], left_hip[3], right_hip[3]) >= _VISIBLE:
        return None
    x, y = left[0] + right[0] - left_hip[0] - right_hip[0], left[1] + right[1] - left_hip[1] - right_hip[1]
    return math.atan2(abs(x), -y) if x or y else None


def is_low(person: Person, tall: float) -> bool:
    """True for a box that is wider than tall, or far lower than it was.

    One that has shrunk because something hides the legs is not low: then the hips are hidden, too.

    Args:
        person: somebody in a scene.
        tall: height in px that the person's box had of late.
    """
    return _is_low(_Body.of(person), tall)


def leans(person: Person) -> bool:
    """True for a torso that leans far over. In a narrow box nobody does: there a pose has jumped."""
    return _leans(_Body.of(person))


def plausible(scores: ActionScores, posture: Posture | None) -> ActionScores:
    """The scores without falling where the body has not been down: jumps of a pose look like falls."""
    if posture is None or posture.is_down(scores.monotonic) or "falling" not in scores.labels:
        return scores
    probabilities = scores.probabilities.copy()
    probabilities[scores.labels.index("falling")] = 0.0
    return replace(scores, probabilities=probabilities)


class _Body(NamedTuple):
    """What a posture is told from: width and height of the box in px, and the torso.

    Attributes:
        tilt: of the torso, see `torso_tilt`; None without a pose as well.
        hidden: whether there is a pose, and the torso cannot be seen.
    """

    width: float
    height: float
    tilt: float | None
    hidden: bool

    @classmethod
    def of(cls, person: Person) -> _Body:
        left, top, right, bottom = person.track.box.tolist()
        tilt = None if person.pose is None else torso_tilt(person.pose)
        hidden = person.pose is not None and tilt is None
        return cls(max(right - left, 1.0), max(bottom - top, 1.0), tilt, hidden)


def _is_low(body: _Body, tall: float) -> bool:
    return body.width >= _WIDE * body.height or (body.height <= _SHRUNK * tall and not body.hidden)


def _leans(body: _Body) -> bool:
    return body.tilt is not None and body.tilt >= _TILTED and body.width >= _NARROW * body.height


class Posture(NamedTuple):
    """One person's; times in monotonic seconds. A named tuple, as it is made for everybody in every frame.

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
    heads: _Heads = ()
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


def _followed(posture: Posture, person: Person, now: float) -> Posture:
    box = person.track.box
    body, top = _Body.of(person), float(box[1])
    faded = posture.tall * math.exp(-max(now - posture.seen, 0.0) / _TALL_MEMORY)
    tall = max(faded, float(box[3]) - top)
    heads, drops = _with_head(posture.heads, top, tall, now)
    stood, down, leaning = posture.stood, posture.down, None
    if _is_low(body, tall):
        down = now
    elif not _leans(body):
        stood = now
    else:
        leaning = now if posture.leaning is None else posture.leaning
        down = now if now - leaning >= _LEANS_FOR else down
    return Posture(
        person=posture.person,
        box=box,
        seen=now,
        stood=stood,
        down=down,
        moved=posture.moved if person.track.stationary else now,
        leaning=leaning,
        tall=tall,
        heads=heads,
        dropped=now if drops else posture.dropped,
    )


def _with_head(heads: _Heads, top: float, tall: float, now: float) -> tuple[_Heads, bool]:
    """Takes in where the head is, as the top of the box; tells whether it came down as fast as in a fall."""
    latest = (now, top)
    if heads and _UNSEEN[0] <= now - heads[-1][0] <= _UNSEEN[1]:
        # Lost on the way down, as the detector loses people who tip over, and found again where they lie.
        # It may have been on the way down for a moment by then.
        return (latest,), top - min(before for _, before in heads) >= _UNSEEN_DROP * tall
    # Of the heads that are old enough the youngest; an older one only where there are so few frames.
    heads = (*(head for head in heads if now - head[0] <= _DROP_OVER[1]), latest)
    for then, before in reversed(heads):
        if now - then >= _DROP_OVER[0]:
            return heads, top - before >= _DROP * tall * (now - then)
    return heads, False
