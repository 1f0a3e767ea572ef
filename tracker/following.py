"""Keeps a pose on each track: from a person's last pose comes the square in which the next one is read.

A square that follows the body is turned with it, so a fall is read upright from its first frame to its last.
Whoever is new, or whose pose has left the body, is looked for from the box: upright, and where the box is
wide also lying to either side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker.association import Track
from tracker.pose import Pose, PoseEstimator, Roi

__all__ = ["PoseFollower"]

_MEMORY = 1.0  # seconds for which a last pose tells where to look
_RETRY = 0.4  # seconds between two searches of a person in whom no pose is found
_LYING = (math.pi / 2, -math.pi / 2)
_WIDE = 0.9  # width over height from which a box may hold somebody who lies
_INSIDE = 0.5  # share of the likely landmarks that must lie in the box (grown by a tenth)
_SAME_SIZE = 0.35  # extent of the landmarks over that of the box, at least
_DOUBT = 0.15  # a search that is this much surer than the pose that follows replaces it


@dataclass(slots=True)
class _Memory:
    """What is known of a track's last pose, and when it was last searched for in vain."""

    roi: Roi | None = None
    centre: tuple[float, float] = (0.0, 0.0)
    extent: float = 1.0
    monotonic: float = -math.inf
    failed: float = -math.inf


class PoseFollower:
    """Reads the poses of one camera's tracks, frame after frame."""

    def __init__(self) -> None:
        self._memory: dict[str, _Memory] = {}

    def estimate(
        self, image: npt.NDArray[np.uint8], tracks: Sequence[Track], estimator: PoseEstimator
    ) -> dict[str, Pose]:
        """Reads the pose of everybody who is seen in this frame.

        Args:
            image: (H, W, 3) uint8 BGR.
            tracks: people who were detected in this frame.
            estimator: the network.

        Returns:
            Poses by track id; nobody whose pose is weak or does not fit the box.
        """
        found: dict[str, Pose] = {}
        # 1. Where the last pose says that the body is.
        following = [(track, roi) for track in tracks if (roi := self._expected(track)) is not None]
        read = estimator.estimate(image, [roi for _, roi in following]) if following else []
        for (track, _), pose in zip(following, read, strict=True):
            if pose.score >= estimator.min_score and _fits(pose, _box(track)):
                found[track.id] = pose
        # 2. Who is new or was lost: from the box.
        wanted = [track for track in tracks if track.id not in found and self._may_search(track)]
        if wanted:
            found |= self._search(image, wanted, estimator)
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
        return memory is None or track.last_monotonic - memory.failed >= _RETRY - 1e-6

    def _search(
        self, image: npt.NDArray[np.uint8], tracks: Sequence[Track], estimator: PoseEstimator
    ) -> dict[str, Pose]:
        """Reads people from their boxes: every likely turn, then again where the best one has the body."""
        owners: list[Track] = []
        rois: list[Roi] = []
        for track in tracks:
            box = _box(track)
            wide = (box[2] - box[0]) >= _WIDE * (box[3] - box[1])
            for angle in (0.0, *(_LYING if wide else ())):
                owners.append(track)
                rois.append(Roi.around(box, angle))
        best: dict[str, Pose] = {}
        for track, pose in zip(owners, estimator.estimate(image, rois), strict=True):
            if track.id not in best or pose.score > best[track.id].score:
                best[track.id] = pose
        hopeful = [track for track in tracks if best[track.id].score >= min(0.1, estimator.min_score)]
        again = [best[track.id].next_roi or Roi.around(_box(track)) for track in hopeful]
        for track, pose in zip(hopeful, estimator.estimate(image, again), strict=True):
            if pose.score >= best[track.id].score - _DOUBT:
                best[track.id] = pose
        return {
            track.id: best[track.id]
            for track in tracks
            if best[track.id].score >= estimator.min_score and _fits(best[track.id], _box(track))
        }

    def _remember(self, track: Track, pose: Pose | None) -> None:
        memory = self._memory.setdefault(track.id, _Memory())
        if pose is None:
            if self._may_search(track):
                memory.failed = track.last_monotonic
            memory.roi = None
            return
        x, y, extent = _place(_box(track))
        memory.roi, memory.centre, memory.extent = pose.next_roi, (x, y), extent
        memory.monotonic, memory.failed = track.last_monotonic, -math.inf


def _box(track: Track) -> npt.NDArray[np.float32]:
    return track.box if track.detection_box is None else track.detection_box


def _place(box: npt.NDArray[np.float32]) -> tuple[float, float, float]:
    """Centre and longer side in px."""
    left, top, right, bottom = (float(value) for value in box)
    return (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top, 1.0)


def _fits(pose: Pose, box: npt.NDArray[np.float32]) -> bool:
    """Whether the pose is of the person in the box, not of a neighbour or of half the scene."""
    left, top, right, bottom = (float(value) for value in box)
    margin = 0.1 * max(right - left, bottom - top)
    points, visible = pose.landmarks[:, :2], pose.landmarks[:, 3] >= 0.5
    if visible.sum() < 6:
        visible = np.ones(len(points), bool)
    chosen = points[visible]
    inside = (chosen >= (left - margin, top - margin)) & (chosen <= (right + margin, bottom + margin))
    extent = float(np.ptp(chosen, axis=0).max())
    return bool(
        inside.all(axis=1).mean() >= _INSIDE and extent >= _SAME_SIZE * max(right - left, bottom - top)
    )
