"""When a person's pose is read: in every frame while anything about them changes, else a few times a second.

Somebody who stands, sits, lies or walks evenly looks in the next frame as the last reading says: moved with
the box, the pose is still right. What is read says whether that was so. Whoever falls, gets up, waves or
strikes differs from what was expected in the first reading after it begins, and is read in every frame from
then on. All limits are in body heights and seconds, so near and far people and all frame rates are alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tracker.fitting import Box, area, moved_landmarks
from tracker.landmarks import LANDMARKS, Landmark
from tracker.oks import object_keypoint_similarity
from tracker.tracks import rename

__all__ = ["PosePacing", "Steadiness"]

Landmarks = npt.NDArray[np.float32]

_SHOULDERS = [Landmark.LEFT_SHOULDER, Landmark.RIGHT_SHOULDER]
_HIPS = [Landmark.LEFT_HIP, Landmark.RIGHT_HIP]
_WRISTS = [Landmark.LEFT_WRIST, Landmark.RIGHT_WRIST]
_VISIBLE = 0.5
_HIGH = 0.1  # body heights below the shoulders
_CORE = [Landmark.NOSE, *_SHOULDERS, *_HIPS]  # what does not swing in walking
_LIMBS = [number for number in range(LANDMARKS) if number not in _CORE]
_LONGEST = 0.4  # seconds between two readings, however few are asked for: windows bridge half a second
_FAR = 0.32  # of the picture's height: longer side of a box up to which somebody is far away
_FAR_LONGER = 1.5  # of whom so much longer is the time between two readings: only near people's labels suffer
_SHORTEST = 0.08  # seconds over which a change can be told from the noise of a landmark
_TOLERANCE = 0.02  # seconds by which a frame may come early: cameras are not exact


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What still counts as steady, from one reading to the next.

    The limits of changes are pairs: what is noise however short the time, and what may be added a second.
    Of changes of people who walk about (PETS09-S2L1) 97 of 100 are below them, in a fall most are above.

    Attributes:
        age: seconds for which somebody must have been known.
        calm: seconds for which nothing may have been otherwise.
        score: of the pose, at least.
        likeness: OKS of head and torso with the last pose, moved with the box.
        turn: radians of the torso in the picture.
        drop: body heights by which hips or head come down.
        reshape: change of the logarithm of the box's width over its height.
        reach: body heights of a wrist, seen from the shoulders.
        gesture: the same of a wrist that is, or was, no more than a tenth below the shoulders, as in a blow.
        raised: body heights by which a wrist may be above the shoulders.
    """

    age: float = 0.8
    calm: float = 0.2
    score: float = 0.7
    likeness: float = 0.3
    turn: tuple[float, float] = (0.12, 0.3)
    drop: tuple[float, float] = (0.05, 0.3)
    reshape: tuple[float, float] = (0.08, 0.6)
    reach: tuple[float, float] = (0.2, 0.6)
    gesture: tuple[float, float] = (0.06, 0.2)
    raised: float = 0.1


@dataclass(slots=True)
class _Reader:
    """What is known of a person; times in monotonic seconds."""

    since: float
    landmarks: Landmarks
    box: Box
    read: float
    restless: float
    compared: float = field(default=-math.inf)


class PosePacing:
    """Decides for each frame of a camera whose pose is read.

    Args:
        rate: readings a second of who is steady; 0 reads everybody in every frame.
        steadiness: what counts as steady.
    """

    def __init__(self, rate: float = 0.0, steadiness: Steadiness | None = None) -> None:
        if rate < 0.0:
            raise ValueError(f"rate {rate} must not be below 0")
        self._interval = min(1.0 / rate, _LONGEST) if rate else 0.0
        self._limits = steadiness or Steadiness()
        self._people: dict[str, _Reader] = {}

    def resting(
        self,
        people: Mapping[str, Box],
        monotonic: float,
        pressing: Set[str] = frozenset(),
        height: float = 0.0,
    ) -> set[str]:
        """Those of these people who need not be read in this frame.

        Args:
            people: boxes (4,) in px by id of the track.
            monotonic: seconds of the frame.
            pressing: those of them who are to be read in any case.
            height: of the picture in px; 0 takes nobody for far away.
        """
        if not self._interval:
            return set()
        far = min(self._interval * _FAR_LONGER, _LONGEST)
        return {
            one
            for one, box in people.items()
            if one not in pressing
            and self._rests(one, monotonic, far if _size(box) <= _FAR * height else self._interval)
        }

    def is_steady(self, track: str, monotonic: float) -> bool:
        """Whether somebody has been known for long enough, and nothing about them has changed of late."""
        known = self._people.get(track)
        if known is None:
            return False
        return monotonic - known.since >= self._limits.age - _TOLERANCE and self.is_calm(track, monotonic)

    def is_calm(self, track: str, monotonic: float) -> bool:
        """Whether nothing about somebody has changed of late, or they have only just come and nothing yet."""
        known = self._people.get(track)
        return known is not None and monotonic - known.restless >= self._limits.calm - _TOLERANCE

    def see(self, track: str, landmarks: Landmarks, score: float, box: Box, monotonic: float) -> None:
        """Takes a reading.

        Args:
            track: id of the person.
            landmarks: (33, 4) x, y in px, z, visibility.
            score: of the pose, 0..1.
            box: (4,) px of the person in this frame.
            monotonic: seconds of the frame.
        """
        if not self._interval:
            return
        known = self._people.get(track)
        if known is None or monotonic - known.read > 2 * _LONGEST:
            self._people[track] = _Reader(monotonic, landmarks, box, monotonic, monotonic)
            return
        known.read = monotonic
        if score < self._limits.score or _is_raised(landmarks, box, self._limits.raised):
            known.restless = monotonic
        passed = monotonic - max(known.compared, known.since)
        if passed < _SHORTEST:  # at high frame rates a change is measured over several frames
            return
        if not self._is_alike(known, landmarks, box, passed):
            known.restless = monotonic
        known.landmarks, known.box, known.compared = landmarks, box, monotonic

    def fits(self, track: str, box: Box, monotonic: float) -> bool:
        """Whether the box (4,) of somebody who is not read is what their last one led to expect."""
        known = self._people.get(track)
        return known is not None and self._keeps_shape(known, box, monotonic - known.compared)

    def miss(self, track: str, monotonic: float) -> None:
        """Notes that somebody's pose was read in vain, or that the body was not seen: they are not steady."""
        known = self._people.get(track)
        if known is not None:
            known.restless = monotonic

    def rename(self, names: Mapping[str, str]) -> None:
        """Goes on with bodies under other ids, the new one by the old one."""
        rename(self._people, names)

    def drop(self, tracks: Iterable[str]) -> None:
        """Forgets tracks by id."""
        for track in tracks:
            self._people.pop(track, None)

    def _rests(self, track: str, monotonic: float, interval: float) -> bool:
        known = self._people.get(track)
        if known is None or monotonic - known.read >= interval - _TOLERANCE:
            return False
        return self.is_steady(track, monotonic)

    def _is_alike(self, known: _Reader, landmarks: Landmarks, box: Box, passed: float) -> bool:
        """Whether a pose is what the last one led to expect."""
        limits, size = self._limits, _size(box)
        if not self._keeps_shape(known, box, passed):
            return False
        now, before = _Torso.of(landmarks), _Torso.of(known.landmarks)
        if now.hips[1] - before.hips[1] > _within(limits.drop, passed) * size:
            return False
        if abs(math.remainder(now.angle - before.angle, 2 * math.pi)) > _within(limits.turn, passed):
            return False
        low, high = _reach(landmarks, known.landmarks, now, before, size)
        if low > _within(limits.reach, passed) * size or high > _within(limits.gesture, passed) * size:
            return False
        return _core_likeness(known, landmarks, box) >= limits.likeness

    def _keeps_shape(self, known: _Reader, box: Box, passed: float) -> bool:
        """Whether a box is neither of another shape than the last one, nor its top far below."""
        left, top, right, bottom = box.tolist()
        old_left, old_top, old_right, old_bottom = known.box.tolist()
        shape = max(right - left, 1.0) / max(bottom - top, 1.0)
        old_shape = max(old_right - old_left, 1.0) / max(old_bottom - old_top, 1.0)
        if abs(math.log(shape / old_shape)) > _within(self._limits.reshape, passed):
            return False
        return bool(top - old_top <= _within(self._limits.drop, passed) * _size(box))


@dataclass(frozen=True, slots=True)
class _Torso:
    """Middle of shoulders and hips in px, and the angle from the hips to the shoulders, 0 upright."""

    shoulders: tuple[float, float]
    hips: tuple[float, float]
    angle: float

    @classmethod
    def of(cls, landmarks: Landmarks) -> _Torso:
        x, y = landmarks[_SHOULDERS, :2].mean(axis=0).tolist()
        hip_x, hip_y = landmarks[_HIPS, :2].mean(axis=0).tolist()
        return cls((x, y), (hip_x, hip_y), math.atan2(x - hip_x, hip_y - y))


def _within(limit: tuple[float, float], passed: float) -> float:
    return limit[0] + limit[1] * passed


def _size(box: Box) -> float:
    """The longer side in px: who falls keeps it."""
    left, top, right, bottom = box.tolist()
    return float(max(right - left, bottom - top, 1.0))


def _core_likeness(known: _Reader, landmarks: Landmarks, box: Box) -> float:
    """OKS of head and torso with the last ones, moved with the box; 1 where they are hidden."""
    expected = moved_landmarks(known.landmarks, known.box, box)
    expected[_LIMBS, 3] = 0.0
    if (np.minimum(expected[_CORE, 3], landmarks[_CORE, 3]) >= _VISIBLE).sum() < 4:
        return 1.0
    return object_keypoint_similarity(expected, landmarks, area(box))


def _reach(
    landmarks: Landmarks, old: Landmarks, now: _Torso, before: _Torso, size: float
) -> tuple[float, float]:
    """Px by which the fastest wrist that both poses show has moved, seen from the shoulders.

    That of all wrists, and that of those which are no more than a tenth of the body below the shoulders.
    """
    shown = (landmarks[_WRISTS, 3] >= _VISIBLE) & (old[_WRISTS, 3] >= _VISIBLE)
    if not shown.any():
        return 0.0, 0.0
    place, was = landmarks[_WRISTS, :2] - now.shoulders, old[_WRISTS, :2] - before.shoulders
    step = np.where(shown, np.hypot(*(place - was).T), 0.0)
    high = np.minimum(place[:, 1], was[:, 1]) < _HIGH * size
    return float(step.max()), float(np.where(high, step, 0.0).max())


def _is_raised(landmarks: Landmarks, box: Box, limit: float) -> bool:
    """Whether a wrist that is seen is above the shoulders by more than this many body heights."""
    shown = landmarks[_WRISTS, 3] >= _VISIBLE
    if not shown.any():
        return False
    wrist, shoulder = landmarks[_WRISTS, 1][shown].min(), landmarks[_SHOULDERS, 1].mean()
    return bool(shoulder - wrist > limit * _size(box))
