"""Checks payloads against the JSON Schema files that come with the daemon."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from daemon.messages import Message

__all__ = ["SCHEMAS", "PayloadChecker", "schema_of", "watch_messages"]

SCHEMAS = Path(__file__).resolve().parents[1] / "daemon" / "schemas"
_JPEG = "jpeg"
_PLAIN = frozenset({"on_off", "status", "profile"})  # text without quotes
_KINDS = (  # ends of topics; the first that fits
    (r"/device/[^/]+(/[^/]+)?/config", "discovery"),
    (r"/[^/]+/alert/[^/]+", "on_off"),
    (r"/[^/]+/snapshot/[^/]+", _JPEG),
    (r"(/[^/]+/zones)?/[^/]+/people", "people"),
    (r"/[^/]+/(enabled|alerts)/(state|set)", "on_off"),
    (r"/profile/(state|set)", "profile"),
    (r"/[^/]+/alerts", "alert"),
    (r"/[^/]+/events", "event"),
    (r"/[^/]+/actions", "action"),
    (r"/[^/]+/tracks", "tracks"),
    (r"/stats", "stats"),
    (r"/info", "info"),
    (r"/storage", "storage"),
    (r"/config", "config"),
    (r"/[^/]+/tamper", "tamper"),
    (r"/status", "status"),  # of the service, or of a camera: a prefix has as many levels as it likes
)
_PATTERNS = tuple((re.compile(f".+{ending}"), kind) for ending, kind in _KINDS)


def schema_of(topic: str, payload: object = None) -> str | None:
    """Name of the schema for a topic; None for an unknown one. `payload` tells both kinds of status apart."""
    for pattern, kind in _PATTERNS:
        if pattern.fullmatch(topic):
            return "camera_status" if kind == "status" and isinstance(payload, dict) else kind
    return None


class PayloadChecker:
    """Remembers what was wrong with the payloads that it was given while it was active."""

    def __init__(self) -> None:
        self.is_active = True
        self.problems: list[str] = []
        self.checked: dict[str, int] = {}
        self._validators = {
            path.stem: Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
            for path in SCHEMAS.glob("*.json")
        }

    def check(self, topic: str, payload: object) -> None:
        """Checks the payload of a message that was not sent yet."""
        if not self.is_active or payload in (b"", ""):  # the empty payload takes back what was retained
            return
        if isinstance(payload, dict):
            payload = json.loads(json.dumps(payload))  # tuples become lists, as on the wire
        kind = schema_of(topic, payload)
        if kind is None:
            self.problems.append(f"{topic}: there is no schema for this topic")
            return
        self.checked[kind] = self.checked.get(kind, 0) + 1
        if kind == _JPEG:
            if not (isinstance(payload, bytes) and payload.startswith(b"\xff\xd8\xff")):
                self.problems.append(f"{topic}: is no JPEG")
            return
        for error in self._validators[kind].iter_errors(payload):
            where = "/".join(map(str, error.absolute_path))
            self.problems.append(f"{topic}: {where or 'payload'}: {error.message[:300]} ({kind}.json)")

    def check_wire(self, topic: str, wire: bytes) -> None:
        """Checks a payload as it came from the broker."""
        kind = schema_of(topic)
        if kind == _JPEG or not wire:
            self.check(topic, wire)
            return
        text = wire.decode()
        plain = kind in _PLAIN and not text.startswith("{")
        try:
            self.check(topic, text if plain else json.loads(text))
        except ValueError:
            self.problems.append(f"{topic}: is no JSON: {text[:100]!r}")

    def fail(self) -> None:
        """Fails the test if anything was wrong, and forgets it."""
        problems, self.problems = self.problems, []
        if problems:
            shown = "\n".join(problems[:10])
            pytest.fail(f"{len(problems)} payloads do not follow their schemas:\n{shown}", pytrace=False)


def watch_messages(checker: PayloadChecker, patch: pytest.MonkeyPatch) -> None:
    """Checks each message when it is made and again when it is sent: its payload may have changed."""
    make: Callable[..., None] = Message.__init__
    encode: Callable[[Message], bytes] = Message.encode

    def checked_init(self: Message, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        if self.topic:
            checker.check(self.topic, self.payload)

    def checked_encode(self: Message) -> bytes:
        if self.topic:
            checker.check(self.topic, self.payload)
        return encode(self)

    patch.setattr(Message, "__init__", checked_init)
    patch.setattr(Message, "encode", checked_encode)
