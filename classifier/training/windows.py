"""Cuts recordings into labelled windows, resampled as the daemon does it live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.recording import Recording
from classifier.window import MIN_SPAN, resample

__all__ = ["LabelledWindows", "Take", "cut", "takes_of"]

_Bool = npt.NDArray[np.bool_]
_Float = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Take:
    """A recording in px with its class number and the times at which windows end."""

    times: npt.NDArray[np.float64]
    pixels: _Float
    label: int
    group: str
    ends: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabelledWindows:
    """Windows ready for the features.

    Attributes:
        landmarks: (N, T, 33, 4) px.
        valid: (N, T).
        labels: (N,) int64 class numbers.
        takes: (N,) int64, number of the take each window is from.
    """

    landmarks: _Float
    valid: _Bool
    labels: npt.NDArray[np.int64]
    takes: npt.NDArray[np.int64]


def takes_of(recordings: Sequence[Recording], labels: Sequence[str], *, stride: float = 0.2) -> list[Take]:
    """The takes whose label is in `labels` and that are long enough for a window.

    Args:
        recordings: the recordings.
        labels: names of the classes in their order.
        stride: seconds between the ends of two windows.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    takes = []
    for recording in recordings:
        if recording.label not in numbers:
            continue
        times = recording.times
        first = max(times[0] + MIN_SPAN, recording.labelled_from / recording.rate)
        if times[-1] < first - 1e-6:
            continue
        ends = np.arange(first, times[-1] + 1e-6, stride)
        # A window ends with a pose, never within a gap.
        ends = times[np.clip(np.searchsorted(times, ends - 1e-6), 0, len(times) - 1)]
        takes.append(
            Take(times, recording.pixels, numbers[recording.label], recording.group, np.unique(ends))
        )
    return takes


def cut(
    takes: Sequence[Take],
    choice: npt.NDArray[np.int64],
    ends: npt.NDArray[np.float64],
    *,
    rate: float,
    samples: int,
    speeds: npt.NDArray[np.float64] | None = None,
    strides: npt.NDArray[np.int64] | None = None,
) -> LabelledWindows:
    """Resamples windows.

    Args:
        takes: the takes.
        choice: (N,) number of the take of each window.
        ends: (N,) time of each window's last sample in s.
        rate: samples per second.
        samples: samples T of a window.
        speeds: (N,) above 1 plays the take faster; None leaves it as recorded.
        strides: (N,) takes every so manieth pose only, as of a slower camera; None takes all.
    """
    landmarks = np.empty((len(choice), samples, 33, 4), np.float32)
    valid = np.empty((len(choice), samples), np.bool_)
    for row, (number, end) in enumerate(zip(choice.tolist(), ends.tolist(), strict=True)):
        take = takes[number]
        speed = 1.0 if speeds is None else float(speeds[row])
        times, pixels = take.times, take.pixels
        if strides is not None and strides[row] > 1:
            last, step = int(np.searchsorted(times, end + 1e-6)) - 1, int(strides[row])
            times, pixels = times[last % step :: step], pixels[last % step :: step]
        landmarks[row], valid[row] = resample(
            times, pixels, end, rate=rate / speed, samples=samples, max_gap=0.5 * max(1.0, speed)
        )
    labels = np.array([takes[number].label for number in choice.tolist()], np.int64)
    return LabelledWindows(landmarks, valid, labels, choice)
