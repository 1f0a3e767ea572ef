"""Says in the log what goes wrong, without filling it."""

from __future__ import annotations

import logging
import threading
import time

__all__ = ["Complaints"]

_INTERVAL = 60.0  # seconds between two lines about the same


class Complaints:
    """Logs each kind of failure once a minute, with how many there were meanwhile.

    Args:
        log: where to.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._said: dict[tuple[str, str], float] = {}
        self._kept_back: dict[tuple[str, str], int] = {}

    def say(self, event: str, camera: str, error: BaseException | str) -> None:
        """Logs `event camera=... error=...`, unless that was said within the last minute."""
        key, now = (event, camera), time.monotonic()
        with self._lock:
            if now - self._said.get(key, float("-inf")) < _INTERVAL:
                self._kept_back[key] = self._kept_back.get(key, 0) + 1
                return
            self._said[key] = now
            more = self._kept_back.pop(key, 0)
        kind = "" if isinstance(error, str) else f"{type(error).__name__}: "
        self._log.warning("%s camera=%s error=%s%s unsaid=%d", event, camera, kind, error, more)
