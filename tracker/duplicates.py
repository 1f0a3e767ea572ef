"""Two tracks on one body: who has another's pose and place for a while is that other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tracker.fitting import area
from tracker.matching import shared_of_smaller
from tracker.oks import object_keypoint_similarity
from tracker.pose import Pose
from tracker.tracks import Track

__all__ = ["DuplicateFinder"]

_SHARE = 0.7  # of the smaller box in the other, from which poses are compared
_SAME_POSE = 0.75  # OKS from which two poses are of one body
_FOR = 0.8  # seconds for which they must be


class DuplicateFinder:
    """Watches the people of one camera for tracks that share a body.

    People who stand close together do not count: their neighbour is blanked when their pose is read, so that
    each keeps a pose of their own.
    """

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], float] = {}

    def update(self, tracks: Sequence[Track], poses: Mapping[str, Pose], monotonic: float) -> dict[str, str]:
        """Takes a frame; returns by the id of the younger one of two tracks on one body that of the elder.

        Args:
            tracks: the people who are seen in it.
            poses: by id, the poses that were read.
            monotonic: seconds of the frame.
        """
        posed = sorted((track for track in tracks if track.id in poses), key=lambda track: track.number)
        together, doubles = {}, dict[str, str]()
        shared = shared_of_smaller(np.array([track.box for track in posed], np.float64).reshape(-1, 4))
        for row, column in np.argwhere(np.triu(shared >= _SHARE, 1)).tolist():
            elder, younger = posed[row], posed[column]
            if younger.id in doubles or not _same_pose(elder, younger, poses):
                continue
            pair = elder.id, younger.id
            together[pair] = self._since.get(pair, monotonic)
            if monotonic - together[pair] >= _FOR:
                doubles[younger.id] = elder.id
        self._since = together
        return doubles


def _same_pose(first: Track, second: Track, poses: Mapping[str, Pose]) -> bool:
    smaller = min(area(first.box), area(second.box))
    alike = object_keypoint_similarity(poses[first.id].landmarks, poses[second.id].landmarks, smaller)
    return alike >= _SAME_POSE
