"""Raises, updates and clears alerts: one for each situation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daemon.config.rules import Rule
from daemon.evidence import Observation, watcher_for
from daemon.messages import Message, plain
from daemon.scene import Scene
from daemon.topics import Topics
from tracker.association import TrackState

__all__ = ["AlertEngine"]

_UPDATE_INTERVAL = 10.0  # seconds between two updates of an alert
_MAX_SCORES = 32  # kept of an alert's evidence; halved by leaving out every second when full
_TOLERANCE = 1e-6


@dataclass(slots=True)
class _Situation:
    since: float
    start_time: float
    last: float = 0.0
    last_time: float = 0.0
    frames: int = 0
    best: float = 0.0
    action: str | None = None
    tracks: dict[str, None] = field(default_factory=dict)
    zones: dict[str, None] = field(default_factory=dict)
    scores: list[tuple[float, float]] = field(default_factory=list)
    stride: int = 1
    id: str | None = None
    seq: int = 0
    sent_at: float = 0.0
    sent_tracks: int = 0

    def add(self, seen: Observation, scene: Scene) -> None:
        self.last, self.last_time = scene.monotonic, scene.captured_at
        if self.frames % self.stride == 0:
            self.scores.append((plain(scene.captured_at - self.start_time, 2), plain(seen.score)))
            if len(self.scores) > _MAX_SCORES:
                self.scores, self.stride = self.scores[::2], self.stride * 2
        self.frames += 1
        if self.action is None or seen.score >= self.best:
            self.action = seen.action
        self.best = max(self.best, seen.score)
        self.tracks.update(dict.fromkeys(seen.tracks))
        self.zones.update(dict.fromkeys(seen.zones))


class AlertEngine:
    """Evaluates the rules of a camera.

    Args:
        camera: its name.
        rules: by name; those that are not enabled are left out.
        topics: where messages go.
    """

    def __init__(self, camera: str, rules: Mapping[str, Rule], topics: Topics) -> None:
        self._camera, self._topics = camera, topics
        self._rules = {name: rule for name, rule in rules.items() if rule.enabled}
        self._watchers = {name: watcher_for(rule) for name, rule in self._rules.items()}
        self._situations: dict[str, dict[str, _Situation]] = {name: {} for name in self._rules}
        self._cooling: dict[str, dict[str, float]] = {name: {} for name in self._rules}
        self._count = 0

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the rules that are ON."""
        return tuple(name for name in self._rules if self._is_on(name))

    def evaluate(self, scene: Scene) -> list[Message]:
        """What this scene raises, updates and clears."""
        removed = {p.track.id for p in scene.people if p.track.state is TrackState.REMOVED}
        messages: list[Message] = []
        for name in self._rules:
            was_on = self._is_on(name)
            messages += self._evaluate(name, scene, removed)
            if self._is_on(name) != was_on:
                messages.append(self._state(name))
        return messages

    def states(self) -> list[Message]:
        """Retained ON or OFF of every rule."""
        return [self._state(name) for name in self._rules]

    def close(self, captured_at: float) -> list[Message]:
        """Clears whatever is raised and forgets what has begun."""
        messages: list[Message] = []
        for name, situations in self._situations.items():
            raised = [situation for situation in situations.values() if situation.id is not None]
            situations.clear()
            messages += [self._message("cleared", name, one, captured_at) for one in raised]
            if raised:
                messages.append(self._state(name))
        return messages

    def _evaluate(self, name: str, scene: Scene, removed: set[str]) -> list[Message]:
        rule, watcher, situations = self._rules[name], self._watchers[name], self._situations[name]
        now, messages = scene.monotonic, []
        cooling = self._cooling[name] = {k: t for k, t in self._cooling[name].items() if t > now}
        for seen in watcher.observe(scene, frozenset(situations)):
            situation = situations.setdefault(seen.key, _Situation(now, scene.captured_at))
            situation.add(seen, scene)
            if situation.id is not None:
                messages += self._update(name, situation, scene)
            elif now - situation.since >= rule.for_ - _TOLERANCE and seen.key not in cooling:
                self._count += 1
                situation.id = f"{int(scene.captured_at * 1000)}-{self._camera}-{self._count}"
                messages.append(self._sent("raised", name, situation, scene))
        for key, situation in list(situations.items()):
            gone = not watcher.outlives_track and set(situation.tracks) <= removed
            limit = watcher.gap if situation.id is None else rule.clear
            silent = situation.last < now and now - situation.last >= limit - _TOLERANCE
            if gone or silent:
                del situations[key]
                if situation.id is not None:
                    cooling[key] = now + rule.cooldown
                    messages.append(self._message("cleared", name, situation, scene.captured_at))
        return messages

    def _update(self, name: str, situation: _Situation, scene: Scene) -> list[Message]:
        waited = scene.monotonic - situation.sent_at
        more = len(situation.tracks) + len(situation.zones) > situation.sent_tracks and waited >= 1.0
        if not more and waited < _UPDATE_INTERVAL - _TOLERANCE:
            return []
        return [self._sent("updated", name, situation, scene)]

    def _sent(self, kind: str, name: str, situation: _Situation, scene: Scene) -> Message:
        situation.sent_at = scene.monotonic
        situation.sent_tracks = len(situation.tracks) + len(situation.zones)
        return self._message(kind, name, situation, None)

    def _message(self, kind: str, name: str, situation: _Situation, end: float | None) -> Message:
        rule = self._rules[name]
        thresholds = rule.model_dump(
            mode="json", by_alias=True, exclude={"type", "enabled", "severity", "zones"}
        )
        evidence: dict[str, Any] = {
            "type": rule.type,
            "thresholds": thresholds,
            "first_time": plain(situation.start_time),
            "last_time": plain(situation.last_time),
            "frames": situation.frames,
            "scores": [list(pair) for pair in situation.scores],
        }
        payload = {
            "type": kind,
            "id": situation.id,
            "seq": situation.seq,
            "rule": name,
            "severity": rule.severity,
            "camera": self._camera,
            "tracks": list(situation.tracks),
            "zones": list(situation.zones),
            "action": situation.action,
            "score": plain(situation.best),
            "start_time": plain(situation.start_time),
            "end_time": None if end is None else plain(end),
            "evidence": evidence,
            "snapshot": None,
        }
        situation.seq += 1
        return Message(self._topics.alerts(self._camera), payload, qos=1)

    def _is_on(self, name: str) -> bool:
        return any(situation.id is not None for situation in self._situations[name].values())

    def _state(self, name: str) -> Message:
        payload = "ON" if self._is_on(name) else "OFF"
        return Message(self._topics.alert_state(self._camera, name), payload, qos=1, retain=True)
