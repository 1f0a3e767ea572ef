"""What comes in over MQTT: on exact topics, from anybody who may write there."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

__all__ = ["CommandError", "Commands", "Handler", "read_choice", "read_switch"]

_log = logging.getLogger(__name__)
_MAX_BYTES = 256  # of a command
_MAX_WAITING = 64
_LOG_INTERVAL = 10.0  # seconds between two lines about commands that are ignored

Handler: TypeAlias = Callable[[bytes], None]
"""Carries out a command; raises `CommandError` for what is none."""


class CommandError(ValueError):
    """Not a command; says why in a few words, without the payload."""


def read_switch(payload: bytes) -> bool:
    """True for ON, False for OFF.

    Raises:
        CommandError: anything else.
    """
    if payload not in (b"ON", b"OFF"):
        raise CommandError("not ON or OFF")
    return payload == b"ON"


def read_choice(payload: bytes, known: Collection[str]) -> str:
    """One of the known names.

    Raises:
        CommandError: anything else.
    """
    for name in known:
        if payload == name.encode():
            return name
    raise CommandError("not one of the names in the configuration")


class Commands:
    """Hands payloads to the handlers of their topics, in a thread of its own and in order.

    A slow handler or a flood of commands holds up nothing else: what comes while too many wait is ignored.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._waiting: queue.Queue[tuple[str, bytes]] = queue.Queue(_MAX_WAITING)
        self._lock = threading.Lock()
        self._ignored = self._logged = 0
        self._log_due = float("-inf")
        self._thread: threading.Thread | None = None

    @property
    def topics(self) -> frozenset[str]:
        """Where commands come in."""
        return frozenset(self._handlers)

    @property
    def ignored(self) -> int:
        """What came in and was no command."""
        return self._ignored

    def on(self, topic: str, handler: Handler) -> None:
        """Sets what carries out the commands of a topic."""
        self._handlers = {**self._handlers, topic: handler}

    def replace(self, handlers: Mapping[str, Handler]) -> None:
        """Sets what carries out the commands of each topic; what came in for others is ignored."""
        self._handlers = dict(handlers)

    def start(self) -> None:
        """Begins to carry out what comes in, or goes on where its thread died."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="commands", daemon=True)
            self._thread.start()

    def take(self, topic: str, payload: bytes, retained: bool) -> None:
        """Takes what came in; returns at once and never raises."""
        if topic not in self._handlers:
            self.ignore(topic, "unknown topic")
        elif retained:
            self.ignore(topic, "retained: publish commands without the retain flag")
        elif len(payload) > _MAX_BYTES:
            self.ignore(topic, f"{len(payload)} bytes")
        else:
            try:
                self._waiting.put_nowait((topic, payload))
            except queue.Full:
                self.ignore(topic, "too many at once")

    def ignore(self, topic: str, reason: str) -> None:
        """Counts what is no command; says so now and then."""
        with self._lock:
            self._ignored += 1
            if time.monotonic() < self._log_due:
                return
            self._log_due = time.monotonic() + _LOG_INTERVAL
            count, self._logged = self._ignored - self._logged, self._ignored
        _log.warning("command_ignored topic=%.200r reason=%r count=%d", topic, reason, count)

    def _run(self) -> None:
        while True:
            topic, payload = self._waiting.get()
            handler = self._handlers.get(topic)
            if handler is None:
                continue  # gone with its camera meanwhile
            try:
                handler(payload)
            except CommandError as error:
                self.ignore(topic, str(error))
            except Exception:
                _log.exception("command_failed topic=%r", topic)
