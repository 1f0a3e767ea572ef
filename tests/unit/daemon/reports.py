"""Messages as the pipeline sends them, for tests of what keeps and lists them."""

from __future__ import annotations

from typing import Any

from daemon.messages import Message

__all__ = ["action", "alert", "event", "image", "names"]


def alert(kind: str, number: int = 1, seq: int = 0, *, start: float = 100.0, rule: str = "fall") -> Message:
    payload: dict[str, Any] = {
        "type": kind, "id": f"1-door-{number}", "seq": seq, "rule": rule, "severity": "critical",
        "camera": "door", "score": 0.8, "start_time": start, "end_time": None, "reason": None,
    }  # fmt: skip
    return Message("posewatch/door/alerts", payload, qos=1)


def event(kind: str, number: int = 1, seq: int = 0, *, start: float = 100.0) -> Message:
    after = {"id": f"1-door-{number}", "camera": "door", "start_time": start, "end_time": None}
    payload = {"type": kind, "seq": seq, "reason": None, "before": None, "after": after}
    return Message("posewatch/door/events", payload, qos=1)


def action(kind: str, number: int = 1, *, start: float = 100.0) -> Message:
    payload = {
        "type": kind, "id": f"1-door-{number}", "track": "1-door-1", "action": "walking", "score": 0.9,
        "start_time": start, "end_time": None, "duration": None, "reason": None,
    }  # fmt: skip
    return Message("posewatch/door/actions", payload, qos=1)


def image(size: int = 10_000) -> Message:
    return Message("posewatch/door/snapshot/fall", b"\xff" * size, qos=1, expendable=True)


def names(entries: list[Any]) -> list[str]:
    """Kind, number and type of each entry: `alerts 1 raised`."""
    return [
        "image" if one.report is None else f"{one.report.kind} {one.report.item[7:]} {one.report.type}"
        for one in entries
    ]
