"""Whoever reads everything that the daemon publishes for an hour, and remembers what must not be wrong."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from consumer import Consumer, Key

__all__ = ["Item", "Witness"]

_FIRST = {"alerts": "raised", "events": "new", "actions": "start"}
_LAST = {"alerts": "cleared", "events": "end", "actions": "end"}
_MARK = "posewatch-soak/marker"


@dataclass
class Item:
    """An alert, a track or an action, as it came.

    Attributes:
        numbers: `seq` (of actions 0 and 1) of the messages, in the order in which they came first.
        types: of the same messages.
        reason: of the last message.
        rule: of alerts.
    """

    numbers: list[int] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    reason: str | None = None
    rule: str | None = None


class Witness(Consumer):
    """A consumer with a persistent session that checks as messages come.

    Args:
        port: of the broker.
        login: user and password.
        secrets: texts that must not be in any payload or topic, by name.
    """

    def __init__(self, port: int, login: tuple[str, str], secrets: dict[str, bytes]) -> None:
        self.lock = threading.Lock()
        self.items: dict[tuple[str, str, str], Item] = {}  # by camera, kind and id
        self.digests: dict[Key, str] = {}
        self.repeated = 0
        self.problems: Counter[str] = Counter()
        self.open: dict[tuple[str, str], set[str]] = defaultdict(set)  # alerts by camera and rule
        self.statuses: dict[str, list[tuple[float, str, str | None]]] = defaultdict(list)
        self.service: list[tuple[float, str]] = []
        self.storage: list[tuple[float, str]] = []
        self.config: list[tuple[float, str, str | None]] = []
        self.stats: list[tuple[float, dict[str, Any]]] = []
        self.config_ends: list[tuple[float, str]] = []  # what ended with reason `config`, by camera
        self.messages = 0
        self.bytes = 0
        self.marks: set[str] = set()
        self.leaked: Counter[str] = Counter()
        self.last_keyed = 0.0
        self._secrets = secrets
        super().__init__(port, "soak-witness", login=login)
        topics = [("posewatch/#", 1), ("homeassistant/#", 1), (f"{_MARK}/#", 1)]
        self._client.on_connect = lambda client, *_: client.subscribe(topics)
        self._client.subscribe(topics)

    def away(self) -> None:
        """Goes; the broker keeps what comes."""
        self._client.disconnect()
        self._client.loop_stop()

    def back(self) -> None:
        """Comes back for what was kept."""
        self._client.reconnect()
        self._client.loop_start()

    def mark(self) -> str:
        """Sends a message to itself, which is in `marks` when everything before it has come."""
        name = str(time.monotonic_ns())
        self._client.publish(f"{_MARK}/{name}", "", qos=1)
        return name

    def _take(self, _client: object, _data: object, message: Any) -> None:
        try:
            with self.lock:
                self._read(time.monotonic(), message.topic, message.payload, message.retain)
        except Exception as error:  # paho's thread must live
            self.problems[f"{message.topic}: cannot be read: {error!r}"] += 1

    def _read(self, now: float, topic: str, payload: bytes, retained: bool) -> None:
        if topic.startswith(_MARK):
            self.marks.add(topic.rsplit("/", 1)[1])
            return
        self.messages += 1
        self.bytes += len(payload)
        for name, secret in self._secrets.items():
            if secret in payload or secret in topic.encode():
                self.leaked[f"{name} in {topic}"] += 1
        self.state[topic] = payload
        levels = topic.split("/")
        if levels[0] != "posewatch":
            return
        if len(levels) == 2:
            self._of_service(now, levels[1], payload)
        elif len(levels) == 3 and levels[2] in _FIRST:
            if not retained:
                self._of_item(now, topic, levels[1], levels[2], payload)
        elif len(levels) == 3 and levels[2] == "status":
            body = json.loads(payload) if payload else {"state": "removed", "reason": None}
            self.statuses[levels[1]].append((now, body["state"], body["reason"]))

    def _of_service(self, now: float, what: str, payload: bytes) -> None:
        if what == "status":
            self.service.append((now, payload.decode()))
        elif what == "storage":
            self.storage.append((now, json.loads(payload)["state"]))
        elif what == "stats":
            self.stats.append((now, json.loads(payload)))
        elif what == "config" and payload:
            body = json.loads(payload)
            self.config.append((now, body["state"], body["error"]))

    def _of_item(self, now: float, topic: str, camera: str, kind: str, payload: bytes) -> None:
        body = json.loads(payload)
        named = body.get("after") or body
        number = body["seq"] if "seq" in body else int(body["type"] == "end")
        key = (topic, named["id"], number)
        digest = hashlib.sha1(payload).hexdigest()
        if key in self.digests:
            self.repeated += 1
            if self.digests[key] != digest:
                self.problems[f"{topic}: two different messages have one id and number"] += 1
            return
        self.digests[key] = digest
        self.last_keyed = now
        item = self.items.setdefault((camera, kind, named["id"]), Item())
        if item.numbers and number < item.numbers[-1]:
            self.problems[f"{kind}: out of order"] += 1
        if item.types and item.types[-1] == _LAST[kind]:
            self.problems[f"{kind}: a message after the last one"] += 1
        item.numbers.append(number)
        item.types.append(body["type"])
        item.reason = body.get("reason")
        if body.get("reason") == "config":
            self.config_ends.append((now, camera))
        if kind == "alerts":
            item.rule = body["rule"]
            if body["type"] == _FIRST[kind]:
                self.open[camera, body["rule"]].add(named["id"])
            elif body["type"] == _LAST[kind]:
                self.open[camera, body["rule"]].discard(named["id"])

    def is_open(self) -> list[str]:
        """What began and did not end."""
        return [
            f"{kind} {name}" for (_, kind, name), item in self.items.items() if item.types[-1] != _LAST[kind]
        ]

    def gaps(self) -> list[str]:
        """What lacks its first message, its last one, or one between."""
        found = []
        for (_, kind, name), item in self.items.items():
            missing = set(range(max(item.numbers) + 1)) - set(item.numbers)
            if missing:
                found.append(f"{kind} {name}: {sorted(missing)[:5]} of {max(item.numbers) + 1} did not come")
            elif min(item.numbers) == 0 and item.types[item.numbers.index(0)] != _FIRST[kind]:
                found.append(f"{kind} {name}: began with {item.types[0]}")
        return found

    def inconsistent(self) -> set[str]:
        """Retained states of rules that do not say what the alerts say."""
        with self.lock:
            wrong = set()
            for topic, payload in self.state.items():
                levels = topic.split("/")
                if len(levels) == 4 and levels[0] == "posewatch" and levels[2] == "alert":
                    is_open = bool(self.open.get((levels[1], levels[3])))
                    if (payload == b"ON") != is_open:
                        state = payload.decode() or "nothing"
                        wrong.add(f"{topic}: {state} with {'an' if is_open else 'no'} open alert")
            return wrong

    def left_on(self) -> list[str]:
        """Retained states that are ON."""
        return [
            topic for topic, payload in self.state.items()
            if payload == b"ON" and topic.split("/")[2:3] == ["alert"]
        ]  # fmt: skip

    def camera_state(self, camera: str) -> str | None:
        """What the camera's status says now."""
        statuses = self.statuses.get(camera)
        return statuses[-1][1] if statuses else None

    def left_streaming(self, camera: str, since: float) -> tuple[float, str, str | None] | None:
        """The first status after `since` that says that no pictures come: time, state and reason."""
        later = [one for one in self.statuses.get(camera, []) if one[0] >= since and one[1] != "streaming"]
        return later[0] if later else None
