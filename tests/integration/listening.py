"""Somebody who subscribes to everything that the daemon publishes, and checks it against the schemas."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from payloads import PayloadChecker
from servers import wait_for

__all__ = ["Listener", "Received"]

_OF_OTHERS = ("/set", "homeassistant/status")  # what tests and Home Assistant say


@dataclass(frozen=True)
class Received:
    """One message as it came."""

    topic: str
    body: Any
    retained: bool


class Listener:
    """Everything below posewatch/ and homeassistant/, in the order in which it came.

    At the end of the block the test fails if a payload did not follow its schema.
    """

    def __init__(self, port: int) -> None:
        self.received: list[Received] = []
        self.checker = PayloadChecker()
        subscribed = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = self._take
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe([("posewatch/#", 1), ("homeassistant/#", 1), ("test/#", 1)])
        assert subscribed.wait(10)

    def _take(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        if not message.topic.startswith("test/") and not message.topic.endswith(_OF_OTHERS):
            self.checker.check_wire(message.topic, message.payload)
        body: Any = message.payload
        if not message.payload.startswith(b"\xff\xd8"):  # a JPEG stays as it is
            body = message.payload.decode()
            with contextlib.suppress(ValueError):
                body = json.loads(body)
        self.received.append(Received(message.topic, body, message.retain))

    def bodies(self, topic: str) -> list[Any]:
        return [one.body for one in list(self.received) if one.topic == f"posewatch/{topic}"]

    def last(self, topic: str) -> Any:
        return next(iter(reversed(self.bodies(topic))), None)

    def state(self) -> str | None:
        """What the camera is doing."""
        return (self.last("street/status") or {}).get("state")

    def people(self) -> int:
        return self.last("street/people") or 0

    def say(self, topic: str, payload: str) -> None:
        self.client.publish(f"posewatch/{topic}", payload, qos=1).wait_for_publish(10)

    def catch_up(self) -> None:
        """Returns when everything that the broker had before this call has come."""
        marker = f"test/{time.monotonic_ns()}"
        self.client.publish(marker, "", qos=1)
        wait_for(lambda: any(one.topic == marker for one in list(self.received)), what="catching up")

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        if kind is None:
            self.checker.fail()
