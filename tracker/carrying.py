"""What is shown of people whose pose was not read in a frame: the last one, moved with the box."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from tracker.fitting import Box, moved_landmarks
from tracker.pose import Pose
from tracker.tracks import Track, rename

__all__ = ["PoseCarrier"]

_LONGEST = 0.5  # seconds after a reading, from which its pose says nothing any more


@dataclass(frozen=True, slots=True)
class _Last:
    pose: Pose
    box: Box
    monotonic: float


class PoseCarrier:
    """Keeps the last pose of everybody in a camera's pictures."""

    def __init__(self) -> None:
        self._last: dict[str, _Last] = {}

    def update(
        self, tracks: Sequence[Track], poses: Mapping[str, Pose], resting: Set[str], monotonic: float
    ) -> dict[str, Pose]:
        """Takes the poses that were read in a frame; returns them and those that are carried on.

        Args:
            tracks: people who are seen in the frame.
            poses: by track id, those that were read.
            resting: ids of those whose poses were not read on purpose; nobody else's is carried on.
            monotonic: seconds of the frame.
        """
        shown = dict(poses)
        for track in tracks:
            pose, last = poses.get(track.id), self._last.get(track.id)
            if pose is not None:
                self._last[track.id] = _Last(pose, track.box, monotonic)
            elif last is not None and track.id in resting and monotonic - last.monotonic <= _LONGEST:
                landmarks = moved_landmarks(last.pose.landmarks, last.box, track.box)
                shown[track.id] = replace(last.pose, landmarks=landmarks, next_roi=None, moved=True)
        return shown

    def rename(self, names: Mapping[str, str]) -> None:
        """Goes on with bodies under other ids, the new one by the old one."""
        rename(self._last, names)

    def drop(self, tracks: Iterable[str]) -> None:
        """Forgets tracks by id."""
        for track in tracks:
            self._last.pop(track, None)
