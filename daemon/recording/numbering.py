"""Frame numbers from time stamps, so that the numbers and one rate tell the true times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["number_frames"]

_SHARE = 0.2  # of a frame's period, by which a time may differ from its number
_SECONDS = 0.01  # and at most so much
_FINE = (100.0, 1000.0)  # numbers a second where frames keep no rhythm


def number_frames(times: Sequence[float], indices: Sequence[int]) -> tuple[float, npt.NDArray[np.int64]]:
    """The rate and the number of each frame, from 0.

    Where the stream keeps a rhythm the rate is its own, and frames that are missing are gaps in the numbers.
    Where it does not (a variable rate), the numbers are hundredths of a second.

    Args:
        times: (N,) seconds, rising.
        indices: (N,) numbers of the frames in the stream, rising; what was lost on the way does not count.
    """
    stamps = np.asarray(times, np.float64) - times[0]
    if len(stamps) < 2:
        return 30.0, np.zeros(len(stamps), np.int64)
    steps = np.diff(stamps)
    period = float(np.percentile(steps / np.diff(indices), 50, method="lower"))
    counted = np.asarray(indices, np.int64) - indices[0]
    by_time = np.concatenate([[0], np.cumsum(np.maximum(np.round(steps / period), 1))]).astype(np.int64)
    for numbers in (counted, by_time):
        slope, start = np.polyfit(numbers, stamps, 1)
        error = np.abs(start + numbers * slope - stamps).max()
        if slope > 0 and error <= min(_SHARE * slope, _SECONDS):
            return round(1 / slope, 3), numbers
    rate = _FINE[0] if steps.min() > 1.5 / _FINE[0] else _FINE[1]
    return rate, np.round(stamps * rate).astype(np.int64)
