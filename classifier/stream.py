"""Windows of all tracks of a camera, kept ready: each sample is interpolated and described once.

The samples lie on one grid for all, at whole multiples of 1/rate seconds; a window ends with the last of them
that the track's poses have reached. What comes out is what `resample` and `features` give for the poses at
those times; a new sample costs as much as one sample, not as a window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.features import FEATURE_COUNT, LAG, POINTS, sample_features, usable, window_features
from classifier.window import MAX_GAP, MIN_SPAN, SAME

__all__ = ["FeatureWindows", "PoseStream"]

_POINTS = np.array(POINTS)
_NEVER = float("-inf")
_NOWHERE = np.iinfo(np.int64).min // 2  # grid number of who has no sample yet


@dataclass(frozen=True, slots=True)
class FeatureWindows:
    """The windows of N tracks.

    Attributes:
        tracks: their ids.
        values: (N, T, FEATURE_COUNT) float32, the model's input.
        monotonic: (N,) time of each track's last pose in s.
    """

    tracks: tuple[str, ...]
    values: npt.NDArray[np.float32]
    monotonic: npt.NDArray[np.float64]


class PoseStream:
    """Keeps the last seconds of every track of one camera.

    Args:
        rate: samples per second of the windows, the model's `rate`.
        seconds: length of the windows, the model's `seconds`.
    """

    def __init__(self, rate: float = 15.0, seconds: float = 2.0) -> None:
        if not (rate > 0 and seconds > 0):
            raise ValueError(f"rate {rate} and seconds {seconds} must be above 0")
        self.rate, self.seconds = rate, seconds
        self.samples = max(2, round(rate * seconds))
        self._needed = max(2, round(min(MIN_SPAN, (self.samples - 1) / rate) * rate))
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._newest = _NEVER
        size, samples, points = 8, self.samples, len(POINTS)
        # By slot: the last pose and its time; the last sample's grid number, and the last described one's.
        self._pose = np.zeros((size, points, 4), np.float32)
        self._time = np.full(size, _NEVER)
        self._end = np.full(size, _NOWHERE)
        self._done = np.full(size, _NOWHERE)
        # Rings by slot and grid number modulo T.
        self._points = np.zeros((size, samples, points, 4), np.float32)
        self._valid = np.zeros((size, samples), np.bool_)
        self._values = np.zeros((size, samples, FEATURE_COUNT), np.float32)
        self._lengths = np.zeros((size, samples), np.float32)

    def push_all(self, poses: Mapping[str, npt.NDArray[np.float32]], monotonic: float) -> None:
        """Adds the poses of a frame.

        Args:
            poses: (33, 4) by track: x, y, z in px of the image and visibility.
            monotonic: time of the frame in s. A pose not later than its track's last one is dropped.

        Raises:
            ValueError: landmarks of another shape.
        """
        if not poses:
            return
        for landmarks in poses.values():
            if landmarks.shape != (33, 4):
                raise ValueError(f"landmarks must be (33, 4), not {landmarks.shape}")
        slots = np.array([self._slot(track) for track in poses], np.int64)
        new = np.stack(list(poses.values()))[:, _POINTS].astype(np.float32, copy=False)
        later = self._time[slots] < monotonic
        if not later.all():
            slots, new = slots[later], new[later]
            if not len(slots):
                return
        self._newest = max(self._newest, monotonic)
        self._sample(slots, new, monotonic)
        self._pose[slots], self._time[slots] = new, monotonic

    def windows(self, tracks: Sequence[str]) -> FeatureWindows:
        """The windows of those of these tracks that have one, in their order.

        There is none for an unknown track, for less than 0.6 s of poses without the gaps, and once the
        camera's newest pose of anyone is more than 0.5 s later than the track's own.
        """
        known = [track for track in tracks if track in self._slots]
        slots = np.array([self._slots[track] for track in known], np.int64)
        ready = self._valid[slots].sum(axis=1) >= self._needed
        ready &= self._newest - self._time[slots] <= MAX_GAP
        slots = slots[ready]
        self._describe(slots)
        order = (self._end[slots, None] + np.arange(1, self.samples + 1)) % self.samples
        rows = slots[:, None]
        values = window_features(
            self._values[rows, order], self._lengths[rows, order], self._valid[rows, order]
        )
        chosen = tuple(track for track, good in zip(known, ready.tolist(), strict=True) if good)
        return FeatureWindows(chosen, values, self._time[slots])

    def rename(self, names: Mapping[str, str]) -> None:
        """Goes on with bodies under other ids, the new one by the old one."""
        moved = {new: self._slots.pop(old) for old, new in names.items() if old in self._slots}
        for track in moved:
            self.drop(track)
        self._slots.update(moved)

    def drop(self, track_id: str) -> None:
        """Forgets a track."""
        slot = self._slots.pop(track_id, None)
        if slot is not None:
            self._time[slot], self._end[slot], self._done[slot] = _NEVER, _NOWHERE, _NOWHERE
            self._valid[slot] = False
            self._free.append(slot)

    def _slot(self, track: str) -> int:
        slot = self._slots.get(track)
        if slot is None:
            if not self._free:
                self._grow()
            slot = self._slots[track] = self._free.pop()
        return slot

    def _grow(self) -> None:
        used = len(self._slots)
        if used == len(self._time):
            for name in ("_pose", "_time", "_end", "_done", "_points", "_valid", "_values", "_lengths"):
                old = getattr(self, name)
                setattr(self, name, np.concatenate((old, np.zeros_like(old))))
            self._time[used:], self._end[used:], self._done[used:] = _NEVER, _NOWHERE, _NOWHERE
        self._free = [*range(used, len(self._time))]

    def _sample(self, slots: npt.NDArray[np.int64], new: npt.NDArray[np.float32], monotonic: float) -> None:
        """Interpolates the samples between the last poses and the new ones."""
        last = int(np.floor((monotonic + SAME) * self.rate))
        times = self._time[slots]
        span = monotonic - times
        bridged = span <= MAX_GAP + SAME
        exact = abs(last / self.rate - monotonic) <= SAME
        first = np.full(len(slots), last + 1)
        first[bridged] = np.floor((times[bridged] + SAME) * self.rate).astype(np.int64) + 1
        # Over a gap, and at the start, only a pose that lies on the grid is a sample.
        for index in np.flatnonzero(~bridged).tolist():
            self._skip(int(slots[index]), last if exact else last + 1)
            first[index] = last if exact else last + 1
        for number in range(int(first.min()), last + 1):
            chosen = np.flatnonzero(first <= number)
            rows, after = slots[chosen], new[chosen]
            points = after
            if abs(number / self.rate - monotonic) > SAME:
                share = (number / self.rate - times[chosen]) / span[chosen]
                weight = share[:, None, None].astype(np.float32)
                with np.errstate(invalid="ignore", over="ignore"):  # `usable` sorts out what is not finite
                    points = self._pose[rows] * (1 - weight) + after * weight
            place = number % self.samples
            self._points[rows, place], self._valid[rows, place] = usable(points)
        self._end[slots] = np.where(first <= last, last, self._end[slots])

    def _skip(self, slot: int, before: int) -> None:
        """Marks what lies between a slot's last sample and the grid number `before` as not valid."""
        end = int(self._end[slot])
        missed = np.arange(max(end + 1, before - self.samples), before) % self.samples
        self._valid[slot, missed] = False
        self._end[slot] = before - 1

    def _describe(self, slots: npt.NDArray[np.int64]) -> None:
        """Computes the features of the samples that are new since the last time."""
        end = self._end[slots]
        start = np.maximum(self._done[slots], end - self.samples)
        longest = int((end - start).max(initial=0))
        if not longest:
            return
        numbers = end[:, None] - np.arange(longest)
        which, column = np.nonzero(numbers > start[:, None])
        number, rows = numbers[which, column], slots[which]
        place, earlier = number % self.samples, (number - LAG) % self.samples
        known = self._valid[rows, place] & self._valid[rows, earlier]
        known &= number - LAG > end[which] - self.samples
        values, lengths = sample_features(
            self._points[rows, place], self._points[rows, earlier], known, self.rate
        )
        self._values[rows, place], self._lengths[rows, place] = values, lengths
        self._done[slots] = end
