"""Parts of the picture that nobody gets to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Polygon", "PrivacyMasks"]

_MARGIN = 2  # px around a mask, for edges that lie within pixels
_SHIFT = 4  # bits behind the point of coordinates that OpenCV draws at
_SIZES = 8  # sizes of pictures whose masks are kept


class Polygon(Protocol):
    """Whatever has corners."""

    @property
    def points(self) -> Sequence[tuple[float, float]]:
        """Corners x, y in 0..1 of the image, in their order."""


class PrivacyMasks:
    """The privacy masks of a camera.

    Args:
        masks: polygons by name.

    Example:
        >>> masks = PrivacyMasks({"window": Zone(points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))})
        >>> masks.cover(np.full((4, 8, 3), 255, np.uint8))[:, :, 0].tolist()[0]
        [0, 0, 0, 0, 0, 0, 0, 255]
    """

    def __init__(self, masks: Mapping[str, Polygon]) -> None:
        self._polygons = [np.asarray(mask.points, np.float64) for mask in masks.values()]
        self._hidden: dict[tuple[int, int], NDArray[np.bool_]] = {}

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._polygons)

    def cover(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Makes the masks black in an image (H, W, 3), in place; returns it."""
        if self._polygons:
            image[self.hidden(image.shape[1], image.shape[0])] = 0
        return image

    def hidden(self, width: int, height: int) -> NDArray[np.bool_]:
        """(height, width) bool, True where a picture of this size is black; do not write to it."""
        found = self._hidden.get((width, height))
        if found is None:
            if len(self._hidden) >= _SIZES:
                self._hidden.clear()
            found = self._hidden[width, height] = self._draw(width, height)
        return found

    def _draw(self, width: int, height: int) -> NDArray[np.bool_]:
        canvas = np.zeros((height, width), np.uint8)
        for polygon in self._polygons:
            # A pixel's middle is at .0 for OpenCV, at .5 for us.
            points = np.round((polygon * (width, height) - 0.5) * (1 << _SHIFT)).astype(np.int32)
            cv2.fillPoly(canvas, [points], 1, shift=_SHIFT)
        side = 2 * _MARGIN + 1
        return np.asarray(cv2.dilate(canvas, np.ones((side, side), np.uint8)), np.bool_)
