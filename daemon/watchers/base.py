"""What a watcher is, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daemon.config.rules import RuleBase
from daemon.scene import FightPlace, Person, Scene

__all__ = ["Key", "Observation", "Watcher", "of_person"]

Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Observation:
    """Evidence in one scene.

    `key` tells situations of a rule apart: whose it is (a track, or "" for a group), and the zone or "".
    Where `counts` is False nothing speaks for the rule any more, but nothing against it either: this keeps a
    raised alert up, and raises none. `box` (4,) px is where it is; None: where the first track is. `tracks`
    are of people who are seen in the scene. `facts` go into the evidence of the alert; one that is True once
    stays so.
    """

    key: Key
    score: float
    tracks: tuple[str, ...]
    zones: tuple[str, ...]
    action: str | None
    counts: bool = True
    box: NDArray[np.float32] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Watcher:
    """Finds the evidence for a rule. `observe` is called with every scene, in the order of time.

    Attributes:
        gap: seconds without evidence that an alert which is not yet raised survives.
        pause: the same for seconds without a picture, where that is more.
        wait: seconds for which the evidence must hold; 0 where the watcher itself waits for the rule's `for`.
        outlives_track: the situation is of somebody who stays in place and may be lost there: it waits for
            the alert's clear time when the track is removed.
        lasts: what a person did goes on for as long as it is observed, whether that counts or not.
    """

    outlives_track = False
    lasts = False

    def __init__(self, rule: RuleBase) -> None:
        self.rule = rule
        self.gap = 1.0
        self.pause = 0.0
        self.wait = rule.for_

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:
        """Evidence in this scene; `open_keys` are the situations that have begun."""
        raise NotImplementedError

    def _applies(self, one: Person | FightPlace) -> bool:
        return not self.rule.zones or not set(self.rule.zones).isdisjoint(one.zones)

    def _people(self, scene: Scene) -> list[Person]:
        return [person for person in scene.confirmed if self._applies(person)]

    def _counts(self, score: float) -> bool:
        return score >= self.rule.min_score and score > 0.0


def of_person(person: Person, score: float, action: str | None, *, counts: bool = True) -> Observation:
    """What one person shows."""
    track = person.track.id
    return Observation((track, ""), score, (track,), person.zones, action, counts)
