"""Publishes messages to the broker, from its own thread; outages never hold up the caller."""

from __future__ import annotations

import logging
import random
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from daemon.config.mqtt import MqttConfig
from daemon.messages import Message
from daemon.topics import SWITCHES, Topics

__all__ = ["Publisher"]

_log = logging.getLogger(__name__)
_MAX_INFLIGHT = 20
_CONNECT_TIMEOUT = 10.0
_BACKOFF = (0.5, 30.0)
_LOG_INTERVAL = 60.0


class Publisher:
    """Sends QoS 1 messages at least once and in order, and the retained state on every connect.

    Args:
        settings: of the broker.
        on_command: called with camera, switch and ON as True for each valid command, in a network thread.
    """

    def __init__(
        self, settings: MqttConfig, on_command: Callable[[str, str, bool], None] | None = None
    ) -> None:
        self._settings, self._on_command = settings, on_command
        self._topics = Topics(settings.prefix)
        self._lock = threading.Lock()
        self._outbox: deque[Message] = deque()
        self._retained: dict[str, Message] = {}
        self._inflight: dict[int, Message] = {}  # only the sender's thread
        self._acknowledged: deque[int] = deque()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._connected, self._lost = threading.Event(), threading.Event()
        self._deadline = 0.0
        self._dropped = 0
        self._logged: tuple[str, float] = ("", float("-inf"))
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    @property
    def queued(self) -> int:
        """Messages that wait for the broker."""
        return len(self._outbox) + len(self._inflight)

    @property
    def dropped(self) -> int:
        """Messages given up because the queue was full."""
        return self._dropped

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection."""
        return self._connected.is_set()

    def start(self) -> None:
        """Connects in the background and stays connected."""
        if self._settings.enabled:
            self._thread.start()

    def publish(self, message: Message) -> None:
        """Hands a message over; returns at once."""
        if not self._settings.enabled:
            return
        with self._lock:
            if message.retain:
                self._retained[message.topic] = message
            if not self._connected.is_set() and (message.retain or message.qos == 0):
                return  # retained state is sent on connect; the rest of QoS 0 is stale by then
            self._outbox.append(message)
            self._trim()
        self._wake.set()

    def close(self, timeout: float = 5.0) -> None:
        """Delivers what waits and `offline`, for at most `timeout` seconds, and disconnects."""
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout + 2.0)
        if self.queued:
            _log.warning("mqtt_undelivered messages=%d", self.queued)

    def _trim(self) -> None:
        """Drops the oldest update, else the oldest of QoS 0 or retained; starts, ends and alerts stay."""
        if len(self._outbox) <= self._settings.queue:
            return
        for index, message in enumerate(self._outbox):
            if _expendable(message):
                del self._outbox[index]
                self._dropped += 1
                if self._dropped == 1 or self._dropped % 1000 == 0:
                    _log.warning("mqtt_queue_full dropped=%d", self._dropped)
                return

    def _run(self) -> None:
        wait = _BACKOFF[0]
        while True:
            client = self._client()
            try:
                if self._connect(client):
                    wait = _BACKOFF[0]
                    self._pump(client)
            except (OSError, ValueError) as error:
                self._complain(f"{type(error).__name__}: {error}")
            finally:
                self._disconnect(client)
            if self._closing.is_set():
                return
            self._closing.wait(wait * random.uniform(0.5, 1.0))
            wait = min(wait * 2, _BACKOFF[1])
            if self._closing.is_set() and not (self._outbox and time.monotonic() < self._deadline):
                return

    def _client(self) -> mqtt.Client:
        settings = self._settings
        version = mqtt.MQTTv5 if settings.protocol == "5" else mqtt.MQTTv311
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, settings.client_id, protocol=version, reconnect_on_failure=False
        )
        client.connect_timeout = 5.0
        client.max_inflight_messages_set(_MAX_INFLIGHT)
        if settings.username is not None:
            secret = settings.password
            client.username_pw_set(settings.username, secret.get_secret_value() if secret else None)
        client.will_set(self._topics.status(), "offline", qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish, client.on_message = self._on_publish, self._on_message
        return client

    def _connect(self, client: mqtt.Client) -> bool:
        settings, tls = self._settings, self._settings.tls
        if tls.enabled:
            context = ssl.create_default_context(cafile=str(tls.ca) if tls.ca else None)
            if tls.certificate and tls.key:
                context.load_cert_chain(str(tls.certificate), str(tls.key))
            if not tls.verify:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.tls_set_context(context)
        self._lost.clear()
        self._wake.clear()
        client.connect(settings.host, settings.port, keepalive=int(settings.keepalive))
        client.loop_start()
        until = time.monotonic() + _CONNECT_TIMEOUT
        while not self._connected.is_set() and not self._lost.is_set() and time.monotonic() < until:
            self._wake.wait(0.1)
            self._wake.clear()
        if not self._connected.is_set() and not self._lost.is_set():
            self._complain("the broker does not answer")
        return self._connected.is_set()

    def _pump(self, client: mqtt.Client) -> None:
        _log.info("mqtt_connected host=%s port=%d", self._settings.host, self._settings.port)
        self._logged = ("", float("-inf"))
        for switch in SWITCHES:
            client.subscribe(self._topics.switch_set("+", switch), qos=1)
        online = Message(self._topics.status(), "online", 1, True)
        with self._lock:
            # Retained messages that waited are part of the state, which goes first and is newer.
            waiting = [message for message in self._outbox if not message.retain]
            self._outbox = deque([online, *self._retained.values(), *waiting])
        goodbye = False
        while not self._lost.is_set():
            while self._acknowledged:
                self._inflight.pop(self._acknowledged.popleft(), None)
            while self._outbox and len(self._inflight) < _MAX_INFLIGHT and not self._lost.is_set():
                with self._lock:
                    message = self._outbox.popleft()
                self._send(client, message)
            if self._closing.is_set():
                if time.monotonic() >= self._deadline or (goodbye and not self._inflight):
                    return
                if not goodbye and not self._outbox and not self._inflight:
                    self._send(client, Message(self._topics.status(), "offline", 1, True))
                    goodbye = True
            self._wake.wait(0.05 if self._closing.is_set() else 1.0)
            self._wake.clear()
        if not self._closing.is_set():
            self._complain("connection lost")

    def _send(self, client: mqtt.Client, message: Message) -> None:
        try:
            payload = message.encode()
        except ValueError as error:  # a number that is not finite: a bug elsewhere, which must not end us
            _log.error("message_dropped topic=%s error=%s", message.topic, error)
            return
        info = client.publish(message.topic, payload, message.qos, message.retain)
        if message.qos:
            self._inflight[info.mid] = message
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lost.set()

    def _disconnect(self, client: mqtt.Client) -> None:
        """Ends the connection; what was not acknowledged goes back to the front, in its order."""
        self._connected.clear()
        client.disconnect()
        client.loop_stop()
        while self._acknowledged:
            self._inflight.pop(self._acknowledged.popleft(), None)
        with self._lock:
            again = [message for message in self._inflight.values() if not message.retain]
            self._outbox.extendleft(reversed(again))
            self._inflight.clear()

    def _complain(self, problem: str) -> None:
        text, at = self._logged
        now = time.monotonic()
        if problem != text or now - at >= _LOG_INTERVAL:
            self._logged = (problem, now)
            host, port = self._settings.host, self._settings.port
            _log.warning("mqtt_unavailable host=%s port=%d reason=%r; trying again", host, port, problem)

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._complain(f"refused: {reason}; check mqtt.username, mqtt.password and mqtt.client_id")
            self._lost.set()
        else:
            self._connected.set()
        self._wake.set()

    def _on_disconnect(self, *_: Any) -> None:
        self._connected.clear()
        self._lost.set()
        self._wake.set()

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            _log.warning("mqtt_refused reason=%s", reason)
        self._acknowledged.append(mid)
        self._wake.set()

    def _on_message(self, _client: Any, _data: Any, received: mqtt.MQTTMessage) -> None:
        target = self._topics.parse_switch(received.topic)
        if target is None or received.retain or received.payload not in (b"ON", b"OFF"):
            _log.warning("command_ignored topic=%s reason=not_a_live_ON_or_OFF", received.topic)
        elif self._on_command is not None:
            self._on_command(*target, received.payload == b"ON")


def _expendable(message: Message) -> bool:
    if message.retain or message.qos == 0:
        return True
    payload = message.payload
    return isinstance(payload, dict) and payload.get("type") in ("update", "updated")
