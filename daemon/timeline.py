"""Gives each frame its time: the file's own presentation time, or the camera's clock tied to ours."""

from __future__ import annotations

__all__ = ["FileTimeline", "LiveTimeline"]

_MIN_STEP = 1e-3
_JUMP = 2.0  # seconds that a camera's clock may differ before it counts as set anew
_DRIFT = 2e-3  # seconds a second by which a camera's clock may be slow against ours


class FileTimeline:
    """Seconds from the first frame, from presentation times; always growing.

    A frame without a time, or with one that goes back or jumps ahead by over ten seconds, comes one frame
    period after the one before.

    Args:
        rate: frames a second, for frames without a time.
    """

    def __init__(self, rate: float) -> None:
        self._period = 1.0 / rate
        self._shift: float | None = None
        self._last = 0.0

    def seconds(self, pts: float | None) -> float:
        """Time of the next frame in seconds from the first one."""
        if self._shift is None:
            self._shift = -pts if pts is not None else 0.0
            return 0.0
        now = self._last + self._period
        if pts is not None:
            step = pts + self._shift - self._last
            if _MIN_STEP / 2 <= step <= 10.0:
                now = pts + self._shift
            else:
                self._shift = now - pts
        self._last = now
        return now


class LiveTimeline:
    """Monotonic seconds of a stream's frames: the camera's spacing, without the jitter of the network.

    The offset between the two clocks is that of the frame that came fastest; it may only grow slowly, as
    clocks drift apart, and starts anew where a camera's clock jumps. Without presentation times it is the
    time of arrival.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self._arrival = 0.0
        self._last = float("-inf")

    def monotonic(self, pts: float | None, arrival: float) -> float:
        """Time of a frame.

        Args:
            pts: seconds on the camera's clock, or None.
            arrival: monotonic seconds when it was received.
        """
        now = arrival
        if pts is not None:
            offset = arrival - pts
            if self._offset is None or abs(offset - self._offset) > _JUMP:
                self._offset = offset
            else:
                self._offset = min(offset, self._offset + _DRIFT * (arrival - self._arrival))
            self._arrival = arrival
            now = pts + self._offset
        self._last = max(now, self._last + _MIN_STEP)
        return self._last
