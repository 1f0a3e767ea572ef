"""Which network reads a pose: the light one where it sees as much as the full one would."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tracker.pose import Company, Image, Pose, PoseBackend, Roi

__all__ = ["ChosenPoseEstimator"]

_SMALL = 256.0  # px: side of a square in which the picture has no more to show than the networks take
_TINY = 160.0  # px: the same of somebody of whom something has changed
_FAR = 0.4  # of the picture's height: side of a square up to which somebody is far away, however sharp
_UPRIGHT = math.radians(40.0)  # turn of a square from which somebody leans, falls or lies


class ChosenPoseEstimator:
    """Reads each square with the network that it needs: a `tracker.pose.PoseBackend`.

    The light network reads those who are upright and small in the picture: very small where something about
    them has changed of late, or where they are looked for. The full one reads whoever lies or leans, and
    whoever is large: close to the camera the light one takes standing for sitting.

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
        light = [_is_light(roi, one, len(image)) for roi, one in zip(rois, calm, strict=True)]
        beside = [None] * len(rois) if company is None else company
        poses: list[Pose | None] = [None] * len(rois)
        for network, chosen in ((self.full, False), (self.lite, True)):
            rows = [row for row, one in enumerate(light) if one is chosen]
            if rows:
                read = network.estimate(image, [rois[row] for row in rows], [beside[row] for row in rows])
                for row, pose in zip(rows, read, strict=True):
                    poses[row] = pose
        return [pose for pose in poses if pose is not None]


def _is_light(roi: Roi, steady: bool, height: int) -> bool:
    most = max(_SMALL, _FAR * height) if steady else _TINY
    return roi.side <= most and abs(math.remainder(roi.angle, 2 * math.pi)) < _UPRIGHT
