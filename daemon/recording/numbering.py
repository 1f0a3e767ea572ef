"""Frame numbers from time stamps, so that the numbers and one rate tell the true times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["number_frames"]

_SHARE = 0.2  # of a frame's period, by which a time may differ from its number
_SECONDS = 0.01  # and at most so much
_FINE = (100.0, 1000.0)  # numbers a second where frames keep no rhythm


def number_frames(times: Sequence[float]) -> tuple[float, npt.NDArray[np.int64]]:
    """The rate and the number of each frame, from 0.

    Where frames keep a rhythm the rate is theirs, and frames that are missing are gaps in the numbers. Where
    they do not (a stream of variable rate), the numbers are hundredths of a second.

    Args:
        times: (N,) seconds, rising.
    """
    stamps = np.asarray(times, np.float64) - times[0]
    if len(stamps) < 2:
        return 30.0, np.zeros(len(stamps), np.int64)
    steps = np.diff(stamps)
    # The commonest step, not the shortest: a late frame is followed by one that seems early.
    counts = np.maximum(np.round(steps / np.median(steps)), 1)
    numbers = np.concatenate([[0], np.cumsum(counts)])
    slope, start = np.polyfit(numbers, stamps, 1)
    if 1e-3 < slope < 100 and np.abs(start + numbers * slope - stamps).max() <= min(_SHARE * slope, _SECONDS):
        return round(1 / slope, 3), numbers.astype(np.int64)
    rate = _FINE[0] if steps.min() > 1.5 / _FINE[0] else _FINE[1]
    return rate, np.round(stamps * rate).astype(np.int64)
