"""One connection to the broker, from its start to its loss."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from daemon.config.mqtt import MqttConfig
from daemon.mqtt.tls import tls_context, tls_problem

__all__ = ["MAX_INFLIGHT", "Connection", "ConnectionProblem"]

MAX_INFLIGHT = 20
_CONNECT_TIMEOUT = 10.0
_SOCKET_TIMEOUT = 5.0
_HEADER = 16  # bytes of a packet besides topic and payload, at most
_MAX_UNSENT = 16384  # bytes that the system takes from us before the network has taken what was there
_MAX_INCOMING = 65536  # bytes of a packet that a broker may send us


class _FirstBytes(bytearray):
    """Keeps the beginning of what is added to it."""

    def __iadd__(self, more: Any) -> _FirstBytes:  # type: ignore[misc]
        self.extend(more[: max(0, _MAX_INCOMING - len(self))])
        return self


class _Client(mqtt.Client):
    """Takes in no more of a packet than `_MAX_INCOMING` bytes, whatever its length.

    Anybody who may write to a topic of a command could fill the memory: brokers hand on 256 MB, and MQTT
    3.1.1 has no words for a limit. A longer packet comes out short of its end, and is no command either way.
    """

    def _packet_read(self) -> MQTTErrorCode:
        with contextlib.suppress(AttributeError, KeyError, TypeError):  # of a paho that keeps it elsewhere
            if type(self._in_packet["packet"]) is bytearray:
                self._in_packet["packet"] = _FirstBytes()
        return super()._packet_read()


class ConnectionProblem(Exception):  # noqa: N818
    """There is no connection; says why, and what to look at."""


class Connection:
    """A connection with a last will. Lost once, it is of no more use.

    Args:
        settings: of the broker.
        will: topic and payload that the broker publishes, retained, where this process dies.
        on_message: called in the network's thread with topic, payload, and whether it was retained.
        wake: set whenever something happens.
    """

    def __init__(
        self,
        settings: MqttConfig,
        will: tuple[str, str],
        on_message: Callable[[str, bytes, bool], None],
        wake: threading.Event,
    ) -> None:
        self._settings, self._on_message, self._wake = settings, on_message, wake
        self._accepted, self._lost = threading.Event(), threading.Event()
        self._refusal: str | None = None
        self.max_inflight = MAX_INFLIGHT
        self._max_bytes: int | None = None  # of a packet; None where the broker sets no limit
        self.acknowledged: deque[tuple[int, Any]] = deque()  # packet ids and MQTT 5 reasons, as they come
        self._client = self._make_client(will)

    @property
    def is_lost(self) -> bool:
        """Whether it has ended."""
        return self._lost.is_set()

    def open(self) -> None:
        """Connects and waits until the broker has accepted.

        Raises:
            ConnectionProblem: it does not.
        """
        settings, client = self._settings, self._client
        try:
            if settings.tls.enabled:
                client.tls_set_context(tls_context(settings.tls))
            client.connect(settings.host, settings.port, **self._options())
        except OSError as error:
            problem = tls_problem(error, settings) if settings.tls.enabled else None
            raise ConnectionProblem(problem or f"{type(error).__name__}: {error}") from error
        except ValueError as error:
            raise ConnectionProblem(str(error)) from error
        client.loop_start()
        until = time.monotonic() + _CONNECT_TIMEOUT
        while not self._accepted.is_set() and not self.is_lost and time.monotonic() < until:
            self._wake.wait(0.1)
            self._wake.clear()
        if not self._accepted.is_set():
            raise ConnectionProblem(self._refusal or self._silence())

    def subscribe(self, topics: Iterable[str]) -> None:
        """Asks for what is published on exactly these topics."""
        if wanted := [(topic, 1) for topic in topics]:
            self._client.subscribe(wanted)

    def unsubscribe(self, topics: Iterable[str]) -> None:
        """Asks for these topics no more."""
        if gone := list(topics):
            self._client.unsubscribe(gone)

    def send(self, topic: str, payload: bytes, qos: int, retain: bool) -> int:
        """Publishes; returns the packet id that comes up in `acknowledged` for QoS 1.

        Raises:
            ValueError: no broker takes such a message, or this one does not.
        """
        if self._max_bytes is not None and len(payload) + len(topic.encode()) + _HEADER > self._max_bytes:
            raise ValueError(f"{len(payload)} bytes are more than the broker takes")
        info = self._client.publish(topic, payload, qos, retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lost.set()
        return info.mid

    def abandon(self) -> None:
        """Counts it as lost."""
        self._lost.set()
        self._wake.set()

    def close(self, *, politely: bool = True) -> None:
        """Ends it; unless `politely`, the broker publishes the last will."""
        if politely:
            self._client.disconnect()
        elif isinstance(connected := self._client.socket(), socket.socket):
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()
        # Else its sockets stay open until the collector of cycles finds the two of us.
        self._client.on_connect = self._client.on_disconnect = self._client.on_publish = None
        self._client.on_message = self._client.on_socket_open = None

    def _make_client(self, will: tuple[str, str]) -> mqtt.Client:
        settings = self._settings
        client = _Client(
            CallbackAPIVersion.VERSION2,
            settings.client_id,
            protocol=mqtt.MQTTv5 if settings.protocol == "5" else mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _SOCKET_TIMEOUT
        client.max_inflight_messages_set(MAX_INFLIGHT)
        if settings.username is not None:
            secret = settings.password
            client.username_pw_set(settings.username, secret.get_secret_value() if secret else None)
        client.will_set(*will, qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_publish, client.on_message = self._acknowledge, self._receive
        client.on_socket_open = self._tune
        return client

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"keepalive": max(1, int(self._settings.keepalive))}
        if self._settings.protocol == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = _MAX_INCOMING
            options["properties"] = properties
        return options

    def _silence(self) -> str:
        if not self.is_lost:
            return "the broker does not answer"
        if self._settings.tls.enabled:
            return (
                "the broker ended the connection; does it want a client certificate (mqtt.tls.certificate)?"
            )
        return "the broker ended the connection before accepting it; does it want TLS (mqtt.tls.enabled)?"

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._refusal = (
                f"refused: {reason}; check mqtt.username, mqtt.password, mqtt.client_id and mqtt.protocol"
            )
            self._lost.set()
        else:
            self.max_inflight = min(MAX_INFLIGHT, getattr(properties, "ReceiveMaximum", MAX_INFLIGHT))
            self._max_bytes = getattr(properties, "MaximumPacketSize", None)
            self._accepted.set()
        self._wake.set()

    def _disconnected(self, *_: Any) -> None:
        self._lost.set()
        self._wake.set()

    def _acknowledge(self, _client: Any, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        self.acknowledged.append((mid, reason))
        self._wake.set()

    def _receive(self, _client: Any, _data: Any, received: mqtt.MQTTMessage) -> None:
        try:
            topic = received.topic
        except UnicodeDecodeError:
            topic = "?"
        self._on_message(topic, bytes(received.payload), received.retain)

    def _tune(self, _client: Any, _data: Any, connected: Any) -> None:
        """On a slow link an alert would wait behind megabytes in the system's buffer.

        And on one that takes nothing, for the keep-alive to run out twice.
        """
        unanswered = int(1000 * max(5.0, self._settings.keepalive / 2))
        for name, value in (("TCP_NOTSENT_LOWAT", _MAX_UNSENT), ("TCP_USER_TIMEOUT", unanswered)):
            if isinstance(connected, socket.socket) and hasattr(socket, name):
                with contextlib.suppress(OSError):
                    connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
