"""A consumer of the daemon's messages, as a user would write one: it stays subscribed, and counts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from daemon.messages import Message

__all__ = ["Consumer", "Key", "key_of", "keys_of"]

Key: TypeAlias = tuple[str, str, int | str]
"""Topic, id, and number or type: the same for the same message, however often it comes."""


def key_of(topic: str, payload: bytes) -> Key | None:
    """What a consumer tells duplicates by; None for state and images."""
    if topic.rsplit("/", 1)[-1] not in ("alerts", "actions", "events"):
        return None
    body = json.loads(payload)
    named = body.get("after") or body
    return topic, named["id"], body.get("seq", body["type"])


class Consumer:
    """Subscribes with QoS 1 in a session that the broker keeps, and comes back when the connection is lost.

    Args:
        port: of the broker.
        name: its client id.
        pause: seconds that it takes for each message.
        login: user and password.
        host: of the broker.
    """

    def __init__(
        self,
        port: int,
        name: str = "consumer",
        *,
        pause: float = 0.0,
        login: tuple[str, str] | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.keys: list[Key] = []
        self._seen: set[Key] = set()
        self.state: dict[str, bytes] = {}  # by topic, retained or not
        self.last_at = 0.0  # monotonic, of the last message with a key
        self._pause = pause
        self._never = threading.Event()
        self.subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, name, clean_session=False)
        self._client.on_connect = lambda client, *_: client.subscribe("posewatch/#", qos=1)
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_disconnect = lambda *_: self.subscribed.clear()
        self._client.on_message = self._take
        self._client.reconnect_delay_set(0.05, 0.1)  # type: ignore[arg-type]
        if login is not None:
            self._client.username_pw_set(*login)
        self._client.connect(host, port)
        self._client.loop_start()
        assert self.subscribed.wait(10)

    @property
    def duplicates(self) -> int:
        """Messages that came again."""
        return len(self.keys) - len(set(self.keys))

    def has(self, wanted: list[Key]) -> Callable[[], bool]:
        """Whether all of these came."""
        missing = set(wanted)
        return lambda: missing <= self._seen

    def _take(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        if self._pause:
            self._never.wait(self._pause)
        self.state[message.topic] = message.payload
        key = key_of(message.topic, message.payload)
        if key is not None:
            self.keys.append(key)
            self._seen.add(key)
            self.last_at = time.monotonic()

    def __enter__(self) -> Consumer:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def keys_of(messages: list[Message]) -> list[Key]:
    """The keys of messages as they are sent."""
    return [key for one in messages if (key := key_of(one.topic, one.encode())) is not None]
