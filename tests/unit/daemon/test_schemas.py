"""The JSON Schema files of the payloads, and that they refuse what is wrong."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from payloads import SCHEMAS, PayloadChecker, schema_of

from daemon.messages import Message

ROOT = Path(__file__).resolve().parents[3]
NAMES = sorted(path.stem for path in SCHEMAS.glob("*.json"))
ALERT = {
    "type": "raised",
    "id": "1764161000123-door-1",
    "seq": 0,
    "rule": "fall",
    "severity": "critical",
    "camera": "door",
    "tracks": ["1764160990456-door-7"],
    "zones": ["bed"],
    "action": "falling",
    "score": 0.87,
    "start_time": 1764161000.123,
    "end_time": None,
    "reason": None,
    "evidence": {
        "type": "fall",
        "thresholds": {"min_score": 0.6},
        "first_time": 1764161000.123,
        "last_time": 1764161000.456,
        "observations": 5,
        "scores": [[0.0, 0.7], [0.33, 0.87]],
        "frames": [[120, 1764161000.123], [125, 1764161000.456]],
        "speeds": [0.99, None],
        "landmark_quality": [None, 0.73],
        "zones": {"bed": 0.0},
        "models": {"detector": {"name": "person", "sha256": "f9ff752af05e"}},
        "boxes": {"1764160990456-door-7": [0.1, 0.5, 0.4, 0.9]},
    },
    "snapshot": {"topic": "posewatch/door/snapshot/fall", "file": None, "style": "blur"},
    "clip": None,
}
STATS = {
    "cpu": 0.5,
    "rss": 200_000_000,
    "threads": 23,
    "files": None,
    "workers": {"count": 2, "busy": 1, "load": 0.62},
    "providers": {"detector": "cpu", "pose": "openvino CPU bf16"},
    "hung": [],
    "overloaded": False,
    "queue": 0,
    "mqtt": {"connected": True, "queued": 0, "dropped": 0},
    "storage": {"state": "ok", "reason": None},
    "config": {"state": "ok", "reloads": 0},
    "commands_ignored": 0,
    "cameras": {
        "door": {
            "fps_in": 15.0,
            "fps_processed": 15.0,
            "dropped": 0,
            "damaged": 0,
            "errors": 0,
            "reconnects": 0,
            "restarts": 0,
            "people": 1,
            "tamper": None,
            "overloaded": False,
            "latency_ms": {"p50": 40.1, "p95": None},
            "stages_ms": {"detect": 12.4},
        }
    },
}
STATUS = {"state": "streaming", "reason": None, "since": 1764161000.1, "fps": 15.0,
          "overloaded": False}  # fmt: skip


def problems(topic: str, payload: object) -> list[str]:
    checker = PayloadChecker()
    checker.check(topic, payload)
    return checker.problems


def changed(payload: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy with another value at a path such as `evidence/type`."""
    result = copy.deepcopy(payload)
    *parents, last = path.split("/")
    target = result
    for key in parents:
        target = target[key]
    target[last] = value
    return result


def without(payload: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != key}


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_whole_by_itself_shipped_and_documented(name: str) -> None:
    text = (files("daemon") / "schemas" / f"{name}.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:posewatch:schema:{name}"
    references = [line for line in text.splitlines() if '"$ref"' in line]
    assert all('"#/$defs/' in line for line in references)  # whoever copies the file has all of it
    assert f"daemon/schemas/{name}.json" in (ROOT / "docs" / "mqtt.md").read_text(encoding="utf-8")


def test_the_schemas_are_part_of_the_package() -> None:
    assert '"schemas/*.json"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("posewatch/door/alerts", ALERT),
        ("posewatch/door/alerts", {**ALERT, "type": "cleared", "end_time": 1764161020.0, "reason": "over"}),
        ("home/cctv/door/alerts", {**ALERT, "clip": {"file": "clips/door/1.mp4"}}),
        ("posewatch/door/alert/fall", "ON"),
        ("posewatch/door/people", 0),
        ("posewatch/door/zones/bed/people", 3),
        ("posewatch/door/status", STATUS),
        ("posewatch/status", "online"),
        ("posewatch/stats", STATS),
        (
            "posewatch/storage",
            {"state": "degraded", "reason": "the disk is full", "since": 1.5, "dropped": 3},
        ),
        ("posewatch/profile/state", "away"),
        ("posewatch/door/snapshot/fall", b"\xff\xd8\xff\xe0"),
        ("posewatch/door/snapshot/fall", b""),  # taken back
    ],
)
def test_right_payloads(topic: str, payload: object) -> None:
    assert problems(topic, payload) == []


@pytest.mark.parametrize(
    ("topic", "payload", "problem"),
    [
        ("posewatch/door/alerts", changed(ALERT, "severity", "bad"), "severity: 'bad' is not one of"),
        ("posewatch/door/alerts", changed(ALERT, "score", 1.2), "score: 1.2 is greater"),
        ("posewatch/door/alerts", changed(ALERT, "id", "7"), "id: '7' does not match"),
        ("posewatch/door/alerts", changed(ALERT, "sort", 1), "'sort' was unexpected"),
        ("posewatch/door/alerts", changed(ALERT, "evidence/sort", 1), "evidence: Additional properties"),
        ("posewatch/door/alerts", changed(ALERT, "evidence/scores", [[1.0]]), "evidence/scores/0"),
        ("posewatch/door/alerts", changed(ALERT, "evidence/models/pose", "full"), "evidence/models/pose"),
        ("posewatch/door/alerts", changed(ALERT, "snapshot/style", "none"), "snapshot: "),
        ("posewatch/door/alerts", without(ALERT, "reason"), "'reason' is a required property"),
        # An end says when and why, and only an end does.
        ("posewatch/door/alerts", changed(ALERT, "type", "cleared"), "end_time: None should not be"),
        ("posewatch/door/alerts", changed(ALERT, "reason", "over"), "reason: 'over' is not of type 'null'"),
        ("posewatch/door/alert/fall", "on", "is not one of ['ON', 'OFF']"),
        ("posewatch/door/people", -1, "-1 is less than the minimum"),
        ("posewatch/door/people", "3", "is not of type 'integer'"),
        ("posewatch/door/status", changed(STATUS, "state", "idle"), "state: 'idle' is not one of"),
        ("posewatch/status", "Online", "is not one of ['online', 'offline']"),
        ("posewatch/stats", changed(STATS, "cameras/door/fps_in", None), "fps_in: None is not of type"),
        ("posewatch/stats", without(STATS, "hung"), "'hung' is a required property"),
        ("posewatch/door/snapshot/fall", b"GIF89a", "is no JPEG"),
        ("posewatch/door/other", {}, "no schema for this topic"),
    ],
)
def test_wrong_payloads_are_caught(topic: str, payload: object, problem: str) -> None:
    (found, *_) = problems(topic, payload)
    assert found.startswith(f"{topic}: ")
    assert problem in found


@pytest.mark.parametrize(
    ("topic", "wire", "problem"),
    [
        ("posewatch/door/alert/fall", b'"ON"', "is not one of"),  # plain text has no quotes
        ("posewatch/door/people", b"two", "is no JSON"),
        ("posewatch/stats", b"{", "is no JSON"),
        ("posewatch/door/people", b"2", None),
        ("posewatch/status", b"offline", None),
        ("posewatch/door/status", json.dumps(STATUS).encode(), None),
    ],
)
def test_payloads_as_they_come_from_the_broker(topic: str, wire: bytes, problem: str | None) -> None:
    checker = PayloadChecker()
    checker.check_wire(topic, wire)
    assert bool(checker.problems) == (problem is not None)
    assert problem is None or problem in checker.problems[0]


def test_a_wrong_message_of_any_test_is_noticed(payload_checker: PayloadChecker) -> None:
    Message("posewatch/door/people", "many")
    assert "is not of type 'integer'" in payload_checker.problems.pop()
    message = Message("posewatch/stats", copy.deepcopy(STATS))
    assert payload_checker.problems == []
    assert isinstance(message.payload, dict)
    message.payload["queue"] = -1  # after it was made
    message.encode()
    assert "queue: -1 is less than" in payload_checker.problems.pop()
    Message("posewatch/door/people", -1)
    with pytest.raises(pytest.fail.Exception, match="1 payloads"):
        payload_checker.fail()
    assert payload_checker.problems == []


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("posewatch/people/people", "people"),  # a camera may have any name
        ("posewatch/alerts/alerts/state", "on_off"),
        ("posewatch/alerts/alerts", "alert"),
        ("posewatch/status/status", "status"),
        ("posewatch/profile/state", "profile"),
        ("homeassistant/device/posewatch/door/config", "discovery"),
        ("homeassistant/device/posewatch/config", "discovery"),
        ("posewatch", None),
    ],
)
def test_the_schema_of_a_topic(topic: str, kind: str | None) -> None:
    assert schema_of(topic) == kind
