"""Small and far people: the detector looks at the whole image and, enlarged, at overlapping tiles of it.

In the detector's input a 1920 pixel wide image is scaled down to 544, so that somebody 50 pixels tall becomes
14, fewer than it was trained on. In one of 2x2 tiles the same person is 26 pixels tall. Every tile costs as
much as the whole image does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker.detector import Detections, Detector
from tracker.nms import iou_matrix, overlap_matrix

__all__ = ["OVERLAP", "Tile", "TiledDetector", "merge_views", "tile_grid", "trusted"]

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Image = npt.NDArray[np.uint8]

OVERLAP = 0.2
"""Share of a tile that it has in common with the next one.

Somebody as tall as that, less the margins below, is whole in at least one tile. That is 56 pixels of an
input 352 high, and with 2x2 tiles still 31 in the look at the whole image, which finds people of that
size without help.
"""

# The figures of docs/results.md change by less than .006 for others near these.
_MARGIN = 0.02  # of a tile: a box that ends so close to an inner edge is taken for cut by it
_LARGEST = 0.3  # of a tile: anybody larger is left to the whole image, where nobody is cut
_SAME = 0.5  # IoU from which boxes of two views are one person
_INSIDE = 0.75  # share of the smaller box that lies in the larger one, from which they may be one person,
_PART = 0.5  # if its area is at least this share of the larger one's; a smaller one is somebody behind


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of an image, in pixels; right and bottom are not in it."""

    left: int
    top: int
    right: int
    bottom: int


def tile_grid(width: int, height: int, columns: int, rows: int) -> list[Tile]:
    """Equal tiles that cover an image and overlap by OVERLAP of their size, row by row.

    Args:
        width: Width of the image, pixels.
        height: Height of the image, pixels.
        columns: Tiles side by side.
        rows: Tiles one above the other.
    """
    across, down = _spans(width, columns), _spans(height, rows)
    return [Tile(left, top, right, bottom) for top, bottom in down for left, right in across]


def _spans(length: int, parts: int) -> list[tuple[int, int]]:
    size = math.ceil(length / (parts - (parts - 1) * OVERLAP))
    if parts == 1:
        return [(0, size)]
    starts = [index * (length - size) // (parts - 1) for index in range(parts)]
    return [(start, start + size) for start in starts]


class TiledDetector:
    """A detector that looks at the whole image and at tiles of it, one after the other.

    One call with all tiles as a batch takes no less time on one thread (measured: 6 % more), so any
    model will do, also one of a fixed input.

    Example:
        >>> detections = TiledDetector(Detector(), columns=2, rows=2).detect(cv2.imread("square.jpg"))
    """

    def __init__(
        self, detector: Detector, *, columns: int, rows: int, iou: float = 0.65, max_detections: int = 100
    ) -> None:
        """Takes the detector for every view.

        Args:
            detector: Its detections of a view are merged with those of the others.
            columns: Tiles side by side.
            rows: Tiles one above the other.
            iou: The detector's NMS threshold; between two views it is at most 0.5.
            max_detections: At most this many people an image.
        """
        self._detector = detector
        self._columns, self._rows = columns, rows
        self._iou, self._limit = min(iou, _SAME), max_detections

    @property
    def name(self) -> str:
        """The detector's name."""
        return self._detector.name

    @property
    def look(self) -> str | None:
        """Of the detector, as are the features: those of the whole image."""
        return self._detector.look

    @property
    def pixels(self) -> int:
        """Of the detector's input."""
        return self._detector.pixels

    def detect(self, image: Image) -> Detections:
        """Finds the people in an image.

        Args:
            image: (H, W, 3) uint8, BGR.

        Returns:
            Detections in pixels of that image, best first.
        """
        height, width = image.shape[:2]
        views = [self._detector.detect(image)]
        for tile in tile_grid(width, height, self._columns, self._rows):
            part = self._detector.detect(image[tile.top : tile.bottom, tile.left : tile.right])
            views.append(trusted(part, tile, width, height))
        merged = merge_views(views, iou=self._iou, limit=self._limit)
        return Detections(merged.boxes, merged.scores, views[0].features)


def trusted(found: Detections, tile: Tile, width: int, height: int) -> Detections:
    """What a tile is trusted with: people who are small and not cut by one of its inner edges.

    Who is cut by an edge would become half a person. Whoever is small enough for OVERLAP is whole in another
    tile, whoever is larger is seen in the whole image.

    Args:
        found: Detections in pixels of the tile.
        tile: Where the tile lies.
        width: Width of the image, pixels.
        height: Height of the image, pixels.

    Returns:
        Detections in pixels of the image.
    """
    corner = np.array([tile.left, tile.top], dtype=np.float32)
    size = np.array([tile.right - tile.left, tile.bottom - tile.top], dtype=np.float32)
    low, high = found.boxes[:, :2], found.boxes[:, 2:]
    cut_low = (low < _MARGIN * size) & (corner > 0)
    cut_high = (high > size - _MARGIN * size) & (corner + size < (width, height))
    kept = ~(cut_low | cut_high | (high - low > _LARGEST * size)).any(axis=1)
    return Detections(found.boxes[kept] + np.tile(corner, 2), found.scores[kept])


def merge_views(views: Sequence[Detections], *, iou: float = _SAME, limit: int = 100) -> Detections:
    """One box a person, the best of all views.

    Two boxes of one view are two people, its NMS saw to that. Two boxes of different views are one person
    if they overlap by more than `iou`, or if one is a large part of the other: IoU alone would keep a box
    down to the knees beside the whole person's.

    Args:
        views: Detections of each view, all in pixels of one image.
        iou: See above.
        limit: At most this many people.
    """
    boxes = np.concatenate([view.boxes for view in views])
    scores = np.concatenate([view.scores for view in views])
    origin = np.repeat(np.arange(len(views)), [len(view) for view in views])
    order = np.argsort(-scores, kind="stable")
    boxes, scores, origin = boxes[order], scores[order], origin[order]
    double = _same_person(boxes, iou) & (origin[:, None] != origin[None, :])
    alive = np.ones(len(scores), dtype=bool)
    for index in range(len(scores)):
        if alive[index]:
            alive[index + 1 :] &= ~double[index, index + 1 :]
    kept = np.flatnonzero(alive)[:limit]
    return Detections(boxes[kept], scores[kept])


def _same_person(boxes: FloatArray, iou: float) -> BoolArray:
    """(N, N) whether two boxes of different views show one person."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    smaller, larger = np.minimum(areas[:, None], areas[None, :]), np.maximum(areas[:, None], areas[None, :])
    part = (overlap_matrix(boxes, boxes) > _INSIDE * smaller) & (smaller > _PART * larger)
    same: BoolArray = (iou_matrix(boxes, boxes) > iou) | part
    return same
