"""Publishes messages to the broker, from its own thread; outages never hold up the caller."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

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
        self._topics = Topics(settings.prefix)
        self._outbox = Outbox(store)
        self._commands = Commands()
        self._wake, self._closing, self._connected = threading.Event(), threading.Event(), threading.Event()
        self._deadline = 0.0
        self._short = 0  # connections in a row that did not last
        self._logged: dict[str, float] = {}  # problems, and when each was last said
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

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

    def start(self) -> None:
        """Connects in the background and stays connected."""
        if self._settings.enabled:
            self._commands.start()
            self._thread.start()

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

    def retire(self, is_current: Callable[[str], bool]) -> None:
        """Clears retained topics that were published by former processes and are not in use any more."""
        if self._settings.enabled:
            own = self._topics.status()
            self._outbox.retire(lambda topic: topic == own or is_current(topic))
            self._wake.set()

    def resend(self, is_wanted: Callable[[str], bool] = lambda _: True) -> None:
        """Sends the retained state of the wanted topics once more."""
        self._outbox.resend(is_wanted)
        self._wake.set()

    def close(self, timeout: float = 5.0) -> None:
        """Delivers what waits and `offline`, for at most `timeout` seconds, and disconnects."""
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout + 2.0)
        if self.queued:
            _log.warning("mqtt_undelivered messages=%d sent_after=restart", self.queued)

    def _run(self) -> None:
        wait = self._backoff[0]
        while True:
            will = (self._topics.status(), "offline")
            connection = Connection(self._settings, will, self._commands.take, self._wake)
            said_goodbye = False
            try:
                connection.open()
                wait = self._backoff[0]
                said_goodbye = self._pump(connection)
            except ConnectionProblem as problem:
                self._complain(str(problem))
            except Exception:
                _log.exception("mqtt_failed")
            finally:
                self._connected.clear()
                connection.close(politely=said_goodbye)
                self._outbox.disconnected(connection)
            if self._closing.wait(wait * random.uniform(0.5, 1.0)):
                return
            wait = min(wait * 2, self._backoff[1])

    def _pump(self, connection: Connection) -> bool:
        """Sends until the connection is lost, or closed; returns whether `offline` was delivered."""
        _log.info("mqtt_connected host=%s port=%d", self._settings.host, self._settings.port)
        connection.subscribe(self._commands.topics)
        self._outbox.connected(Message(self._topics.status(), "online", 1, True))
        self._connected.set()
        goodbye, began = False, time.monotonic()
        while not connection.is_lost:
            self._outbox.settle(connection)
            closing, left = self._closing.is_set(), self._deadline - time.monotonic()
            if goodbye and self._outbox.is_idle:
                return True
            if closing and left <= 0:
                return False
            if closing and not goodbye and (self._outbox.is_empty or left <= _GOODBYE):
                goodbye = True
                self._outbox.end_with(Message(self._topics.status(), "offline", 1, True))
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
