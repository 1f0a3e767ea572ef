"""The preview on a terminal: a skeleton and a line of text, drawn in place; elsewhere lines of progress."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import sys
import time
from collections.abc import Mapping
from typing import TextIO

from daemon.recording.braille import Canvas, draw_pose
from daemon.recording.session import Phase
from daemon.recording.view import Preview, TypedNumber, View, people_in

__all__ = ["LineProgress", "TerminalPreview", "has_colors", "make_terminal_preview"]

_INTERVAL = 0.1  # seconds between two drawings
_LINES_EVERY = 5.0  # seconds recorded between two lines of progress
_LARGEST = (100, 32)  # columns and lines of the picture
_SMALLEST = (20, 8)


def make_terminal_preview(stream: TextIO, environment: Mapping[str, str] = os.environ) -> Preview:
    """The preview that suits a stream: skeletons where it is a terminal that can, else lines."""
    try:
        "\u28ff".encode(stream.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return LineProgress(stream)
    if not stream.isatty() or environment.get("TERM", "") in ("", "dumb"):
        return LineProgress(stream)
    return TerminalPreview(stream, color=has_colors(environment))


def has_colors(environment: Mapping[str, str]) -> bool:
    """Whether a terminal has colours and is to use them (no-color.org)."""
    term = environment.get("TERM", "")
    return not environment.get("NO_COLOR") and not term.endswith("-m") and term not in ("vt100", "vt220")


class LineProgress:
    """A line when something begins and one every few seconds; nobody can press a key."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: tuple[int, Phase] | None = None
        self._next = 0.0

    def show(self, view: View) -> None:
        """Writes a line where there is something new to say."""
        now = (view.take, view.phase)
        if now != self._last:
            self._last, self._next = now, _LINES_EVERY
        elif view.phase is not Phase.RECORDING or view.recorded < self._next:
            return
        else:
            self._next = view.recorded + _LINES_EVERY
        if view.phase is not Phase.DONE:
            print(view.status(), file=self._stream, flush=True)

    def wants_to_end(self) -> bool:
        """Never."""
        return False

    def wanted_track(self) -> int | None:
        """Nobody."""
        return None

    def release(self) -> None:
        """Lines are never drawn over."""

    def close(self) -> None:
        """Nothing is open."""


class TerminalPreview:
    """Skeletons of everybody, the chosen one in colour, each with the number of its track.

    Args:
        stream: a terminal.
        color: whether to use colours.
        keys: whether q on the keyboard ends the recording; by default where standard input is a terminal.
    """

    def __init__(self, stream: TextIO, *, color: bool, keys: bool | None = None) -> None:
        self._stream, self._color = stream, color
        self._height, self._next, self._end = 0, 0.0, False
        self._typed = TypedNumber()
        self._keyboard = _Keyboard() if keys is None or keys else None
        self._write("\x1b[?25l")  # no cursor

    def show(self, view: View) -> None:
        """Draws over the last drawing."""
        now = time.monotonic()
        if now < self._next and view.phase is not Phase.DONE:
            return
        self._next = now + _INTERVAL
        size = shutil.get_terminal_size((80, 24))
        columns = max(min(size.columns - 1, _LARGEST[0]), _SMALLEST[0])
        rows = max(min(size.lines - 2, _LARGEST[1]), _SMALLEST[1])
        canvas = Canvas(columns, rows, view.scene.width, view.scene.height)
        # The one who is recorded last, so that nobody is drawn over them.
        people = sorted(people_in(view.scene), key=lambda one: one.track.number == view.track)
        for person in people:
            if person.pose is not None:
                chosen = view.track is None or person.track.number == view.track
                draw_pose(canvas, person.pose.landmarks, chosen=chosen)
        for person in people:
            canvas.text(person.track.box[:2], f"[{person.track.number}]")
        keys = view.keys()
        if keys and (self._keyboard is None or not self._keyboard.works):
            keys = "Ctrl-C ends"
        status = (view.status() + (f" ({keys})" if keys else ""))[: size.columns - 1]
        self._draw([*canvas.lines(color=self._color), status])

    def wants_to_end(self) -> bool:
        """Whether q was pressed."""
        if self._keyboard is not None:
            keys = self._keyboard.pressed()
            self._typed.type(keys)
            self._end = self._end or "q" in keys.lower()
        return self._end

    def wanted_track(self) -> int | None:
        """The number that was typed last."""
        return self._typed.number

    def release(self) -> None:
        """The next drawing begins where the cursor is."""
        self._height = 0

    def close(self) -> None:
        """Leaves the last drawing where it is and gives the terminal back."""
        if self._keyboard is not None:
            self._keyboard.close()
        self._write("\x1b[?25h")

    def _draw(self, lines: list[str]) -> None:
        up = f"\x1b[{self._height}A" if self._height else ""
        self._write("\r" + up + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        self._height = len(lines)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal was closed
            self._stream.write(text)
            self._stream.flush()


class _Keyboard:
    """Single keys from standard input, without waiting for the end of a line."""

    def __init__(self) -> None:
        self.works = False
        try:
            import termios
            import tty

            self._file = sys.stdin.fileno()
            # In the background of a shell, changing the terminal would stop the process.
            if os.tcgetpgrp(self._file) != os.getpgrp():
                return
            self._termios = termios
            self._before = termios.tcgetattr(self._file)
            tty.setcbreak(self._file)
            self.works = True
        except (ImportError, OSError, ValueError, AttributeError):  # termios.error is an OSError's cousin
            return
        except Exception as error:
            if type(error).__name__ != "error":
                raise

    def pressed(self) -> str:
        """What was typed since the last call."""
        text = b""
        while self.works and select.select([self._file], [], [], 0)[0]:
            some = os.read(self._file, 64)
            if not some:
                break
            text += some
        return text.decode("utf-8", "replace")

    def close(self) -> None:
        """Puts the terminal back as it was."""
        if self.works:
            self._termios.tcsetattr(self._file, self._termios.TCSADRAIN, self._before)
            self.works = False
