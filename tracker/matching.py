"""How alike tracks and detections are, all pairs at once, and who goes with whom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.assignment import linear_sum_assignment

__all__ = ["assign", "buffered_iou", "covered_share", "shared_of_smaller"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


def buffered_iou(first: Floats, second: Floats, buffer: float = 0.0) -> Floats:
    """IoU (N, M) of boxes (N, 4) and (M, 4), each grown by `buffer` of its width and height on every side."""
    one, two = _grow(first, buffer), _grow(second, buffer)
    common = _common(one, two)
    overlap: Floats = common / np.maximum(_area(one)[:, None] + _area(two)[None] - common, 1e-9)
    return overlap


def covered_share(boxes: Floats, others: Floats) -> Floats:
    """(N,) share of each box (N, 4) that is also in the one of the others (M, 4) that shares most with it.

    A box that is among the others itself does not count.
    """
    if not len(boxes) or not len(others):
        return np.zeros(len(boxes))
    common = _common(boxes, others)
    common[(boxes[:, None] == others[None]).all(axis=2)] = 0.0
    share: Floats = common.max(axis=1) / np.maximum(_area(boxes), 1e-9)
    return share


def shared_of_smaller(boxes: Floats) -> Floats:
    """(N, N) share that each two of the boxes (N, 4) have in common, of the smaller one."""
    area = _area(boxes)
    share: Floats = _common(boxes, boxes) / np.maximum(np.minimum(area[:, None], area[None]), 1e-9)
    return share


def assign(gain: Floats) -> tuple[Rows, Rows]:
    """Rows and columns of the pairs with the largest total gain (N, M); pairs without gain stay apart."""
    if not gain.size or not (gain > 0).any():
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    first, second = linear_sum_assignment(gain, maximize=True)
    good = gain[first, second] > 0
    return first[good], second[good]


def _common(first: Floats, second: Floats) -> Floats:
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    sides = np.minimum(first[:, None, 2:], second[None, :, 2:]) - low
    np.maximum(sides, 0.0, out=sides)
    area: Floats = sides[:, :, 0] * sides[:, :, 1]
    return area


def _area(boxes: Floats) -> Floats:
    area: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area


def _grow(boxes: Floats, buffer: float) -> Floats:
    if not buffer:
        return boxes
    margin = (boxes[:, 2:] - boxes[:, :2]) * buffer
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)
