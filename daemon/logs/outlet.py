"""Where lines go: a stream that takes nothing any more loses lines, and holds up nobody."""

from __future__ import annotations

import os
import select
import stat
import time
from typing import TextIO

__all__ = ["Outlet"]

_PATIENCE = 0.2  # seconds for a reader that is a little behind
_AGAIN = 60.0  # seconds after a reader stood still until one is waited for again
_PIECE = select.PIPE_BUF  # bytes that a pipe takes at once where it says that it takes any (pipe(7))


class Outlet:
    """Writes lines to a stream.

    Standard error of a service is a pipe or a socket. When its reader stands still (a journal that hangs, a
    full disk behind it) a plain write waits for ever, and with it whoever logs: every camera in the end.

    Args:
        stream: such as standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._descriptor = _descriptor_of(stream)
        self._hurry_until = float("-inf")  # monotonic seconds until which nobody waits for the reader
        self._cut_off = False  # whether only a part of the last line got through

    def write(self, line: str) -> bool:
        """Writes a line; False where the reader does not take it."""
        try:
            if self._descriptor is None:
                self._stream.write(line + "\n")
                self._stream.flush()
                return True
            text = f"\n{line}\n" if self._cut_off else f"{line}\n"
            return self._pass_on(self._descriptor, text.encode("utf-8", "backslashreplace"))
        except (OSError, ValueError):  # nobody takes it: the service goes on
            return False

    def _pass_on(self, descriptor: int, data: bytes) -> bool:
        until = time.monotonic() + _PATIENCE
        if time.monotonic() < self._hurry_until:
            until = float("-inf")
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        written = 0
        while written < len(data):
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000.0):
                self._hurry_until = time.monotonic() + _AGAIN
                self._cut_off = self._cut_off or written > 0
                return False
            written += os.write(descriptor, data[written : written + _PIECE])
        self._cut_off = False
        return True


def _descriptor_of(stream: TextIO) -> int | None:
    """Of a pipe or a socket; None of what never stands still, or cannot be asked."""
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        return None
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
