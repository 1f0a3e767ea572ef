"""Second boxes of one body: once their track was ended, nobody starts there again while they are seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tracker.kalman import from_centre
from tracker.matching import buffered_iou
from tracker.tracks import Record, TrackState

__all__ = ["is_second_box", "remember_second_boxes"]

Floats = NDArray[np.float64]

_SECONDS = 5.0  # for which a place is remembered after a box was last seen there
_SAME = 0.5  # IoU with that place from which a box is the second one


def remember_second_boxes(
    doubles: Mapping[str, str], records: Sequence[Record], values: Floats, monotonic: float
) -> None:
    """Ends second tracks, and notes where their boxes are on the first ones.

    Args:
        doubles: by the id of each second track that of the first.
        records: the bodies.
        values: (N, 4) their centres and sizes in px.
        monotonic: seconds of the frame.
    """
    rows = {record.person.id: row for row, record in enumerate(records)}
    boxes = from_centre(values)
    for second, first in doubles.items():
        if second in rows and first in rows:
            elder, (corner, size) = records[rows[first]], _frame(boxes[rows[first]])
            elder.double = (boxes[rows[second]] - corner) / size
            elder.double_until = monotonic + _SECONDS
            records[rows[second]].state = TrackState.REMOVED


def is_second_box(
    boxes: Floats, records: Sequence[Record], values: Floats, monotonic: float
) -> NDArray[np.bool_]:
    """(N,) bool, which boxes (N, 4) are where a body had a second one; see `remember_second_boxes`."""
    known = np.zeros(len(boxes), bool)
    for row, record in enumerate(records) if len(boxes) else ():
        if record.double is None or monotonic > record.double_until:
            continue
        corner, size = _frame(from_centre(values[row : row + 1])[0])
        same = buffered_iou(boxes, (corner + record.double * size)[None])[:, 0] > _SAME
        if same.any():
            record.double_until = monotonic + _SECONDS
            known |= same
    return known


def _frame(box: Floats) -> tuple[Floats, Floats]:
    """Corner and size of a box (4,), each twice, to express other boxes in."""
    left, top, right, bottom = box
    return np.array([left, top] * 2), np.array([right - left, bottom - top] * 2)
