"""Writes events to standard error, one a line."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TextIO

from daemon.logs.events import Event, Mask, event_of
from daemon.logs.logfmt import quoted
from daemon.logs.outlet import Outlet
from daemon.logs.repeats import Repeated, Repeats

__all__ = ["EventHandler", "is_journal"]

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))  # of syslog(3); else 7, debug
_ALWAYS = frozenset({"daemon.health.journal"})  # alerts: never kept back
_RESERVED = frozenset({"time", "level", "logger", "event", "exception"})


def is_journal(stream: TextIO) -> bool:
    """Whether a stream goes to the journal (systemd.exec(5), $JOURNAL_STREAM): it notes the time itself."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class EventHandler(logging.Handler):
    """Writes each record as one line, and the same again and again as a number.

    Whoever reads the stream may stand still: then lines are lost, and their number is told later.

    Args:
        stream: where to.
        as_json: JSON objects instead of text.
        mask: hides credentials.
        repeats: lines of the same event, logger and camera in a minute.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        as_json: bool,
        mask: Mask,
        repeats: Repeats,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._stream, self._mask, self._repeats, self._clock = stream, mask, repeats, clock
        self._outlet, self._lost = Outlet(stream), 0
        self._in_journal = is_journal(stream)
        self._line = _as_json if as_json else self._as_text
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the record, or counts it. Nothing that goes wrong here reaches who logs."""
        try:
            event = event_of(record, self._mask)
            now = self._clock()
            self._tell(self._repeats.due(now))
            key = (record.name, event.name, str(event.fields.get("camera", "")))
            if event.name == "log":  # of others: the same is what has the same template
                key = (record.name, str(record.msg)[:200], "")
            if record.name in _ALWAYS or self._repeats.admit(key, record.levelno, now):
                self._write(record.created, record.levelno, record.name, event)
            else:
                self._tell_later(now)
        except Exception as error:
            self._broken(record, error)

    def flush(self) -> None:
        """Passes on what the stream still holds."""
        with self.lock or threading.RLock():
            try:
                self._stream.flush()
            except (OSError, ValueError):
                return

    def close(self) -> None:
        """Tells what was kept back."""
        with self.lock or threading.RLock():
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._tell(self._repeats.close(self._clock()))
        super().close()

    def _tell_later(self, now: float) -> None:
        """Even if nothing is logged any more, what was kept back has its line when the interval is over."""
        wait = self._repeats.wait(now) if self._timer is None else None
        if wait is not None:
            timer = threading.Timer(wait, self._on_time)
            timer.daemon, timer.name = True, "log"
            try:
                timer.start()
            except (
                RuntimeError
            ):  # no thread to be had, or the interpreter ends: the next line, or close, tells
                return
            self._timer = timer

    def _on_time(self) -> None:
        with self.lock or threading.RLock():
            if self._timer is None:
                return  # closed meanwhile
            self._timer = None
            now = self._clock()
            self._tell(self._repeats.due(now))
            self._tell_later(now)

    def _tell(self, repeated: list[Repeated]) -> None:
        for one in repeated:
            logger, event, camera = one.key
            fields: dict[str, Any] = {
                "of": event,
                "camera": camera,
                "times": one.times,
                "seconds": one.seconds,
            }
            if not camera:
                del fields["camera"]
            self._write(time.time(), one.level, logger, Event("repeated", fields, None))

    def _write(self, created: float, level: int, logger: str, event: Event) -> None:
        if self._lost:
            told = Event("log_lines_lost", {"count": self._lost}, None)
            if self._passes(time.time(), logging.WARNING, __name__, told):
                self._lost = 0
        if not self._passes(created, level, logger, event):
            self._lost += 1

    def _passes(self, created: float, level: int, logger: str, event: Event) -> bool:
        line = self._line(created, logging.getLevelName(level), logger, event)
        if self._in_journal:
            priority = next((number for least, number in _PRIORITIES if level >= least), 7)
            line = f"<{priority}>{line}"
        return self._outlet.write(line)

    def _as_text(self, created: float, level: str, logger: str, event: Event) -> str:
        time_of = "" if self._in_journal else _time(created) + " "
        parts = [f"{time_of}{level} {logger} {event.name}"]
        parts += [f"{key}={quoted(str(value))}" for key, value in event.fields.items()]
        if event.exception is not None:
            parts.append(f"exception={quoted(event.exception)}")
        return " ".join(parts)

    def _broken(self, record: logging.LogRecord, error: Exception) -> None:
        """A record that cannot be written; `logging` itself would print its arguments, unmasked."""
        fields = {"template": str(record.msg)[:200], "error": type(error).__name__}
        self._write(record.created, logging.ERROR, record.name, Event("log_failed", fields, None))


def _as_json(created: float, level: str, logger: str, event: Event) -> str:
    row: dict[str, Any] = {"time": round(created, 3), "level": level.lower(), "logger": logger}
    row["event"] = event.name
    for key, value in event.fields.items():
        row[f"{key}_" if key in _RESERVED else key] = value
    if event.exception is not None:
        row["exception"] = event.exception
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False)
    except ValueError:  # JSON knows no infinity
        return json.dumps(row | {key: str(value) for key, value in row.items() if isinstance(value, float)})


def _time(created: float) -> str:
    """Local time with its distance from UTC, so that lines can be put beside those of others."""
    return datetime.fromtimestamp(created).astimezone().isoformat(timespec="milliseconds")
