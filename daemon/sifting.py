"""Which detections are looked at: those of a person's size and score, outside the masks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from daemon.config.filters import FiltersConfig
from daemon.config.zones import Mask
from daemon.zones import ZoneMap
from tracker.detector import Detections

__all__ = ["Sieve"]


class Sieve:
    """Drops detections that a camera's filters and masks rule out.

    Args:
        filters: limits of size and score.
        masks: parts of the image; whose feet are in one is dropped.
    """

    def __init__(self, filters: FiltersConfig, masks: Mapping[str, Mask]) -> None:
        self._filters, self._masks = filters, ZoneMap(masks)
        self._idle = not masks and not filters.drops_something

    def sift(self, detections: Detections, width: int, height: int) -> Detections:
        """What is left of the detections of an image of this size in pixels."""
        if self._idle or not len(detections):
            return detections
        keep = self._fit(detections, width, height)
        for row in np.flatnonzero(keep):
            keep[row] = not self._masks.containing(detections.boxes[row], width, height)
        return Detections(detections.boxes[keep], detections.scores[keep])

    def _fit(self, detections: Detections, width: int, height: int) -> np.ndarray:
        limits = self._filters
        size = np.array([width, height], np.float64)
        low, high = np.clip(detections.boxes.reshape(-1, 2, 2) / size, 0.0, 1.0).swapaxes(0, 1)
        wide, tall = (high - low).T
        fit = detections.scores >= limits.min_score
        fit &= (wide >= limits.min_width) & (wide <= limits.max_width)
        fit &= (tall >= limits.min_height) & (tall <= limits.max_height)
        area = wide * tall
        return np.asarray(fit & (area >= limits.min_area) & (area <= limits.max_area))
