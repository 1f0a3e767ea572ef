"""SIGTERM, SIGINT and SIGHUP, taken so that no handler can meet a lock that is held."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import select
import signal
import time
from types import FrameType

__all__ = ["LAST_SECONDS", "Signals", "end_within"]

LAST_SECONDS = 9.5
"""Seconds after SIGTERM in which the process ends, whatever hangs."""

_STOPPING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """What the process was asked for. A handler only notes it and writes a byte to a pipe.

    The second SIGTERM or SIGINT ends the process at once, whatever it is doing.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stop = self._reload = False
        self._asked_at: float | None = None  # monotonic seconds

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop

    @property
    def stopping_for(self) -> float:
        """Seconds since it was asked to stop; 0 where it was not."""
        return 0.0 if self._asked_at is None else time.monotonic() - self._asked_at

    def take_over(self) -> None:
        """Handles the signals from now on; for the main thread."""
        self.take_reload()
        for number in _STOPPING:
            signal.signal(number, self._on_stop)

    def take_reload(self) -> None:
        """Handles SIGHUP only, so that one that comes while the service starts does not end it."""
        signal.signal(signal.SIGHUP, self._on_reload)

    def stop(self) -> None:
        """As SIGTERM; from any thread."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
        self._stop = True
        self.wake()

    def reload(self) -> None:
        """As SIGHUP; from any thread."""
        self._reload = True
        self.wake()

    def reload_asked(self) -> bool:
        """Whether a reload was asked for since the last call; several in a row are one."""
        asked, self._reload = self._reload, False
        return asked

    def wake(self) -> None:
        """Ends a `wait`; from any thread."""
        with contextlib.suppress(BlockingIOError):  # it is full: whoever waits wakes anyhow
            os.write(self._write, b".")

    def wait(self, seconds: float) -> bool:
        """Waits until something is asked for, at most so long; returns whether to stop."""
        if not self._stop and select.select([self._read], [], [], max(0.0, seconds))[0]:
            os.read(self._read, 4096)
        return self._stop

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        if self._stop:
            os._exit(128 + number)
        end_within(LAST_SECONDS)  # even if the main loop, which would see to it, never turns again
        self.stop()

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self.reload()


def end_within(seconds: float) -> None:
    """Ends the process after so long with the stacks of all threads, whatever it does then."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # without standard error
        faulthandler.dump_traceback_later(seconds, exit=True)
