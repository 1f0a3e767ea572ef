"""Gives each frame its time: the file's own presentation time, or the camera's clock tied to ours."""

from __future__ import annotations

from collections import deque

__all__ = ["FileClock", "FileTimeline", "LiveTimeline"]

_MIN_STEP = 1e-3
_JUMP = 2.0  # seconds that a camera's clock may differ before it counts as set anew
_DRIFT = 2e-3  # seconds a second by which a camera's clock may be slow against ours, without any haste
_WINDOW = 4.0  # seconds in which one frame at least comes without delay
_SLACK = 0.1  # seconds behind the frame that came fastest that are made good slowly


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


class FileClock:
    """Places a file's frames on our clocks, one round after the other.

    Args:
        monotonic: seconds of the first frame of the first round.
        captured_at: UTC epoch seconds of the same.
    """

    def __init__(self, monotonic: float, captured_at: float) -> None:
        self._monotonic, self._captured_at = monotonic, captured_at
        self._base = self._end = self._period = 0.0
        self._timeline = FileTimeline(25.0)

    def begin(self, rate: float) -> None:
        """Starts a round, at so many frames a second."""
        self._timeline = FileTimeline(rate)
        self._base = self._end
        self._period = 1.0 / rate

    def place(self, pts: float | None) -> tuple[float, float]:
        """Monotonic time and UTC epoch seconds of the next frame."""
        seconds = self._base + self._timeline.seconds(pts)
        self._end = seconds + self._period
        return self._monotonic + seconds, self._captured_at + seconds


class LiveTimeline:
    """Monotonic seconds of a stream's frames: the camera's spacing, without the jitter of the network.

    The offset between the two clocks is that of the frame that came fastest in the last four seconds. It
    follows at once where the camera's clock is fast, and slowly where it is slow, so that a window that ends
    does not show. It starts anew where the camera's clock jumps by more than two seconds, goes back or
    stands still. Without presentation times it is the time of arrival.

    However wrong the camera's clock is, a time is never later than the arrival, and never more than two
    seconds before it.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self._arrival = 0.0
        self._pts = 0.0
        self._fastest: deque[tuple[float, float]] = deque()  # (arrival, offset), both growing
        self._last = float("-inf")

    def monotonic(self, pts: float | None, arrival: float) -> float:
        """Time of a frame.

        Args:
            pts: seconds on the camera's clock, or None.
            arrival: monotonic seconds when it was received.
        """
        now = arrival
        if pts is not None:
            now = pts + self._update(pts, arrival)
        self._last = max(now, self._last + _MIN_STEP)
        return self._last

    def _update(self, pts: float, arrival: float) -> float:
        """The offset from the camera's clock to ours, with what this frame says about it."""
        seen = arrival - pts
        offset = self._offset
        if offset is None or pts <= self._pts or abs(seen - offset) > _JUMP:
            self._fastest.clear()
            offset = seen
        while self._fastest and self._fastest[-1][1] >= seen:
            self._fastest.pop()
        self._fastest.append((arrival, seen))
        while arrival - self._fastest[0][0] > _WINDOW:
            self._fastest.popleft()
        best = self._fastest[0][1]
        slow = offset + _DRIFT * (arrival - self._arrival)
        offset = min(best, max(slow, best - _SLACK))
        self._offset, self._arrival, self._pts = offset, arrival, pts
        return offset
