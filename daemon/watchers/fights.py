"""People who fight."""

from __future__ import annotations

import numpy as np

from daemon.config.rules import FightRule
from daemon.scene import FightPlace, Person, Scene
from daemon.watchers.base import Key, Observation, Watcher

__all__ = ["Fight"]

_CALM = ("standing", "walking", "sitting")
_SURELY = 0.6  # score from which somebody surely does that


class Fight(Watcher):
    """People in a place that looks like a fight: one situation a camera.

    Who fights is often hidden, bent or lying, and then nobody's track: the place counts, and whoever is
    followed in it is named.
    """

    def __init__(self, rule: FightRule) -> None:
        super().__init__(rule)
        self.gap = 0.5

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:  # noqa: ARG002
        """The places that look like a fight, as one."""
        places = [place for place in scene.fights if self._counts(place.score) and self._concerns(place)]
        places = [place for place in places if not self._is_calm(place, scene)]
        if not places:
            return []
        best = max(places, key=lambda place: place.score)
        people = [person for person in scene.confirmed if any(_is_in(person, place) for place in places)]
        tracks = tuple(person.track.id for person in people)
        zones = tuple(dict.fromkeys(zone for place in places for zone in place.zones))
        facts = {"people": best.people}
        return [Observation(("", ""), best.score, tracks, zones, "fighting", box=best.box, facts=facts)]

    def _concerns(self, place: FightPlace) -> bool:
        return place.people >= self.rule.min_people and self._applies(place)

    def _is_calm(self, place: FightPlace, scene: Scene) -> bool:
        """Whether enough people are followed there, and every one surely does something harmless.

        People who pass close to a camera move as much of the picture as a fight does.
        """
        people = [person for person in scene.confirmed if _is_in(person, place)]
        calm = [one.action in _CALM and one.action_score >= _SURELY for one in people]
        return len(calm) >= self.rule.min_people and all(calm)


def _is_in(person: Person, place: FightPlace) -> bool:
    """Whether the middle of somebody is in the inner part of a place, a body height around its middle."""
    middle = (person.track.box[:2] + person.track.box[2:]) / 2
    centre, reach = (place.box[:2] + place.box[2:]) / 2, (place.box[2] - place.box[0]) / 3
    return bool((np.abs(middle - centre) <= reach).all())
