"""One line of progress on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

__all__ = ["ProgressLine"]

_INTERVAL = 0.2  # seconds between two drawings


class ProgressLine:
    """Redraws a line in place; where the stream is no terminal it writes nothing.

    Args:
        stream: where to; stderr by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._next = 0.0
        self._drawn = False

    def show(self, text: str) -> None:
        """Draws the text unless the last drawing is very recent."""
        if self._terminal and time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL
            self._stream.write(f"\r{text}\x1b[K")
            self._stream.flush()
            self._drawn = True

    def clear(self) -> None:
        """Takes the line away, so that other output can follow."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False
