"""Keeps a pose on each track: from a person's last pose comes the square in which the next one is read.

A square that follows the body is turned with it, so a fall is read upright from its first frame to its last.
Whoever is new, or whose pose has left the body, is looked for from the box: upright, and where the box is
wide also lying to either side.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker.association import Track
from tracker.pose import Pose, PoseBackend, Roi

__all__ = ["PoseFollower"]

_MEMORY = 1.0  # seconds for which a last pose tells where to look
_RETRY = (0.1, 1.0)  # seconds between two searches in vain: at first, and in the end
_LYING = (math.pi / 2, -math.pi / 2)
_LEANING = (math.pi / 4, -math.pi / 4)
_WIDE = 0.9  # width over height from which a box may hold somebody who lies
_NARROW = 0.5  # width over height below which nobody leans
_INSIDE = 0.5  # share of the likely landmarks that must lie in the box (grown by a tenth)
_SAME_SIZE = 0.35  # extent of the landmarks over that of the box, at least
_LEAST_FIT = 0.15  # IoU of the landmarks' extent with the box, from which a pose is of the person in it
_BETTER_FIT = 0.2  # IoU by which a pose may fit a neighbour's box better than its own
_HOPE = 0.05  # score from which a square is worth a second look


@dataclass(slots=True)
class _Memory:
    """What is known of a track's last pose, and when it was last searched for in vain."""

    roi: Roi | None = None
    centre: tuple[float, float] = (0.0, 0.0)
    extent: float = 1.0
    monotonic: float = -math.inf
    failed: float = -math.inf
    wait: float = 0.0


class PoseFollower:
    """Reads the poses of one camera's tracks, frame after frame."""

    def __init__(self) -> None:
        self._memory: dict[str, _Memory] = {}

    def estimate(
        self, image: npt.NDArray[np.uint8], tracks: Sequence[Track], estimator: PoseBackend
    ) -> dict[str, Pose]:
        """Reads the pose of everybody who is seen in this frame.

        Args:
            image: (H, W, 3) uint8 BGR.
            tracks: people who were detected in this frame.
            estimator: what runs the network.

        Returns:
            Poses by track id; nobody whose pose is weak or does not fit the box.
        """
        found: dict[str, Pose] = {}
        # 1. Where the last pose says that the body is.
        following = [(track, roi) for track in tracks if (roi := self._expected(track)) is not None]
        read = estimator.estimate(image, [roi for _, roi in following]) if following else []
        for (track, _), pose in zip(following, read, strict=True):
            if pose.score >= estimator.min_score and _belongs(pose, track, tracks):
                found[track.id] = pose
        # 2. Who is new, was lost, or whose pose has gone over to a neighbour: from the box.
        wanted = [track for track in tracks if track.id not in found and self._may_search(track)]
        if wanted:
            found |= self._search(image, wanted, tracks, estimator)
        # 3. What the next frame needs.
        for track in tracks:
            self._remember(track, found.get(track.id))
        return found

    def drop(self, tracks: Iterable[str]) -> None:
        """Forgets tracks by id."""
        for track in tracks:
            self._memory.pop(track, None)

    def _expected(self, track: Track) -> Roi | None:
        memory = self._memory.get(track.id)
        if memory is None or memory.roi is None or track.last_monotonic - memory.monotonic > _MEMORY:
            return None
        x, y, extent = _place(_box(track))
        # Sizes of boxes jump when arms or legs are hidden: half of a change is taken for real.
        scale = float(np.clip(math.sqrt(extent / memory.extent), 0.8, 1.25))
        return memory.roi.moved(x - memory.centre[0], y - memory.centre[1], scale)

    def _may_search(self, track: Track) -> bool:
        memory = self._memory.get(track.id)
        return memory is None or track.last_monotonic - memory.failed >= memory.wait - 1e-6

    def _search(
        self,
        image: npt.NDArray[np.uint8],
        tracks: Sequence[Track],
        everybody: Sequence[Track],
        estimator: PoseBackend,
    ) -> dict[str, Pose]:
        """Reads people from their boxes: every likely turn, then again where the best ones have the body."""
        first = self._read(
            image, [(track, roi) for track in tracks for roi in self._likely(track)], estimator
        )
        again = []
        for track in tracks:
            best = sorted(first[track.id], key=lambda pose: -_merit(pose, track))[:2]
            again += [(track, pose.next_roi) for pose in best if pose.score >= _HOPE and pose.next_roi]
        second = self._read(image, again, estimator)
        found = {}
        for track in tracks:
            pose = max(first[track.id] + second[track.id], key=lambda pose: _merit(pose, track))
            if pose.score >= estimator.min_score and _belongs(pose, track, everybody):
                found[track.id] = pose
        return found

    def _read(
        self,
        image: npt.NDArray[np.uint8],
        wanted: Sequence[tuple[Track, Roi]],
        estimator: PoseBackend,
    ) -> dict[str, list[Pose]]:
        """All poses of each track, in one call."""
        poses: dict[str, list[Pose]] = defaultdict(list)
        if wanted:
            read = estimator.estimate(image, [roi for _, roi in wanted])
            for (track, _), pose in zip(wanted, read, strict=True):
                poses[track.id].append(pose)
        return poses

    def _likely(self, track: Track) -> list[Roi]:
        """Squares around a box: upright, lying to either side if wide, leaning if a pose was just lost."""
        box, memory = _box(track), self._memory.get(track.id)
        angles = [0.0]
        if (box[2] - box[0]) >= _WIDE * (box[3] - box[1]):
            angles += _LYING
        just_lost = memory is not None and track.last_monotonic - memory.monotonic <= _MEMORY
        if just_lost and (box[2] - box[0]) >= _NARROW * (box[3] - box[1]):
            angles += _LEANING
        return [Roi.around(box, angle) for angle in angles]

    def _remember(self, track: Track, pose: Pose | None) -> None:
        memory = self._memory.setdefault(track.id, _Memory())
        if pose is None:
            if self._may_search(track):  # it was, in vain
                memory.failed = track.last_monotonic
                memory.wait = min(max(2.0 * memory.wait, _RETRY[0]), _RETRY[1])
            memory.roi = None
            return
        x, y, extent = _place(_box(track))
        memory.roi, memory.centre, memory.extent = pose.next_roi, (x, y), extent
        memory.monotonic, memory.failed, memory.wait = track.last_monotonic, -math.inf, 0.0


def _box(track: Track) -> npt.NDArray[np.float32]:
    return track.box if track.detection_box is None else track.detection_box


def _place(box: npt.NDArray[np.float32]) -> tuple[float, float, float]:
    """Centre and longer side in px."""
    left, top, right, bottom = (float(value) for value in box)
    return (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top, 1.0)


def _merit(pose: Pose, track: Track) -> float:
    """Tells the better of two poses of one person: the surer one, of those that fill the box alike."""
    return pose.score * (0.2 + _fit(pose, _box(track)))


def _belongs(pose: Pose, track: Track, everybody: Sequence[Track]) -> bool:
    """Whether the pose is of this person: it fills the box, and no neighbour's much better."""
    own = _fit(pose, _box(track))
    others = (_fit(pose, _box(other)) for other in everybody if other.id != track.id)
    return own >= _LEAST_FIT and max(others, default=0.0) < own + _BETTER_FIT


def _fit(pose: Pose, box: npt.NDArray[np.float32]) -> float:
    """How well the pose fills the box, 0..1; 0 where it is of a neighbour, or of half the scene."""
    left, top, right, bottom = (float(value) for value in box)
    size = max(right - left, bottom - top)
    points, visible = pose.landmarks[:, :2], pose.landmarks[:, 3] >= 0.5
    chosen = points[visible] if visible.sum() >= 6 else points
    low, high = chosen.min(axis=0), chosen.max(axis=0)
    margin = 0.1 * size
    inside = (chosen >= (left - margin, top - margin)) & (chosen <= (right + margin, bottom + margin))
    if inside.all(axis=1).mean() < _INSIDE or float((high - low).max()) < _SAME_SIZE * size:
        return 0.0
    common = np.clip(np.minimum(high, (right, bottom)) - np.maximum(low, (left, top)), 0.0, None).prod()
    union = (high - low).prod() + (right - left) * (bottom - top) - common
    return float(common / max(union, 1.0))
