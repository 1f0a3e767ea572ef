"""CPU, memory, threads and files of this process, from /proc and os.times; no dependency needed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from collections import deque
from pathlib import Path

from daemon.figures import ProcessFigures

__all__ = ["ProcessUsage", "give_back_memory", "resident_bytes", "share_memory"]

_PROC = Path("/proc/self")
_M_ARENA_MAX, _ARENAS = -8, 2  # mallopt(3)
_CLOSEST = 0.5  # seconds between two readings that are remembered


class ProcessUsage:
    """Reads how much of the machine this process uses; safe in several threads.

    Several may read it (statistics, health) without disturbing each other: CPU is the mean from the newest
    reading that is older than `span` seconds, or from the first one.

    Args:
        span: seconds.
    """

    def __init__(self, span: float = 10.0) -> None:
        self._span = span
        self._lock = threading.Lock()
        self._seen = deque([_now()])

    def figures(self) -> ProcessFigures:
        """CPU (1.0 is one whole core), memory in bytes, threads and open files; None what is unknown."""
        pages, threads = _status()
        return ProcessFigures(self._cpu(), pages, threads, _open_files())

    def _cpu(self) -> float:
        now, used = _now()
        with self._lock:
            seen = self._seen
            while len(seen) > 1 and now - seen[1][0] >= self._span:
                seen.popleft()
            start, before = seen[0]
            if now - seen[-1][0] >= _CLOSEST:
                seen.append((now, used))
        return round(max(used - before, 0.0) / max(now - start, 1e-3), 2)


def resident_bytes() -> int | None:
    """Resident set size in bytes (proc(5), statm field 2), None where there is no /proc."""
    return _status()[0]


def share_memory() -> None:
    """Lets all threads take memory from the same few places; before there are any.

    glibc gives every thread a place of its own, up to eight a core, and pictures pass through many threads:
    what was freed in one is not there for the others. What a user says in
    MALLOC_ARENA_MAX holds. Elsewhere it does nothing.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def give_back_memory() -> None:
    """Gives memory that was freed back to the system.

    glibc keeps what lies between pieces that are in use: after a few reloads with other models twice as much
    as they need. Elsewhere it does nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _now() -> tuple[float, float]:
    times = os.times()
    return time.monotonic(), times.user + times.system


def _status() -> tuple[int | None, int | None]:
    """Resident bytes and threads (proc(5): stat, fields 24 and 20)."""
    try:
        # The second field is the name, in brackets, and may hold anything.
        fields = (_PROC / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), int(fields[17])
    except (OSError, ValueError, IndexError):
        return None, None


def _open_files() -> int | None:
    try:
        return len(os.listdir(_PROC / "fd")) - 1  # noqa: PTH208 (one is the listing itself; hundreds a scrape)
    except OSError:
        return None
