"""Cuts recordings into labelled windows, resampled as the daemon does it live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from classifier.recording import DEFAULT_SIZE, Recording
from classifier.window import MIN_SPAN, resample

__all__ = ["LabelledWindows", "Take", "all_windows", "cut", "name_of", "takes_of", "time_blocks"]

_Bool = npt.NDArray[np.bool_]
_Float = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Take:
    """A recording in px with its class number and the times at which windows end.

    Attributes:
        times: (F,) s.
        pixels: (F, 33, 4) px and visibility.
        label: class number.
        group: who or where; a group is never split between training and test.
        ends: (W,) s.
        size: width and height of the image in px.
        name: of the recording, for reports.
    """

    times: npt.NDArray[np.float64]
    pixels: _Float
    label: int
    group: str
    ends: npt.NDArray[np.float64]
    size: tuple[int, int] = DEFAULT_SIZE
    name: str = ""


@dataclass(frozen=True, slots=True)
class LabelledWindows:
    """Windows ready for the features.

    Attributes:
        landmarks: (N, T, 33, 4) px.
        valid: (N, T).
        labels: (N,) int64 class numbers.
        takes: (N,) int64, number of the take each window is from.
        sizes: (N, 2) width and height of the images in px.
    """

    landmarks: _Float
    valid: _Bool
    labels: npt.NDArray[np.int64]
    takes: npt.NDArray[np.int64]
    sizes: _Float


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
        ends = _ends(times, recording.labelled_from / recording.rate, stride)
        if len(ends):
            label, size = numbers[recording.label], (recording.width, recording.height)
            takes.append(
                Take(times, recording.pixels, label, recording.group, ends, size, name_of(recording))
            )
    return takes


def name_of(recording: Recording) -> str:
    """What a recording is called in reports: its file's folder and name, and of several takes which."""
    if recording.path is None:
        return recording.track or recording.label
    name = "/".join(recording.path.parts[-2:])
    several = recording.path.suffix.lower() == ".npz"
    return f"{name} {recording.track}" if several else name


def time_blocks(take: Take, count: int, *, gap: float = 1.0, stride: float = 0.2) -> list[Take]:
    """A take cut into parts in the order of time, so that one can be held out; none sees another's poses.

    Args:
        take: the take.
        count: parts; those too short for a window are left out.
        gap: seconds between two parts that belong to neither.
        stride: seconds between the ends of two windows.

    Returns:
        Takes of the same group, `#1`, `#2`, ... behind their names.
    """
    bounds = np.linspace(take.times[0], take.times[-1], count + 1)
    parts = []
    for number, (start, stop) in enumerate(pairwise(bounds.tolist()), start=1):
        last = stop + 1e-6 if number == count else stop - gap - 1e-6
        inside = (take.times >= start - 1e-6) & (take.times <= last)
        if inside.any():
            times = take.times[inside]
            ends = _ends(times, float(take.ends[0]), stride)
            if len(ends):
                parts.append(
                    replace(
                        take, times=times, pixels=take.pixels[inside], ends=ends, name=f"{take.name}#{number}"
                    )
                )
    return parts


def _ends(times: npt.NDArray[np.float64], labelled_from: float, stride: float) -> npt.NDArray[np.float64]:
    first = max(float(times[0]) + MIN_SPAN, labelled_from)
    if times[-1] < first - 1e-6:
        return np.empty(0)
    ends = np.arange(first, times[-1] + 1e-6, stride)
    # A window ends with a pose, never within a gap.
    return np.unique(times[np.clip(np.searchsorted(times, ends - 1e-6), 0, len(times) - 1)])


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
    sizes = np.array([takes[number].size for number in choice.tolist()], np.float32).reshape(-1, 2)
    return LabelledWindows(landmarks, valid, labels, choice, sizes)


def all_windows(takes: Sequence[Take], side: Sequence[int], *, rate: float, samples: int) -> LabelledWindows:
    """All windows of some takes, as they are."""
    choice = np.array([number for number in side for _ in takes[number].ends], np.int64)
    ends = np.concatenate([takes[number].ends for number in side]) if len(side) else np.empty(0)
    return cut(takes, choice, ends, rate=rate, samples=samples)
