"""Whether the service makes progress: what the watchdog of systemd is told, and what is done without one."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Sequence

from daemon import notify
from daemon.scheduler import Stuck
from daemon.signals import end_within

__all__ = ["STUCK_AFTER", "Watchdog"]

_log = logging.getLogger(__name__)

STUCK_AFTER = 20.0
"""Seconds for one frame, after which its worker hangs; less than half of WatchdogSec of the unit."""

GIVE_UP_AFTER = 60.0
"""Seconds for which something hangs before the process ends by itself: as WatchdogSec of the unit."""

_PAUSE = 3.0  # seconds that no busy machine makes a sleep longer
_LOOKS = 20  # of the guard, in the time after which it gives up
_MOST_PINGS = 2.0  # seconds between two pings at the most, whatever systemd asks for


class Watchdog:
    """Pings systemd while everything makes progress, and says what does not.

    Without systemd nobody would end a process that hangs, so `gives_up` tells when to do that.

    Args:
        give_up_after: seconds of hanging.
    """

    def __init__(self, give_up_after: float = GIVE_UP_AFTER) -> None:
        interval = notify.watchdog_interval()
        self.is_watched = interval is not None
        self._every = min(interval / 3.0, _MOST_PINGS) if interval else _MOST_PINGS
        self._give_up_after = give_up_after
        self._due = float("-inf")
        self._hung_at: float | None = None
        self._checked_at: float | None = None
        self._released = threading.Event()
        self.stood_still_until = float("-inf")
        self.hung: tuple[str, ...] = ()
        self.hangs = 0

    def guard(self, seconds: float = GIVE_UP_AFTER) -> None:
        """Ends the process where the main loop itself hangs for so long, unless systemd does that."""
        if not self.is_watched:
            threading.Thread(target=self._guard, args=(seconds,), name="guard", daemon=True).start()

    def release(self) -> None:
        """Guards no more."""
        self._released.set()

    def _guard(self, seconds: float) -> None:
        seen, looks = self._checked_at, 0
        # Counted, not timed: a process that stood still for an hour has not hung.
        while not self._released.wait(seconds / _LOOKS):
            looks = looks + 1 if self._checked_at == seen else 0
            seen = self._checked_at
            if looks > _LOOKS:
                end_within(1.0)  # before the log, in which it may hang
                _log.error("giving_up reason=%r", "main-loop: no progress")
                return

    def overslept(self, seconds: float) -> None:
        """Takes how much longer than asked for the main loop slept: as long as the process stood still."""
        if seconds > _PAUSE:
            self.stood_still_until = time.monotonic()

    def check(self, stuck: Sequence[Stuck]) -> None:
        """Takes what hangs; pings where nothing does."""
        now = self._checked_at = time.monotonic()
        names = tuple(one.name for one in stuck)
        for one in stuck:
            if one.name not in self.hung:
                self.hangs += 1
                _log.error(
                    "hangs what=%s camera=%s seconds=%.0f stack=%s",
                    *(one.name, one.camera, one.seconds, _stack(one)),
                )
        if self.hung and not names:
            _log.warning("goes_on what=%s", ",".join(self.hung))
        if names and not self.hung:
            self._hung_at = now
        self.hung = names
        if not names:
            self._hung_at = None
            if now >= self._due:
                self._due = now + self._every
                if self.is_watched:
                    notify.watchdog()

    def hung_now(self, limit: float = STUCK_AFTER) -> tuple[str, ...]:
        """What hangs, from any thread: the main loop as well, where it did not check for `limit` seconds."""
        away = self._checked_at is not None and time.monotonic() - self._checked_at > limit
        return (*self.hung, "main-loop") if away else self.hung

    @property
    def gives_up(self) -> bool:
        """Whether something hangs for so long that the process should end: systemd does that by itself."""
        if self._hung_at is None or self.is_watched:
            return False
        return time.monotonic() - self._hung_at > self._give_up_after


def _stack(one: Stuck) -> str:
    """Where the thread is, in lines of source: no values, so nothing that is secret."""
    frame = sys._current_frames().get(one.thread) if one.thread is not None else None
    if frame is None:
        return ""
    calls = [f"{call.filename}:{call.lineno}:{call.name}" for call in traceback.extract_stack(frame)]
    return " > ".join(calls)
