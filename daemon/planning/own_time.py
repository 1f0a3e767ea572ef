"""Time of a thread as it would be on a machine that does nothing else."""

from __future__ import annotations

import threading
import time
from pathlib import Path

__all__ = ["blocked_of", "own_seconds"]


def own_seconds() -> float:
    """Seconds of this thread without those in which it was ready and other programs had its core.

    Where Linux does not tell them (/proc/PID/task/TID/schedstat, second field), wall time. Only differences
    mean anything.
    """
    now = time.perf_counter()
    try:
        text = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text(encoding="ascii")
        return now - int(text.split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return now


def blocked_of(own: float, processor: float) -> float:
    """Of own seconds, those in which it waited for somebody: Python's lock, a device."""
    return max(0.0, own - processor)
