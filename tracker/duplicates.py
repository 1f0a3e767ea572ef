"""Two tracks on one body: who has another's pose and place for a while is that other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

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
        for elder, younger in combinations(posed, 2):
            if younger.id in doubles or not _one_body(elder, younger, poses):
                continue
            pair = elder.id, younger.id
            together[pair] = self._since.get(pair, monotonic)
            if monotonic - together[pair] >= _FOR:
                doubles[younger.id] = elder.id
        self._since = together
        return doubles


def _one_body(first: Track, second: Track, poses: Mapping[str, Pose]) -> bool:
    one, two = first.box, second.box
    sides = np.minimum(one[2:], two[2:]) - np.maximum(one[:2], two[:2])
    smaller = min(float((box[2:] - box[:2]).prod()) for box in (one, two))
    if sides.min() <= 0 or float(sides.prod()) < _SHARE * smaller:
        return False
    alike = object_keypoint_similarity(poses[first.id].landmarks, poses[second.id].landmarks, smaller)
    return alike >= _SAME_POSE
