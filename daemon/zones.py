"""Which zones a person stands in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from daemon.config.zones import Zone

__all__ = ["ZoneMap"]


class ZoneMap:
    """The zones of a camera.

    Args:
        zones: name to polygon in 0..1 of the image.
    """

    def __init__(self, zones: Mapping[str, Zone]) -> None:
        self._zones = {name: np.asarray(zone.points, np.float64) for name, zone in zones.items()}

    def containing(self, box: NDArray[np.float32], width: int, height: int) -> tuple[str, ...]:
        """Names of the zones around the feet: the middle of the box's lower edge, kept inside the image.

        Args:
            box: (4,) left, top, right, bottom in pixels.
            width: of the image, in pixels.
            height: of the image, in pixels.
        """
        x = min(max((float(box[0]) + float(box[2])) / 2 / width, 0.0), 1.0)
        y = min(max(float(box[3]) / height, 0.0), 1.0)
        return tuple(name for name, polygon in self._zones.items() if _inside(polygon, x, y))


def _inside(polygon: NDArray[np.float64], x: float, y: float) -> bool:
    """Even-odd rule; a point on an edge is inside (a box cut by the image's border has its feet there)."""
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
