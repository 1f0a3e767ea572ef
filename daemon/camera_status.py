"""How a camera is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from daemon.source_types import Reason

__all__ = ["CameraState", "CameraStatus", "StatusRecord"]

_RATE_AFTER, _RATE_EVERY = 5.0, 30.0  # seconds of streaming before its rate is told, and between two times
_RATE_CHANGE = 0.1  # share by which it must differ


class CameraState(str, Enum):
    """What a camera is doing."""

    STREAMING = "streaming"
    CONNECTING = "connecting"
    STALLED = "stalled"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera is.

    Attributes:
        state: what it is doing.
        reason: why it gives no frames, as far as that is known.
        since: UTC epoch seconds of the last change of state.
        fps: frames a second received of late; 0 while not streaming.
        overloaded: whether the machine has no time for many of its frames.
    """

    state: CameraState
    reason: Reason | None
    since: float
    fps: float
    overloaded: bool = False


class StatusRecord:
    """What a camera did last. Not safe in several threads: the camera's lock is around it.

    Args:
        clock: UTC epoch seconds.
        monotonic: monotonic seconds.

    Attributes:
        state: what it is doing.
    """

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._clock, self._monotonic = clock, monotonic
        self.state, self._since = CameraState.DISABLED, clock()
        self._reason: Reason | None = None
        self._arrivals: deque[float] = deque(maxlen=60)
        self._told_rate, self._rate_due = 0.0, float("inf")

    @property
    def status(self) -> CameraStatus:
        """How the camera is now."""
        return CameraStatus(self.state, self._reason, self._since, self._fps())

    @property
    def is_rate_due(self) -> bool:
        """Whether it is time to look at the rate."""
        return self._monotonic() >= self._rate_due

    def arrived(self) -> None:
        """Counts a frame."""
        self._arrivals.append(self._monotonic())

    def change(self, state: CameraState, reason: Reason | None) -> CameraStatus | None:
        """Takes a state; the status where it is another one."""
        if (state, reason) == (self.state, self._reason):
            return None
        if state is CameraState.STREAMING:
            self._told_rate, self._rate_due = 0.0, self._monotonic() + _RATE_AFTER
        else:
            self._arrivals.clear()
        self.state, self._reason, self._since = state, reason, self._clock()
        return self.status

    def rate_to_tell(self) -> CameraStatus | None:
        """The status where the rate is another one: when a stream begins it is not known yet."""
        self._rate_due = self._monotonic() + _RATE_EVERY
        status = self.status
        if abs(status.fps - self._told_rate) <= _RATE_CHANGE * self._told_rate:
            return None
        self._told_rate = status.fps
        return status

    def _fps(self) -> float:
        if self.state is not CameraState.STREAMING or len(self._arrivals) < 2:
            return 0.0
        elapsed = max(self._monotonic(), self._arrivals[-1]) - self._arrivals[0]
        return round((len(self._arrivals) - 1) / max(elapsed, 1e-3), 1)
