"""MQTT messages as lines for people, and the counts for the summary."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

__all__ = ["EventPrinter"]


class EventPrinter:
    """Turns messages below the prefix into lines and keeps count.

    Attributes:
        people: number of each person, by the track's id.
        counts: messages of events, actions and alerts.
        alerts: alerts raised, by rule.
        actions: actions begun, by label.
    """

    def __init__(self, prefix: str = "posewatch") -> None:
        self._prefix = prefix + "/"
        self.people: dict[str, int] = {}
        self.counts: Counter[str] = Counter()
        self.alerts: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self._stats: list[dict[str, Any]] = []

    def line(self, topic: str, payload: bytes) -> str | None:
        """The line for a message; None where it says nothing new to a reader."""
        level = topic.removeprefix(self._prefix).split("/")
        try:
            body = json.loads(payload)
        except ValueError:
            body = payload.decode(errors="replace")
        if level == ["status"]:
            return _line("posewatch", f"is {body}")
        if level == ["stats"] and isinstance(body, dict):
            self._stats += (body.get("cameras") or {}).values()
            return None
        if len(level) != 2 or not isinstance(body, dict):
            return None
        camera, kind = level
        say = {"status": self._status, "events": self._event, "actions": self._action, "alerts": self._alert}
        text = say[kind](body) if kind in say else None
        return None if text is None else _line(camera, text)

    def rate(self, name: str) -> float:
        """Mean of `fps_in` or `fps_processed`, without the reports of the start and of the end."""
        reports = self._stats[1:-1] or self._stats
        return sum(float(report[name]) for report in reports) / max(len(reports), 1)

    def latency(self, name: str) -> float:
        """The last `p50` or `p95` in ms."""
        return float(self._stats[-1]["latency_ms"][name] or 0.0) if self._stats else 0.0

    def _status(self, body: dict[str, Any]) -> str:
        reason = f" ({body['reason']})" if body.get("reason") else ""
        return f"camera is {body.get('state')}{reason}"

    def _event(self, body: dict[str, Any]) -> str | None:
        self.counts["events"] += 1
        after = body.get("after") or body.get("before") or {}
        if body.get("type") == "new":
            return f"{self._name(str(after.get('id')))} appeared"
        if body.get("type") == "end":
            seconds = float(after.get("end_time") or 0.0) - float(after.get("start_time") or 0.0)
            return f"{self._name(str(after.get('id')))} left after {max(seconds, 0.0):.1f} s"
        return None

    def _action(self, body: dict[str, Any]) -> str:
        self.counts["actions"] += 1
        who, action = self._name(str(body.get("track"))), str(body.get("action"))
        if body.get("type") == "start":
            self.actions[action] += 1
            return f"{who} began {action} ({float(body.get('score') or 0.0):.2f})"
        return f"{who} stopped {action} after {float(body.get('duration') or 0.0):.1f} s"

    def _alert(self, body: dict[str, Any]) -> str | None:
        self.counts["alerts"] += 1
        if body.get("type") == "updated":
            return None
        if body.get("type") == "raised":
            self.alerts[str(body.get("rule"))] += 1
        who = ", ".join(self._name(str(track)) for track in body.get("tracks") or ())
        zones = ", ".join(body.get("zones") or ())
        where = f" in {zones}" if zones else ""
        return f"ALERT {body.get('type')}: {body.get('rule')} [{body.get('severity')}] {who}{where}"

    def _name(self, track: str) -> str:
        return f"person {self.people.setdefault(track, len(self.people) + 1)}"


def _line(who: str, text: str) -> str:
    return f"{time.strftime('%H:%M:%S')}  {who:<10} {text}"
