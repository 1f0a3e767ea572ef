"""CPU and memory of this process, from /proc and os.times; no dependency needed."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["ProcessUsage", "threads_and_files"]


class ProcessUsage:
    """Reads {cpu, rss}: cpu in cores used since the last reading, rss in bytes."""

    def __init__(self) -> None:
        self._last = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        times = os.times()
        return time.monotonic(), times.user + times.system

    def read(self) -> dict[str, float | int | None]:
        """CPU since the last call (1.0 is one whole core) and resident memory in bytes, None if unknown."""
        now, used = self._now()
        cpu = (used - self._last[1]) / max(now - self._last[0], 1e-3)
        self._last = (now, used)
        return {"cpu": round(cpu, 2), "rss": resident_bytes()}


def threads_and_files() -> tuple[int | None, int | None]:
    """Threads and open file descriptors of this process; None where there is no /proc."""
    found = []
    for name in ("task", "fd"):
        try:
            found.append(len(os.listdir(f"/proc/self/{name}")))  # noqa: PTH208 (faster, no objects)
        except OSError:
            return None, None
    return found[0], found[1] - 1  # one of them is that of the list itself


def resident_bytes() -> int | None:
    """Resident set size in bytes (proc(5), statm field 2), None where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
