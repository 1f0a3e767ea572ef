"""How poses, boxes and squares fit each other: whose a pose is, who is near, where a box went with a pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker.pose import Company, Pose, Roi

__all__ = ["Box", "area", "belongs", "company_of", "fit", "moved_box", "moved_landmarks", "place"]

Box = npt.NDArray[np.float32]

_INSIDE = 0.5  # share of the likely landmarks that must lie in the box (grown by a tenth)
_SAME_SIZE = 0.35  # extent of the landmarks over that of the box, at least
_LEAST_FIT = 0.15  # IoU of the landmarks' extent with the box, from which a pose is of the person in it
_BETTER_FIT = 0.2  # IoU by which a pose may fit a neighbour's box better than its own
_STRETCH = 1.25  # of a box from frame to frame, at most, along each side


def place(box: npt.NDArray[np.float32]) -> tuple[float, float, float]:
    """Centre and longer side in px."""
    left, top, right, bottom = (float(value) for value in box)
    return (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top, 1.0)


def belongs(pose: Pose, box: Box, everybody: Sequence[Box]) -> bool:
    """Whether the pose is of the person in this box: it fills it, and no neighbour's much better."""
    points = _points(pose)
    own = _fit(points, box)
    if own < _LEAST_FIT:
        return False
    return all(_fit(points, other) < own + _BETTER_FIT for other in everybody if other is not box)


def company_of(roi: Roi, own: Box, everybody: Sequence[Box]) -> Company | None:
    """Who reaches into the square besides the person."""
    others = [box for box in everybody if box is not own]
    if not others:
        return None
    boxes, reach = np.array(others), roi.side * 0.71  # half a diagonal, however the square is turned
    near = (
        (boxes[:, 0] < roi.x + reach)
        & (boxes[:, 2] > roi.x - reach)
        & (boxes[:, 1] < roi.y + reach)
        & (boxes[:, 3] > roi.y - reach)
    )
    return Company(own, boxes[near]) if near.any() else None


def moved_landmarks(landmarks: npt.NDArray[np.float32], old: Box, new: Box) -> npt.NDArray[np.float32]:
    """Landmarks (33, 4) moved as a box was."""
    (x, y, extent), (old_x, old_y, old_extent) = place(new), place(old)
    scale = float(np.clip(extent / old_extent, 1 / _STRETCH, _STRETCH))
    result = landmarks.copy()
    result[:, :2] = (landmarks[:, :2] - (old_x, old_y)) * scale + (x, y)
    return result


def moved_box(box: Box, old: npt.NDArray[np.float32], new: npt.NDArray[np.float32]) -> Box:
    """A box (4,) moved and stretched along x and y as the landmarks (33, 4) that both poses show were."""
    both = (old[:, 3] >= 0.5) & (new[:, 3] >= 0.5)
    if both.sum() < 4:
        both[:] = True
    before, after = old[both, :2], new[both, :2]
    low, high = before.min(axis=0), before.max(axis=0)
    size = np.maximum(high - low, 1.0)
    scale = np.clip((after.max(axis=0) - after.min(axis=0)) / size, 1 / _STRETCH, _STRETCH)
    middle, now = (low + high) / 2, (after.min(axis=0) + after.max(axis=0)) / 2
    corners = (box.reshape(2, 2) - middle) * scale + now
    result: Box = corners.astype(np.float32).ravel()
    return result


def area(box: Box) -> float:
    """Area of a box (4,) in px^2, at least 1."""
    return float(max(box[2] - box[0], 1.0) * max(box[3] - box[1], 1.0))


def fit(pose: Pose, box: npt.NDArray[np.float32]) -> float:
    """How well the pose fills the box, 0..1; 0 where it is of a neighbour, or of half the scene."""
    return _fit(_points(pose), box)


@dataclass(frozen=True, slots=True)
class _Points:
    """What of a pose is seen, (N, 2) px, and its extent."""

    points: npt.NDArray[np.float32]
    left: float
    top: float
    right: float
    bottom: float


def _points(pose: Pose) -> _Points:
    visible = pose.landmarks[:, 3] >= 0.5
    points = pose.landmarks[:, :2]
    chosen = points[visible] if np.count_nonzero(visible) >= 6 else points
    return _Points(chosen, *chosen.min(axis=0).tolist(), *chosen.max(axis=0).tolist())


def _fit(seen: _Points, box: npt.NDArray[np.float32]) -> float:
    left, top, right, bottom = box.tolist()
    size = max(right - left, bottom - top)
    margin = 0.1 * size
    # Most are asked about neighbours far away, of whom nothing is to be counted.
    if seen.right < left - margin or seen.left > right + margin:
        return 0.0
    if seen.bottom < top - margin or seen.top > bottom + margin:
        return 0.0
    width, height = seen.right - seen.left, seen.bottom - seen.top
    if max(width, height) < _SAME_SIZE * size:
        return 0.0
    x, y = seen.points[:, 0], seen.points[:, 1]
    inside = (x >= left - margin) & (x <= right + margin) & (y >= top - margin) & (y <= bottom + margin)
    if np.count_nonzero(inside) < _INSIDE * len(inside):
        return 0.0
    common = max(min(seen.right, right) - max(seen.left, left), 0.0)
    common *= max(min(seen.bottom, bottom) - max(seen.top, top), 0.0)
    union = width * height + (right - left) * (bottom - top) - common
    return float(common / max(union, 1.0))
