"""People whose action is one of some labels."""

from __future__ import annotations

from daemon.actions import UNKNOWN
from daemon.config.rules import RuleBase
from daemon.scene import Scene
from daemon.watchers.base import Key, Observation, Watcher, of_person

__all__ = ["Doing"]


class Doing(Watcher):
    """A person whose action is one of some labels."""

    def __init__(self, rule: RuleBase, actions: tuple[str, ...], *, outlives_track: bool = False) -> None:
        super().__init__(rule)
        self._actions = actions
        self._keeping = (*actions, UNKNOWN) if outlives_track else actions
        self.outlives_track = outlives_track

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:
        """People who do one of the actions, or of whom it is not known that they have stopped."""
        found = []
        for person in self._people(scene):
            does = person.action in self._actions and self._counts(person.action_score)
            holds = (person.track.id, "") in open_keys and person.action in self._keeping
            if does or holds:
                found.append(of_person(person, person.action_score, person.action, counts=does))
        return found
