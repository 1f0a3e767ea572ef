"""Publishes messages to the broker, from its own thread; outages never hold up the caller."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from daemon.config.mqtt import MqttConfig
from daemon.messages import Message
from daemon.mqtt.commands import Commands, Handler
from daemon.mqtt.connection import Connection, ConnectionProblem
from daemon.mqtt.outbox import Outbox
from daemon.storage import Store
from daemon.topics import Topics

__all__ = ["Publisher"]

_log = logging.getLogger(__name__)
_BACKOFF = (0.5, 30.0)
_LOG_INTERVAL = 60.0  # seconds between two lines about the same problem
_MAX_PROBLEMS = 20
_SHORT = 5.0  # seconds that a connection lasts at least, unless somebody ends it
_MANY = 3  # short ones in a row
_GOODBYE = 1.0  # seconds that are kept of a close for `offline`
_SLACK = 1.0  # seconds after which a connection that does not end is left behind


class Publisher:
    """Sends QoS 1 messages at least once and in order, and the retained state on every connect.

    On a connect come `online`, the retained state, then what waited, oldest first.

    Args:
        settings: of the broker.
        store: keeps what waits; it is the caller's to close.
        backoff: shortest and longest seconds between two attempts to connect.
    """

    def __init__(
        self, settings: MqttConfig, store: Store, *, backoff: tuple[float, float] = _BACKOFF
    ) -> None:
        self._settings, self._store, self._backoff = settings, store, backoff
        self._outbox = Outbox(store)
        self._commands = Commands()
        self._wake, self._closing, self._connected = threading.Event(), threading.Event(), threading.Event()
        self._changed = threading.Event()  # other settings, or closing
        self._beat, self._opening = time.monotonic(), False
        self._deadline = 0.0
        self._short = 0  # connections in a row that did not last
        self._logged: dict[str, float] = {}  # problems, and when each was last said
        self._thread: threading.Thread | None = None

    @property
    def queued(self) -> int:
        """Messages that wait for the broker."""
        return self._store.queued

    @property
    def dropped(self) -> int:
        """Messages given up: too many waited, or the broker refuses them for good."""
        return self._store.dropped + self._outbox.refused

    @property
    def commands_ignored(self) -> int:
        """What came in and was no command."""
        return self._commands.ignored

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection."""
        return self._connected.is_set()

    @property
    def enabled(self) -> bool:
        """Whether anything is published at all."""
        return self._settings.enabled

    def silence(self) -> float:
        """Seconds for which the thread has shown no sign of life, apart from waiting for a broker."""
        alive = self._thread is not None and self._thread.is_alive()
        return time.monotonic() - self._beat if alive and not self._opening else 0.0

    @property
    def thread(self) -> int | None:
        """Identifier of the thread, for its stack."""
        return None if self._thread is None else self._thread.ident

    def start(self) -> None:
        """Connects in the background and stays connected; starts anew what has died."""
        if self._settings.enabled and not self._closing.is_set():
            self._commands.start()
            if self._thread is None or not self._thread.is_alive():
                self._beat, self._opening = time.monotonic(), False
                self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
                self._thread.start()

    def reconfigure(self, settings: MqttConfig) -> None:
        """Says goodbye where it is connected, and goes on with other settings; what waits goes there."""
        if settings != self._settings:
            self._settings = settings
            self._changed.set()
            self._wake.set()
            self.start()

    def publish(self, messages: Sequence[Message]) -> None:
        """Hands messages over, in their order; they are safe when this returns.

        QoS 1 waits on disk for the broker. Retained state replaces that of its topic and is sent on every
        connect; it follows what was published with it, but a picture comes right before its alert. The rest
        is sent if the broker is there.
        """
        begin = 0
        for index, message in enumerate(messages):
            if message.retain and message.expendable:
                self._hand_over(messages[begin:index])
                self._hand_over([message])
                begin = index + 1
        self._hand_over(messages[begin:])
        if self._settings.enabled:
            self._wake.set()

    def _hand_over(self, messages: Sequence[Message]) -> None:
        enabled = self._settings.enabled
        self._store.append(
            [message for message in messages if message.qos and not message.retain], deliver=enabled
        )
        if enabled:
            self._outbox.put([message for message in messages if message.retain or not message.qos])

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Hands what is published on exactly this topic to `handler`, in a thread for all commands.

        To be called before `start`. Retained messages are ignored. `handler` gets the payload and raises
        `CommandError` for what is no command.

        Raises:
            ValueError: the topic has wildcards.
        """
        if set("+#") & set(topic):
            raise ValueError(f"{topic}: wildcards are not for commands")
        self._commands.on(topic, handler)

    def listen(self, handlers: Mapping[str, Handler]) -> None:
        """Like `subscribe`, for all topics at once, in place of those before; at any time."""
        self._commands.replace(handlers)
        self._wake.set()

    def retire(self, is_current: Callable[[str], bool], *, own: bool = False) -> None:
        """Clears retained topics that are not in use any more.

        Args:
            is_current: whether a topic is in use.
            own: also those that this process has published; else those of former processes only.
        """
        if self._settings.enabled:
            status = Topics(self._settings.prefix).status()
            self._outbox.retire(lambda topic: topic == status or is_current(topic), own=own)
            self._wake.set()

    def resend(self, is_wanted: Callable[[str], bool] = lambda _: True) -> None:
        """Sends the retained state of the wanted topics once more."""
        self._outbox.resend(is_wanted)
        self._wake.set()

    def close(self, timeout: float = 5.0) -> None:
        """Delivers what waits and `offline`, for at most `timeout` seconds, and disconnects."""
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        self._changed.set()
        self._wake.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout + _SLACK)
        if self.queued:
            _log.warning("mqtt_undelivered messages=%d sent_after=restart", self.queued)

    def _run(self) -> None:
        wait = self._backoff[0]
        while (settings := self._settings).enabled:
            self._changed.clear()
            if self._closing.is_set():
                return
            will = (Topics(settings.prefix).status(), "offline")
            connection = Connection(settings, will, self._commands.take, self._wake)
            said_goodbye = False
            try:
                self._opening = True
                connection.open()
                self._beat, self._opening = time.monotonic(), False
                wait = self._backoff[0]
                said_goodbye = self._pump(connection, settings)
            except ConnectionProblem as problem:
                self._complain(str(problem))
            except Exception:
                _log.exception("mqtt_failed")
            finally:
                self._opening = True  # closing may wait for the network
                self._connected.clear()
                connection.close(politely=said_goodbye)
                self._outbox.disconnected(connection)
            self._changed.wait(wait * random.uniform(0.5, 1.0))
            if self._closing.is_set():
                return
            wait = min(wait * 2, self._backoff[1]) if settings is self._settings else self._backoff[0]

    def _pump(self, connection: Connection, settings: MqttConfig) -> bool:
        """Sends until the connection is lost, or closed; returns whether `offline` was delivered."""
        _log.info("mqtt_connected host=%s port=%d", settings.host, settings.port)
        status, subscribed = Topics(settings.prefix).status(), self._commands.topics
        connection.subscribe(subscribed)
        self._outbox.connected(Message(status, "online", 1, True))
        self._connected.set()
        leaving: float | None = None  # monotonic seconds until which a connection that is given up may last
        goodbye, began = False, time.monotonic()
        while not connection.is_lost:
            self._beat = time.monotonic()
            self._outbox.settle(connection)
            if leaving is None and settings is not self._settings:
                leaving = self._beat + _GOODBYE
            closing, left = self._closing.is_set(), self._deadline - time.monotonic()
            if leaving is not None:
                closing, left = True, min(leaving - self._beat, left if closing else _GOODBYE)
            elif (wanted := self._commands.topics) != subscribed:
                connection.subscribe(wanted - subscribed)
                connection.unsubscribe(subscribed - wanted)
                subscribed = wanted
            if goodbye and self._outbox.is_idle:
                return True
            if closing and left <= 0:
                return False
            if closing and not goodbye and (self._outbox.is_empty or left <= _GOODBYE):
                goodbye = True
                self._outbox.end_with(Message(status, "offline", 1, True))
            self._outbox.send(connection)
            self._wake.wait(0.05 if closing else 1.0)
            self._wake.clear()
        self._short = self._short + 1 if time.monotonic() - began < _SHORT else 0
        if self._short >= _MANY:  # brokers end the older one of two with the same id
            name = self._settings.client_id
            self._complain(
                f"connections are lost at once: has another client the mqtt.client_id {name!r} as well, "
                "or does the broker limit the size of messages?"
            )
        else:
            self._complain("connection lost")
        return False

    def _complain(self, problem: str) -> None:
        now = time.monotonic()
        if now - self._logged.get(problem, float("-inf")) >= _LOG_INTERVAL:
            if len(self._logged) >= _MAX_PROBLEMS:
                self._logged.clear()
            self._logged[problem] = now
            host, port = self._settings.host, self._settings.port
            _log.warning("mqtt_unavailable host=%s port=%d reason=%r", host, port, problem)
