"""Where the time of a frame goes: per stage totals, and latency percentiles over the last frames."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

__all__ = ["LatencyMeter", "StageClock"]


_ORDER = ("read", "detect", "track", "pose", "action", "fight", "report")  # the way of a frame


class StageClock:
    """Sums the seconds that each named stage took.

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

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self.frames = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts the time of the block under `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
            self.calls[name] = self.calls.get(name, 0) + 1

    def milliseconds(self) -> dict[str, float]:
        """Mean milliseconds a frame by stage, in a frame's order; a call, where frames were not counted."""
        known = [name for name in _ORDER if name in self.seconds]
        names = [*known, *(name for name in self.seconds if name not in known)]
        return {name: 1000.0 * self.seconds[name] / (self.frames or self.calls[name]) for name in names}


class LatencyMeter:
    """Percentiles of the last `size` latencies; safe to use from several threads."""

    def __init__(self, size: int = 500) -> None:
        self._values: deque[float] = deque(maxlen=size)
        self._lock = threading.Lock()

    def add(self, seconds: float) -> None:
        """Adds one latency in seconds."""
        with self._lock:
            self._values.append(seconds)

    def percentiles(self) -> dict[str, float | None]:
        """{"p50", "p95"} in milliseconds; None before the first value."""
        with self._lock:
            values = list(self._values)
        if not values:
            return {"p50": None, "p95": None}
        p50, p95 = np.percentile(values, (50, 95)) * 1000.0
        return {"p50": round(float(p50), 1), "p95": round(float(p95), 1)}
