"""Object keypoint similarity: how alike two poses of one place are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["object_keypoint_similarity"]

# Per-keypoint constants k = 2 sigma of COCO's evaluation: nose, eyes, ears, shoulders, elbows, wrists, hips,
# knees, ankles. The landmarks that COCO lacks take those of their neighbours.
_NOSE, _EYE, _EAR, _SHOULDER, _ELBOW, _WRIST = 0.052, 0.05, 0.07, 0.158, 0.144, 0.124
_HIP, _KNEE, _ANKLE = 0.214, 0.174, 0.178
_FALLOFF = np.repeat(
    [_NOSE, _EYE, _EAR, _NOSE, _SHOULDER, _ELBOW, _WRIST, _HIP, _KNEE, _ANKLE],
    [1, 6, 2, 2, 2, 2, 8, 2, 2, 6],
)
_CHOSEN = np.array([0, 2, 5, 7, 8, *range(11, 17), *range(23, 29)])  # COCO's seventeen
_AREA = 0.53  # of a person over that of the box around the body
_VISIBLE = 0.5


def object_keypoint_similarity(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32], area: float
) -> float:
    """OKS of two poses, as in COCO's keypoint evaluation, over COCO's keypoints that both show.

    Args:
        first: (33, 4) landmarks: x, y in px, z, visibility.
        second: (33, 4) landmarks.
        area: of the box around the body in px^2.

    Returns:
        0 (nothing alike, or fewer than four keypoints in both) to 1 (the same).
    """
    one, two = first[_CHOSEN], second[_CHOSEN]
    both = (one[:, 3] >= _VISIBLE) & (two[:, 3] >= _VISIBLE)
    if both.sum() < 4:
        return 0.0
    square = ((one[both, :2] - two[both, :2]) ** 2).sum(axis=1)
    spread = 2.0 * max(area, 1.0) * _AREA * _FALLOFF[_CHOSEN][both] ** 2
    return float(np.exp(-square / spread).mean())
