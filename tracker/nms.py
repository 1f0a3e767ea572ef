"""Intersection over union and non-maximum suppression of boxes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["iou_matrix", "overlap_matrix", "suppress"]

FloatArray = npt.NDArray[np.float32]


def iou_matrix(first: FloatArray, second: FloatArray) -> FloatArray:
    """Intersection over union of every pair.

    Args:
        first: (N, 4) left, top, right, bottom.
        second: (M, 4) likewise.

    Returns:
        (N, M) float32 in 0..1; 0 where both boxes are empty.
    """
    overlap = overlap_matrix(first, second)
    union = _areas(first)[:, None] + _areas(second)[None, :] - overlap
    ratio: FloatArray = (overlap / np.maximum(union, np.finfo(np.float32).tiny)).astype(np.float32)
    return ratio


def overlap_matrix(first: FloatArray, second: FloatArray) -> FloatArray:
    """Area that both boxes cover, of every pair; arguments and shape as for `iou_matrix`."""
    corner_low = np.maximum(first[:, None, :2], second[None, :, :2])
    corner_high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    size = np.clip(corner_high - corner_low, 0.0, None)
    overlap: FloatArray = size[..., 0] * size[..., 1]
    return overlap


def suppress(
    boxes: FloatArray, scores: FloatArray, *, iou: float, limit: int, candidates: int = 1000
) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression.

    One IoU matrix is computed for all candidates; the loop runs once a box that is kept.

    Args:
        boxes: (N, 4) left, top, right, bottom.
        scores: (N,) higher is better.
        iou: A box that overlaps a better one by more than this is dropped.
        limit: At most this many boxes are kept.
        candidates: Only this many best boxes are looked at.

    Returns:
        Indices of the boxes kept, best first.
    """
    order = np.argsort(-scores, kind="stable")[:candidates]
    overlaps = iou_matrix(boxes[order], boxes[order]) > iou
    alive = np.ones(len(order), dtype=bool)
    kept: list[int] = []
    position = 0
    while position < len(order) and len(kept) < limit:
        kept.append(position)
        alive &= ~overlaps[position]
        alive[position] = False
        rest = np.flatnonzero(alive[position:])
        if rest.size == 0:
            break
        position += int(rest[0])
    return order[np.asarray(kept, dtype=np.intp)]


def _areas(boxes: FloatArray) -> FloatArray:
    size = np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None)
    area: FloatArray = size[:, 0] * size[:, 1]
    return area
