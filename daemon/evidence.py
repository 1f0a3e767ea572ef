"""What in a scene speaks for a rule: one class for each type of rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daemon.config.rules import (
    ActionRule,
    FallRule,
    FightRule,
    LoiteringRule,
    LyingRule,
    Rule,
    ZoneEntryRule,
)
from daemon.scene import Person, Scene
from tracker.association import TrackState

__all__ = ["Observation", "Watcher", "watcher_for"]

_FRESH = 1.0  # seconds for which a classification counts
_FALL_TO_LYING = 2.0  # seconds from a rise of the falling score to lying
_RISE = 0.5  # share of min_score that is such a rise
_DOWN = ("falling", "lying", "unknown")  # does not show that a fallen person is up


@dataclass(frozen=True, slots=True)
class Observation:
    """Evidence in one scene; `key` tells situations of a rule apart."""

    key: str
    score: float
    tracks: tuple[str, ...]
    zones: tuple[str, ...]
    action: str | None


class Watcher:
    """Finds the evidence for a rule. `observe` is called with every scene, in the order of time.

    Attributes:
        gap: seconds without evidence that an alert which is not yet raised survives.
        outlives_track: the alert waits for its clear time when its track is removed.
    """

    outlives_track = False

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.gap = 1.0

    def observe(self, scene: Scene, open_keys: frozenset[str]) -> list[Observation]:
        """Evidence in this scene; `open_keys` are the situations that have begun."""
        raise NotImplementedError

    def _people(self, scene: Scene) -> list[Person]:
        zones = set(self.rule.zones)
        return [
            person
            for person in scene.people
            if person.track.state is TrackState.CONFIRMED and (not zones or zones & set(person.zones))
        ]


class _Fall(Watcher):
    outlives_track = True

    def __init__(self, rule: FallRule) -> None:
        super().__init__(rule)
        self._rises: dict[str, float] = {}

    def observe(self, scene: Scene, open_keys: frozenset[str]) -> list[Observation]:
        found = []
        for person in self._people(scene):
            key, falling = person.track.id, _score(person, "falling", scene)
            lying, need = _score(person, "lying", scene), self.rule.min_score
            if falling >= need * _RISE and falling > 0.0:
                self._rises[key] = scene.monotonic
            rise = self._rises.get(key)
            ended_down = rise is not None and scene.monotonic - rise <= _FALL_TO_LYING and lying >= need
            holds = key in open_keys and person.action in _DOWN
            if falling >= need or ended_down or holds:
                score = max(falling, lying)
                action = "falling" if falling >= lying else "lying"
                found.append(Observation(key, score, (key,), person.zones, action))
        live = {person.track.id for person in scene.people if person.track.state is not TrackState.REMOVED}
        self._rises = {key: at for key, at in self._rises.items() if key in live}
        return found


class _Doing(Watcher):
    """A person whose action is one of some labels."""

    def __init__(self, rule: Rule, actions: tuple[str, ...], *, outlives_track: bool) -> None:
        super().__init__(rule)
        self._actions = actions
        self.outlives_track = outlives_track

    def observe(self, scene: Scene, open_keys: frozenset[str]) -> list[Observation]:
        return [
            Observation(person.track.id, person.action_score, (person.track.id,), person.zones, person.action)
            for person in self._people(scene)
            if person.action in self._actions and person.action_score >= self.rule.min_score
        ]


class _Fight(Watcher):
    def __init__(self, rule: FightRule) -> None:
        super().__init__(rule)
        self._fight = rule

    def observe(self, scene: Scene, open_keys: frozenset[str]) -> list[Observation]:
        people = self._people(scene)
        if len(people) < self._fight.min_people:
            return []
        scores = np.array([_score(person, "punching_kicking", scene) for person in people])
        hitters = scores >= self.rule.min_score
        if not hitters.any():
            return []
        boxes = np.stack([np.asarray(person.track.box, np.float64) for person in people])
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        # The longer side is near the body height of a person who has gone down, too.
        heights = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1), 1.0)
        apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
        near = apart <= self._fight.distance * (heights[:, None] + heights[None]) / 2
        groups = near & hitters[:, None]
        groups &= (groups.sum(axis=1) >= self._fight.min_people)[:, None]
        involved = np.flatnonzero(groups.any(axis=0))
        if not involved.size:
            return []
        tracks = tuple(people[index].track.id for index in involved)
        zones = tuple(dict.fromkeys(zone for index in involved for zone in people[index].zones))
        return [Observation("", float(scores[involved].max()), tracks, zones, "punching_kicking")]


class _Presence(Watcher):
    """A person in a zone, or anywhere in the image."""

    def __init__(self, rule: Rule, gap: float) -> None:
        super().__init__(rule)
        self.gap = gap

    def observe(self, scene: Scene, open_keys: frozenset[str]) -> list[Observation]:
        found = []
        for person in self._people(scene):
            track, score = person.track.id, person.track.score
            action = None if person.action == "unknown" else person.action
            if score < self.rule.min_score:
                continue
            if not self.rule.zones:
                found.append(Observation(track, score, (track,), person.zones, action))
            for zone in self.rule.zones:
                if zone in person.zones:
                    found.append(Observation(f"{track}/{zone}", score, (track,), (zone,), action))
        return found


def watcher_for(rule: Rule) -> Watcher:
    """The watcher of a rule's type."""
    if isinstance(rule, FallRule):
        return _Fall(rule)
    if isinstance(rule, FightRule):
        return _Fight(rule)
    if isinstance(rule, LyingRule):
        return _Doing(rule, ("lying",), outlives_track=True)
    if isinstance(rule, ActionRule):
        return _Doing(rule, rule.actions, outlives_track=False)
    assert isinstance(rule, (ZoneEntryRule, LoiteringRule))
    return _Presence(rule, rule.clear if isinstance(rule, LoiteringRule) else 1.0)


def _score(person: Person, label: str, scene: Scene) -> float:
    """Score of a label: the latest classification's, while it is fresh."""
    scores = person.scores
    if scores is None or scene.monotonic - scores.monotonic > _FRESH or label not in scores.labels:
        return 0.0
    return float(scores.probabilities[scores.labels.index(label)])
