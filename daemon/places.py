"""Whether boxes may be of one person, by where they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.association import Track
from tracker.matching import buffered_iou

__all__ = ["overlap", "same_place", "takes_over"]

_NEAR = 0.75  # of the longer side of a box: a person who tips over moves the middle by half of it
_OVERLAP = 0.5  # seconds for which the old and the new track of one person may both be seen


def same_place(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    """Whether two boxes (4,) may be of one person who stays there, upright before and lying now."""
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    sides = np.maximum(one[2:] - one[:2], two[2:] - two[:2])
    apart = np.linalg.norm((one[:2] + one[2:] - two[:2] - two[2:]) / 2)
    return bool(apart <= _NEAR * sides.max())


def overlap(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """IoU of two boxes (4,)."""
    one, two = (np.asarray(box, np.float64)[None] for box in (first, second))
    return float(buffered_iou(one, two)[0, 0])


def takes_over(track: Track, box: NDArray[np.float32], seen: float) -> bool:
    """Whether a new track may be the person who was last seen at `box`, at `seen` monotonic seconds."""
    return track.first_monotonic > seen - _OVERLAP and same_place(box, track.box)
