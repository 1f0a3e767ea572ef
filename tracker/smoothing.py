"""Steadies poses over time: what every smoother offers, and the One-Euro filter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from tracker.pose import Pose

__all__ = ["OneEuro", "PoseSmoother", "TrackMemory"]

Floats = npt.NDArray[np.float64]

_METRES = 1.7  # body height of the world landmarks
_LEAST = 1.0  # px; a body is never taken to be smaller


class PoseSmoother(Protocol):
    """Makes steadier poses of the poses of one camera's tracks; keeps what it needs of each track."""

    def update(self, poses: Mapping[str, Pose], monotonic: float) -> dict[str, Pose]:
        """Takes in the poses of one frame.

        Args:
            poses: poses of this frame by track id; a track whose pose was not read is left out.
            monotonic: time of the frame in seconds, later than that of the frame before.

        Returns:
            The steadier poses of the same tracks, in the same order.
        """

    def drop(self, tracks: Iterable[str]) -> None:
        """Forgets tracks by id."""


class _Timed(Protocol):
    """Something that was known at a time."""

    @property
    def monotonic(self) -> float:
        """Seconds."""


Kept = TypeVar("Kept", bound=_Timed)


class TrackMemory(Generic[Kept]):
    """What a smoother keeps of each track from its last pose, for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._states: dict[str, Kept] = {}

    def drop(self, tracks: Iterable[str]) -> None:
        """Forgets tracks by id."""
        for track in tracks:
            self._states.pop(track, None)

    def _last(self, track: str, monotonic: float) -> Kept | None:
        state = self._states.get(track)
        return state if state is not None and 0.0 < monotonic - state.monotonic <= self._seconds else None


@dataclass(frozen=True, slots=True)
class _State:
    """Filtered points (66, 3), landmarks in px then world in m, their speeds a second, and the height."""

    points: Floats
    speeds: Floats
    height: float
    monotonic: float


class OneEuro(TrackMemory[_State]):
    """The One-Euro filter on landmarks and world landmarks: a `PoseSmoother`.

    A low-pass filter whose cutoff rises with speed: cutoff + beta * speed (Casiez, Roussel and Vogel, "1 Euro
    Filter", CHI 2012). Speeds are in body heights a second, so a setting suits people near and far, and the
    time between frames is the real one. All tracks of a frame are filtered at once. Visibilities stay as
    they are.

    Args:
        cutoff: Hz, for what stands still; lower is steadier and later.
        beta: Hz per body height a second; higher follows fast motion sooner and less steadily.
        speed_cutoff: Hz, of the filter on the speed itself; the paper's 1.
        memory: seconds without a pose after which a track begins anew.
    """

    def __init__(
        self, *, cutoff: float = 1.0, beta: float = 10.0, speed_cutoff: float = 1.0, memory: float = 1.0
    ) -> None:
        if min(cutoff, speed_cutoff, memory) <= 0.0 or beta < 0.0:
            raise ValueError("cutoff, speed_cutoff and memory must be above 0, and beta not below")
        super().__init__(memory)
        self._cutoff, self._beta, self._speed_cutoff = cutoff, beta, speed_cutoff

    def update(self, poses: Mapping[str, Pose], monotonic: float) -> dict[str, Pose]:
        """Filters the poses of one frame; see `PoseSmoother`."""
        if not poses:
            return {}
        points = np.stack([np.concatenate([pose.landmarks[:, :3], pose.world]) for pose in poses.values()])
        points = points.astype(np.float64)
        heights = np.maximum(np.ptp(points[:, :33, :2], axis=1).max(axis=1), _LEAST)
        before = [self._last(track, monotonic) for track in poses]
        old = [number for number, state in enumerate(before) if state is not None]
        speeds = np.zeros_like(points)
        known = [state for state in before if state is not None]
        if known:
            seconds = np.array([monotonic - state.monotonic for state in known])
            # The box of the landmarks changes with every gesture: its size is taken as slowly as the speed.
            share = _share(self._speed_cutoff, seconds)
            last_heights = np.array([state.height for state in known])
            heights[old] = last_heights + share * (heights[old] - last_heights)
            points[old], speeds[old] = self._filtered(points[old], known, heights[old], seconds)
        for number, track in enumerate(poses):
            if np.isfinite(points[number]).all():
                self._states[track] = _State(
                    points[number], speeds[number], float(heights[number]), monotonic
                )
            else:  # nothing of a broken pose may stay
                self._states.pop(track, None)
        made = points.astype(np.float32)
        return {
            track: replace(
                pose,
                landmarks=np.concatenate([made[number, :33], pose.landmarks[:, 3:]], axis=1),
                world=made[number, 33:],
            )
            for number, (track, pose) in enumerate(poses.items())
        }

    def _filtered(
        self, points: Floats, before: list[_State], heights: Floats, seconds: Floats
    ) -> tuple[Floats, Floats]:
        """Filtered points and speeds of N tracks, both (N, 66, 3)."""
        last = np.stack([state.points for state in before])
        last_speeds = np.stack([state.speeds for state in before])
        passed = seconds[:, None, None]
        share = _share(self._speed_cutoff, passed)
        speeds = last_speeds + share * ((points - last) / passed - last_speeds)
        body = np.concatenate([np.repeat(heights[:, None], 33, 1), np.full((len(points), 33), _METRES)], 1)
        # One cutoff a landmark, by its speed in any direction: turning the picture changes nothing.
        fast = np.linalg.norm(speeds[..., :2], axis=-1, keepdims=True) / body[..., None]
        share = _share(self._cutoff + self._beta * fast, passed)
        return last + share * (points - last), speeds


def _share(cutoff: float | Floats, seconds: Floats) -> Floats:
    """Weight 0..1 of the new value in an exponential filter of that cutoff in Hz."""
    passed = 2.0 * math.pi * cutoff * seconds
    return np.asarray(passed / (1.0 + passed))
