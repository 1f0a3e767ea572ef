"""Which network reads a pose: the light one where it sees as much as the full one would."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tracker.pose import Company, Image, Pose, PoseBackend, Roi

__all__ = ["ChosenPoseEstimator"]

_SMALL = 256.0  # px: side of a square in which the picture has no more to show than the networks take
_UPRIGHT = math.radians(40.0)  # turn of a square from which somebody leans, falls or lies


class ChosenPoseEstimator:
    """Reads each square with the network that it needs: a `tracker.pose.PoseBackend`.

    The light network reads those who are upright, small in the picture, and of whom nothing has changed of
    late; the full one whoever is large, lies, leans, falls, waves or fights, or is looked for.

    Args:
        full: the network for those who need it.
        lite: the light one.
    """

    def __init__(self, full: PoseBackend, lite: PoseBackend) -> None:
        self.full, self.lite = full, lite

    @property
    def min_score(self) -> float:
        """`Pose.score` from which a pose is to be used."""
        return self.full.min_score

    def estimate(
        self,
        image: Image,
        rois: Sequence[Roi],
        company: Sequence[Company | None] | None = None,
        steady: Sequence[bool] | None = None,
    ) -> list[Pose]:
        """Reads the person in each square; see `tracker.pose.PoseBackend`."""
        calm = [False] * len(rois) if steady is None else steady
        light = [_is_light(roi, one) for roi, one in zip(rois, calm, strict=True)]
        beside = [None] * len(rois) if company is None else company
        poses: list[Pose | None] = [None] * len(rois)
        for network, chosen in ((self.full, False), (self.lite, True)):
            rows = [row for row, one in enumerate(light) if one is chosen]
            if rows:
                read = network.estimate(image, [rois[row] for row in rows], [beside[row] for row in rows])
                for row, pose in zip(rows, read, strict=True):
                    poses[row] = pose
        return [pose for pose in poses if pose is not None]


def _is_light(roi: Roi, steady: bool) -> bool:
    return steady and roi.side <= _SMALL and abs(math.remainder(roi.angle, 2 * math.pi)) < _UPRIGHT
