"""What in a scene speaks for a rule: one class for each type of rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from daemon.actions import UNKNOWN
from daemon.config.rules import (
    ActionRule,
    FallRule,
    FightRule,
    LoiteringRule,
    LyingRule,
    Rule,
    ZoneEntryRule,
)
from daemon.posture import Posture, Postures
from daemon.scene import FightPlace, Person, Scene

__all__ = ["Key", "Observation", "Watcher", "labels_of", "watcher_for"]

_FRESH = 1.0  # seconds for which a classification counts
_DROP_TO_LYING = 2.0  # seconds from a head that drops to lying
_DOWN = ("falling", "lying", "changing_posture", UNKNOWN)  # does not show that a fallen person is up
_COMING_DOWN = 3.0  # seconds from standing, and from moving, to a fall

_CALM = ("standing", "walking", "sitting")
_SURELY = 0.6  # score from which somebody surely does that

Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Observation:
    """Evidence in one scene.

    `key` tells situations of a rule apart: whose it is (a track, or "" for a group), and the zone or "".
    Where `counts` is False nothing speaks for the rule any more, but nothing against it either: this keeps a
    raised alert up, and raises none. `box` (4,) px is where it is; None: where the first track is.
    """

    key: Key
    score: float
    tracks: tuple[str, ...]
    zones: tuple[str, ...]
    action: str | None
    counts: bool = True
    box: NDArray[np.float32] | None = None


class Watcher:
    """Finds the evidence for a rule. `observe` is called with every scene, in the order of time.

    Attributes:
        gap: seconds without evidence that an alert which is not yet raised survives.
        outlives_track: the situation is of somebody who stays in place and may be lost there: it waits for
            the alert's clear time when the track is removed.
    """

    outlives_track = False

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.gap = 1.0

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:
        """Evidence in this scene; `open_keys` are the situations that have begun."""
        raise NotImplementedError

    def _applies(self, one: Person | FightPlace) -> bool:
        return not self.rule.zones or not set(self.rule.zones).isdisjoint(one.zones)

    def _people(self, scene: Scene) -> list[Person]:
        return [person for person in scene.confirmed if self._applies(person)]

    def _counts(self, score: float) -> bool:
        return score >= self.rule.min_score and score > 0.0


class _Fall(Watcher):
    """Falling as such, or a head that drops as fast as in a fall and then lying; and the body came down.

    The network sees falls also in the jumps of a pose that is half hidden, which end upright, and in a chair
    that the detector takes for a person, which has never stood or moved. A small rise of its score and then
    lying is no fall: that is how people go to bed.
    """

    outlives_track = True

    def __init__(self, rule: FallRule) -> None:
        super().__init__(rule)
        self._postures = Postures()

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:
        postures, oldest = self._postures.update(scene), scene.monotonic - _DROP_TO_LYING
        found = []
        for person in scene.confirmed:
            track, posture = person.track.id, postures[person.track.id]
            falling, lying = _score(person, "falling", scene), _score(person, "lying", scene)
            falls = self._counts(falling) or (self._counts(lying) and posture.dropped >= oldest)
            holds = (track, "") in open_keys and person.action in _DOWN
            if self._applies(person) and (holds or (falls and _came_down(posture, scene.monotonic))):
                score, action = max((falling, "falling"), (lying, "lying"))
                found.append(_of(person, score, action, counts=self._counts(score)))
        return found


class _Doing(Watcher):
    """A person whose action is one of some labels."""

    def __init__(self, rule: Rule, actions: tuple[str, ...], *, outlives_track: bool) -> None:
        super().__init__(rule)
        self._actions = actions
        self._keeping = (*actions, UNKNOWN) if outlives_track else actions
        self.outlives_track = outlives_track

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:
        found = []
        for person in self._people(scene):
            does = person.action in self._actions and self._counts(person.action_score)
            holds = (person.track.id, "") in open_keys and person.action in self._keeping
            if does or holds:
                found.append(_of(person, person.action_score, person.action, counts=does))
        return found


class _Fight(Watcher):
    """People in a place that looks like a fight: one situation a camera.

    Who fights is often hidden, bent or lying, and then nobody's track: the place counts, and whoever is
    followed in it is named.
    """

    def __init__(self, rule: FightRule) -> None:
        super().__init__(rule)
        self._fight, self.gap = rule, 0.5

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:  # noqa: ARG002
        places = [place for place in scene.fights if self._counts(place.score) and self._concerns(place)]
        places = [place for place in places if not self._is_calm(place, scene)]
        if not places:
            return []
        best = max(places, key=lambda place: place.score)
        people = [person for person in scene.confirmed if any(_is_in(person, place) for place in places)]
        tracks = tuple(person.track.id for person in people)
        zones = tuple(dict.fromkeys(zone for place in places for zone in place.zones))
        return [Observation(("", ""), best.score, tracks, zones, "fighting", box=best.box)]

    def _concerns(self, place: FightPlace) -> bool:
        return place.people >= self._fight.min_people and self._applies(place)

    def _is_calm(self, place: FightPlace, scene: Scene) -> bool:
        """Whether enough people are followed there, and every one surely does something harmless.

        People who pass close to a camera move as much of the picture as a fight does.
        """
        people = [person for person in scene.confirmed if _is_in(person, place)]
        calm = [one.action in _CALM and one.action_score >= _SURELY for one in people]
        return len(calm) >= self._fight.min_people and all(calm)


class _Presence(Watcher):
    """A person in a zone, or anywhere in the image."""

    def __init__(self, rule: Rule, gap: float) -> None:
        super().__init__(rule)
        self.gap = gap

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:  # noqa: ARG002
        found = []
        for person in self._people(scene):
            if person.track.score < self.rule.min_score:
                continue
            action = None if person.action == UNKNOWN else person.action
            whole = _of(person, person.track.score, action)
            parts = [
                replace(whole, key=(person.track.id, zone), zones=(zone,))
                for zone in self.rule.zones
                if zone in person.zones
            ]
            found += parts if self.rule.zones else [whole]
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


def labels_of(rule: Rule) -> tuple[str, ...]:
    """Labels of the action model without which a rule says nothing, or less."""
    if isinstance(rule, FallRule):
        return ("falling", "lying")
    if isinstance(rule, LyingRule):
        return ("lying",)
    return rule.actions if isinstance(rule, ActionRule) else ()


def _came_down(posture: Posture, now: float) -> bool:
    before = min(posture.stood, posture.moved)
    return posture.is_down(now) and now - before <= _COMING_DOWN


def _of(person: Person, score: float, action: str | None, *, counts: bool = True) -> Observation:
    track = person.track.id
    return Observation((track, ""), score, (track,), person.zones, action, counts)


def _is_in(person: Person, place: FightPlace) -> bool:
    """Whether the middle of somebody is in the inner part of a place, a body height around its middle."""
    middle = (person.track.box[:2] + person.track.box[2:]) / 2
    centre, reach = (place.box[:2] + place.box[2:]) / 2, (place.box[2] - place.box[0]) / 3
    return bool((np.abs(middle - centre) <= reach).all())


def _is_fresh(person: Person, scene: Scene) -> bool:
    return person.scores is not None and scene.monotonic - person.scores.monotonic <= _FRESH


def _score(person: Person, label: str, scene: Scene) -> float:
    """Score of a label: the latest classification's, while it is fresh."""
    scores = person.scores
    if scores is None or not _is_fresh(person, scene) or label not in scores.labels:
        return 0.0
    return float(scores.probabilities[scores.labels.index(label)])
