"""Where the time of a frame goes: per stage totals, and latency percentiles over the last frames."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

__all__ = ["LATENCY_BUCKETS", "Histogram", "LatencyMeter", "RateMeter", "StageClock", "in_order"]

LATENCY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds in seconds; what is above the last is in one more bucket."""

# The way of a frame.
_ORDER = ("read", "tamper", "detect", "track", "pose", "action", "fight", "report", "media")


class StageClock:
    """Sums the seconds that each named stage took.

    Args:
        timer: seconds; wall time by default, `time.thread_time` for what the processor did.

    Attributes:
        seconds: by stage.
        calls: by stage; a stage may run several times in a frame, or not in every one.
        frames: that went all the way; counted by whoever drives the stages.

    Example:
        >>> clock = StageClock()
        >>> with clock.stage("detect"):
        ...     pass
        >>> clock.calls["detect"]
        1
    """

    def __init__(self, timer: Callable[[], float] = time.perf_counter) -> None:
        self._timer = timer
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self.frames = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts the time of the block under `name`."""
        start = self._timer()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + self._timer() - start
            self.calls[name] = self.calls.get(name, 0) + 1

    def milliseconds(self) -> dict[str, float]:
        """Mean milliseconds a frame by stage, in a frame's order; a call, where frames were not counted."""
        names = in_order(self.seconds)
        return {name: 1000.0 * self.seconds[name] / (self.frames or self.calls[name]) for name in names}


def in_order(names: Iterable[str]) -> list[str]:
    """Names of stages in the order of a frame's way; others at the end, as they come."""
    names = list(names)
    known = [name for name in _ORDER if name in names]
    return [*known, *(name for name in names if name not in known)]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lay where, since the start.

    Attributes:
        counts: values of each bucket of `LATENCY_BUCKETS`, not cumulative, and above the last.
        total: sum of all values in seconds.
    """

    counts: tuple[int, ...] = (0,) * (len(LATENCY_BUCKETS) + 1)
    total: float = 0.0


class LatencyMeter:
    """Percentiles of the last `size` latencies, and all of them as a histogram; safe in several threads."""

    def __init__(self, size: int = 500) -> None:
        self._values: deque[float] = deque(maxlen=size)
        self._counts = [0] * (len(LATENCY_BUCKETS) + 1)
        self._total = 0.0
        self._lock = threading.Lock()

    def add(self, seconds: float) -> None:
        """Adds one latency in seconds."""
        with self._lock:
            self._values.append(seconds)
            self._counts[bisect_left(LATENCY_BUCKETS, seconds)] += 1
            self._total += seconds

    def histogram(self) -> Histogram:
        """All values since the start."""
        with self._lock:
            return Histogram(tuple(self._counts), self._total)

    def percentiles(self) -> dict[str, float | None]:
        """{"p50", "p95"} in milliseconds; None before the first value."""
        with self._lock:
            values = list(self._values)
        if not values:
            return {"p50": None, "p95": None}
        p50, p95 = np.percentile(values, (50, 95)) * 1000.0
        return {"p50": round(float(p50), 1), "p95": round(float(p95), 1)}


class RateMeter:
    """How fast a count grows, over the last `span` seconds.

    Args:
        span: seconds.

    Example:
        >>> meter = RateMeter()
        >>> for second in range(11):
        ...     meter.add(15 * second, float(second))
        >>> meter.rate
        15.0
    """

    def __init__(self, span: float = 10.0) -> None:
        self._span = span
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, count: int, now: float) -> None:
        """Takes the count at a time, in monotonic seconds."""
        self._seen.append((now, count))
        while len(self._seen) > 2 and now - self._seen[1][0] >= self._span:
            self._seen.popleft()

    @property
    def rate(self) -> float:
        """A second; 0 before the second count."""
        if len(self._seen) < 2:
            return 0.0
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return round(max(last - first, 0) / max(end - start, 1e-3), 2)
