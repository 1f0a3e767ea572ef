"""Raises, updates and clears alerts: one for each situation."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from daemon.config.rules import FightRule, Rule
from daemon.config.schedule import is_scheduled
from daemon.evidence import ModelVersions, evidence_of
from daemon.media.complaints import Complaints
from daemon.messages import Message, new_id, plain
from daemon.reasons import EndReason
from daemon.scene import Scene
from daemon.situation import Situation
from daemon.situations import Situations
from daemon.topics import Topics

__all__ = ["AlertEngine"]

_UPDATE_INTERVAL = 10.0  # seconds between two updates of an alert
_NEWS_INTERVAL = 1.0  # seconds to an update that names further people or zones
_PAUSE = 2.5  # times the last interval between two frames: what takes longer is a pause
_SLOWEST = 5.0  # seconds between two frames at the lowest rate: what is expected before it is known
_TOLERANCE = 1e-6
_FAILURES = 5  # frames in a row in which a rule fails before it starts anew

_log = logging.getLogger(__name__)


class AlertEngine:
    """Evaluates the rules of a camera.

    Args:
        camera: its name.
        rules: by name; those that are not enabled are left out.
        topics: where messages go.
        profile: that is in use; rules that name profiles watch only where they name this one.

    Attributes:
        models: part of every alert's evidence.
        errors: how often a rule failed.
    """

    def __init__(
        self, camera: str, rules: Mapping[str, Rule], topics: Topics, profile: str | None = None
    ) -> None:
        self._camera, self._topics, self._profile = camera, topics, profile
        self.models: ModelVersions = {}
        self._rules = {name: Situations(rule) for name, rule in rules.items() if rule.enabled}
        self.errors = 0
        self._in_a_row: dict[str, int] = {}  # frames in which a rule failed, by its name
        self._complaints = Complaints(_log)
        self._sent: dict[str, tuple[float, frozenset[str]]] = {}  # by alert: when, and who and where
        self._last: float | None = None
        self._interval = 0.0
        self._count = 0

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the rules that are ON."""
        return tuple(name for name, situations in self._rules.items() if situations.is_on)

    @property
    def pending(self) -> set[str]:
        """Tracks of whom a rule about what people do has seen something, and has not decided yet."""
        return {track for one in self._rules.values() for track in one.pending}

    def evaluate(self, scene: Scene) -> list[Message]:
        """What this scene raises, updates and clears."""
        blind = self._is_after_pause(scene.monotonic)
        messages: list[Message] = []
        for name in self._rules:
            try:
                messages += self._evaluate(name, scene, blind)
                self._in_a_row.pop(name, None)
            except Exception as error:  # one rule's, which must not silence the others
                messages += self._failed(name, scene.captured_at, error)
        return messages

    def _evaluate(self, name: str, scene: Scene, blind: bool) -> list[Message]:
        situations = self._rules[name]
        ended = self._why_not(situations.rule, scene.captured_at)
        if ended is not None:
            return self._close(name, scene.captured_at, ended)
        messages: list[Message] = []
        was_on = situations.is_on
        for situation in situations.observe(scene, blind):
            messages += self._report(name, situation, scene)
        messages += [self._cleared(name, one, scene.captured_at) for one in situations.expire(scene)]
        if situations.is_on != was_on:
            messages.append(self._state(name))
        return messages

    def _failed(self, name: str, captured_at: float, error: Exception) -> list[Message]:
        """A rule that fails in frame after frame starts anew, and what it has raised ends."""
        self.errors += 1
        count = self._in_a_row[name] = self._in_a_row.get(name, 0) + 1
        self._complaints.say(f"rule_failed rule={name}", self._camera, error)
        if count < _FAILURES:
            return []
        del self._in_a_row[name]
        raised = [one for one in self._rules[name].clear() if one.id is not None]
        self._rules[name] = Situations(self._rules[name].rule)
        messages = [self._cleared(name, one, captured_at, EndReason.FAILED) for one in raised]
        return [*messages, self._state(name)]

    def states(self) -> list[Message]:
        """Retained ON or OFF of every rule."""
        return [self._state(name) for name in self._rules]

    def close(self, captured_at: float, reason: EndReason = EndReason.SHUTDOWN) -> list[Message]:
        """Clears whatever is raised and forgets what has begun."""
        return [one for name in self._rules for one in self._close(name, captured_at, reason)]

    def set_profile(self, profile: str | None, captured_at: float) -> list[Message]:
        """Changes to another profile; clears what is raised by rules that are no part of it."""
        self._profile = profile
        return [
            one
            for name, situations in self._rules.items()
            if not self._is_in_profile(situations.rule)
            for one in self._close(name, captured_at, EndReason.PROFILE)
        ]

    def fighters(self, captured_at: float) -> int | None:
        """From how many people on fights are looked for at this time; None where no rule asks for it."""
        asked = [
            situations.rule.min_people
            for situations in self._rules.values()
            if isinstance(situations.rule, FightRule) and self._why_not(situations.rule, captured_at) is None
        ]
        return min(asked, default=None)

    def _why_not(self, rule: Rule, captured_at: float) -> EndReason | None:
        """Why a rule does not watch now; None where it does."""
        if not self._is_in_profile(rule):
            return EndReason.PROFILE
        return None if is_scheduled(rule.schedule, captured_at) else EndReason.SCHEDULE

    def _is_in_profile(self, rule: Rule) -> bool:
        return not rule.profiles or self._profile in rule.profiles

    def _close(self, name: str, captured_at: float, reason: EndReason) -> list[Message]:
        raised = self._rules[name].clear()
        messages = [self._cleared(name, one, captured_at, reason) for one in raised]
        return [*messages, self._state(name)] if raised else []

    def _is_after_pause(self, now: float) -> bool:
        elapsed = 0.0 if self._last is None else now - self._last
        paused = elapsed > _PAUSE * (self._interval or _SLOWEST)
        self._last, self._interval = now, elapsed
        return paused

    def _report(self, name: str, situation: Situation, scene: Scene) -> list[Message]:
        if situation.id is None:
            if not self._rules[name].is_due(situation, scene):
                return []
            self._count += 1
            situation.id = new_id(scene.captured_at, self._camera, self._count)
            kind = "raised"
        else:
            sent_at, named = self._sent[situation.id]
            news = _named(situation) != named
            interval = _NEWS_INTERVAL if news else _UPDATE_INTERVAL
            if scene.monotonic - sent_at < interval - _TOLERANCE:
                return []
            kind = "updated"
        self._sent[situation.id] = (scene.monotonic, _named(situation))
        return [self._message(kind, name, situation)]

    def _cleared(
        self, name: str, situation: Situation, captured_at: float, reason: EndReason = EndReason.OVER
    ) -> Message:
        self._sent.pop(situation.id or "", None)
        # Never before the start, whatever the clock did.
        return self._message("cleared", name, situation, max(captured_at, situation.start_time), reason)

    def _message(
        self,
        kind: str,
        name: str,
        situation: Situation,
        end: float | None = None,
        reason: EndReason | None = None,
    ) -> Message:
        rule = self._rules[name].rule
        payload = {
            "type": kind,
            "id": situation.id,
            "seq": situation.seq,
            "rule": name,
            "severity": rule.severity,
            "camera": self._camera,
            "tracks": list(situation.boxes),
            "zones": list(situation.zones),
            "action": situation.action,
            "score": plain(situation.best),
            "start_time": plain(situation.start_time),
            "end_time": None if end is None else plain(end),
            "reason": None if reason is None else reason.value,
            "evidence": evidence_of(rule, situation, self.models),
            "snapshot": None,
            "clip": None,
        }
        situation.seq += 1
        return Message(self._topics.alerts(self._camera), payload, qos=1)

    def _state(self, name: str) -> Message:
        payload = "ON" if self._rules[name].is_on else "OFF"
        return Message(self._topics.alert_state(self._camera, name), payload, qos=1, retain=True)


def _named(situation: Situation) -> frozenset[str]:
    """The people and the zones of a situation."""
    return frozenset(situation.boxes) | frozenset(f"/{zone}" for zone in situation.zones)
