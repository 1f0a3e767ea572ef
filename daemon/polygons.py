"""Points, boxes and polygons in 0..1 of the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["contains", "feet_of", "touches"]

Floats = NDArray[np.float64]


def feet_of(box: NDArray[np.float32], width: int, height: int) -> tuple[float, float]:
    """Where somebody stands: the middle of the box's lower edge, kept inside the image, in 0..1.

    Args:
        box: (4,) left, top, right, bottom in pixels.
        width: of the image, in pixels.
        height: of the image, in pixels.
    """
    x = min(max((float(box[0]) + float(box[2])) / 2 / width, 0.0), 1.0)
    y = min(max(float(box[3]) / height, 0.0), 1.0)
    return x, y


def contains(polygon: Floats, x: float, y: float) -> bool:
    """Even-odd rule; a point on an edge is inside (a box cut by the image's border has its feet there).

    Args:
        polygon: (N, 2) corners in their order.
        x: of the point.
        y: of the point.
    """
    x1, y1 = polygon[:, 0], polygon[:, 1]
    x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
    cross = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
    within = (np.minimum(x1, x2) <= x) & (x <= np.maximum(x1, x2))
    within &= (np.minimum(y1, y2) <= y) & (y <= np.maximum(y1, y2))
    if bool(np.any((np.abs(cross) < 1e-12) & within)):
        return True
    spans = (y1 > y) != (y2 > y)
    rise = np.where(spans, y2 - y1, 1.0)
    crossings = spans & (x < (x2 - x1) * (y - y1) / rise + x1)
    return bool(np.count_nonzero(crossings) % 2)


def touches(polygon: Floats, rectangle: Floats) -> bool:
    """Whether a rectangle and a polygon share a point: an edge runs through it, or one lies in the other.

    Args:
        polygon: (N, 2) corners in their order.
        rectangle: (4,) left, top, right, bottom.
    """
    if not np.isfinite(rectangle).all():
        return False
    low, high = rectangle[:2], rectangle[2:]
    steps = np.roll(polygon, -1, axis=0) - polygon
    # Liang and Barsky 1984: from where to where each edge, as 0..1 of its length, lies within the sides.
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (low - polygon) / steps, (high - polygon) / steps
    still = steps == 0
    beside = still & ((polygon < low) | (polygon > high))
    enters = np.where(still, 0.0, np.minimum(first, second)).max(axis=1).clip(min=0.0)
    leaves = np.where(still, 1.0, np.maximum(first, second)).min(axis=1).clip(max=1.0)
    if bool((~beside.any(axis=1) & (enters <= leaves)).any()):
        return True
    return contains(polygon, float(low[0]), float(low[1]))
