"""Windows of poses in seconds: each track's poses resampled by time stamp to the model's rate."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_GAP", "MIN_SPAN", "SAME", "PoseWindow", "PoseWindows", "resample"]

MAX_GAP = 0.5
"""Seconds between two poses over which is interpolated; a longer gap is invalid."""

MIN_SPAN = 0.6
"""Seconds of poses from which a window exists."""

SAME = 1e-6
"""Seconds within which two times are one: above what a float loses in years of uptime."""


@dataclass(frozen=True, slots=True)
class PoseWindow:
    """The last seconds of one track.

    Attributes:
        track: the track's id.
        landmarks: (T, 33, 4) float32, x, y, z in px of the image and visibility; zeros where not valid.
        valid: (T,) bool, False before the first pose and in gaps.
        monotonic: time of the last sample in s.
    """

    track: str
    landmarks: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    monotonic: float


def resample(
    times: npt.NDArray[np.float64],
    landmarks: npt.NDArray[np.float32],
    end: float,
    *,
    rate: float,
    samples: int,
    max_gap: float = MAX_GAP,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Interpolates poses linearly at `samples` times, 1/`rate` s apart, the last one at `end`.

    Args:
        times: (N,) s, rising, N >= 1.
        landmarks: (N, 33, 4).
        end: time of the last sample in s.
        rate: samples per second.
        samples: number of samples T.
        max_gap: seconds between two neighbours above which the samples between them are invalid.

    Returns:
        landmarks (T, 33, 4) float32 with zeros where invalid, and valid (T,) bool.
    """
    grid = end - np.arange(samples - 1, -1, -1) / rate
    after = np.clip(np.searchsorted(times, grid - SAME), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    # On a pose the pose itself counts, however far its neighbours are.
    exact = np.abs(times[after] - grid) <= SAME
    before = np.where(exact, after, before)
    span = times[after] - times[before]
    share = np.where(span > 0, (grid - times[before]) / np.where(span > 0, span, 1.0), 0.0)
    inside = (grid >= times[0] - SAME) & (grid <= times[-1] + SAME)
    valid = inside & (span <= max_gap + SAME)
    weight = share[:, None, None].astype(np.float32)
    result = landmarks[before] * (1 - weight) + landmarks[after] * weight
    result[~valid] = 0.0
    return result.astype(np.float32, copy=False), valid


@dataclass(slots=True)
class _Poses:
    times: deque[float] = field(default_factory=deque)
    landmarks: deque[npt.NDArray[np.float32]] = field(default_factory=deque)


class PoseWindows:
    """Keeps the recent poses of every track of one camera.

    Args:
        rate: samples per second of the windows, the model's `rate`.
        seconds: length of the windows, the model's `seconds`.
    """

    def __init__(self, rate: float = 15.0, seconds: float = 2.0) -> None:
        if not (rate > 0 and seconds > 0):
            raise ValueError(f"rate {rate} and seconds {seconds} must be above 0")
        self.rate = rate
        self.seconds = seconds
        self.samples = max(2, round(rate * seconds))
        self._min_span = min(MIN_SPAN, (self.samples - 1) / rate)
        self._tracks: dict[str, _Poses] = {}
        self._newest = float("-inf")

    def push(
        self,
        track_id: str,
        landmarks: npt.NDArray[np.float32],
        world: npt.NDArray[np.float32] | None,  # noqa: ARG002 (for models that read metres)
        monotonic: float,
    ) -> None:
        """Adds a track's pose.

        Args:
            track_id: the track's id.
            landmarks: (33, 4), x, y, z in px of the image and visibility.
            world: (33, 3) metres; not used by the present features.
            monotonic: time of the frame in s. A pose not later than the track's last one is dropped.

        Raises:
            ValueError: landmarks of another shape.
        """
        if landmarks.shape != (33, 4):
            raise ValueError(f"landmarks must be (33, 4), not {landmarks.shape}")
        poses = self._tracks.setdefault(track_id, _Poses())
        if poses.times and monotonic <= poses.times[-1]:
            return
        poses.times.append(monotonic)
        poses.landmarks.append(np.asarray(landmarks, np.float32))
        self._newest = max(self._newest, monotonic)
        # One pose before the window's start stays, to interpolate from.
        start = monotonic - (self.samples - 1) / self.rate
        while len(poses.times) > 2 and poses.times[1] <= start:
            poses.times.popleft()
            poses.landmarks.popleft()

    def push_all(self, poses: Mapping[str, npt.NDArray[np.float32]], monotonic: float) -> None:
        """Adds the poses of a frame, (33, 4) by track."""
        for track, landmarks in poses.items():
            self.push(track, landmarks, None, monotonic)

    def window(self, track_id: str) -> PoseWindow | None:
        """The window that ends with the track's last pose.

        None for an unknown track, for less than 0.6 s of poses without the gaps, and once the camera's newest
        pose of anyone is more than 0.5 s later than the track's own.
        """
        poses = self._tracks.get(track_id)
        if poses is None or poses.times[-1] - poses.times[0] < self._min_span - SAME:
            return None
        end = poses.times[-1]
        if self._newest - end > MAX_GAP:
            return None
        landmarks, valid = resample(
            np.array(poses.times), np.stack(poses.landmarks), end, rate=self.rate, samples=self.samples
        )
        if valid.sum() < max(2, round(self._min_span * self.rate)):
            return None  # some poses on both sides of a gap say nothing about a motion
        return PoseWindow(track_id, landmarks, valid, end)

    def rename(self, names: Mapping[str, str]) -> None:
        """Goes on with bodies under other ids, the new one by the old one."""
        moved = {new: self._tracks.pop(old) for old, new in names.items() if old in self._tracks}
        self._tracks.update(moved)

    def drop(self, track_id: str) -> None:
        """Forgets a track."""
        self._tracks.pop(track_id, None)
