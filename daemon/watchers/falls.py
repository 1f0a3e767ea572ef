"""People who fall, and people who lie, after a fall or not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daemon.actions import UNKNOWN
from daemon.config.rules import FallRule, LyingRule, RuleBase
from daemon.posture import Posture, Postures
from daemon.scene import Person, Scene
from daemon.watchers.base import Key, Observation, Watcher, of_person
from daemon.watchers.doing import Doing
from daemon.watchers.memory import TrackMemory

__all__ = ["Fall", "Lying"]

_FRESH = 1.0  # seconds for which a classification counts
_DROP_TO_LYING = 2.0  # seconds from a head that drops to lying
_DOWN = ("falling", "lying", "changing_posture", UNKNOWN)  # does not show that a fallen person is up
_COMING_DOWN = 3.0  # seconds from standing, and from moving, to a fall
_UP_FOR = 2.0  # seconds of anything else after which a fall is over
_REMEMBERED = 60.0  # seconds for which who fell and is not seen may be found lying in the same place


class Fall(Watcher):
    """Falling as such, or a head that drops as fast as in a fall and then lying; and the body came down.

    The network sees falls also in the jumps of a pose that is half hidden, which end upright, and in a chair
    that the detector takes for a person, which has never stood or moved. A small rise of its score and then
    lying is no fall: that is how people go to bed.
    """

    outlives_track = True
    lasts = True

    def __init__(self, rule: RuleBase) -> None:
        super().__init__(rule)
        self._postures = Postures()

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:
        """People who fall, or who fell and are not yet seen up."""
        postures = self._postures.update(scene)
        found = []
        for person in scene.confirmed:
            falling, lying = _score(person, "falling", scene), _score(person, "lying", scene)
            holds = (person.track.id, "") in open_keys and person.action in _DOWN
            if self._applies(person) and (holds or self._falls(person, postures[person.track.id], scene)):
                score, action = max((falling, "falling"), (lying, "lying"))
                found.append(of_person(person, score, action, counts=self._counts(score)))
        return found

    def fallers(self, scene: Scene) -> set[str]:
        """Tracks that fall in this scene, in whatever zone; for use instead of `observe`."""
        postures = self._postures.update(scene)
        return {
            person.track.id
            for person in scene.confirmed
            if self._falls(person, postures[person.track.id], scene)
        }

    def _falls(self, person: Person, posture: Posture, scene: Scene) -> bool:
        falling, lying = _score(person, "falling", scene), _score(person, "lying", scene)
        drops = posture.dropped >= scene.monotonic - _DROP_TO_LYING
        if not posture.is_down(scene.monotonic):
            return False
        if self._counts(falling) and _came_down(posture, scene.monotonic):
            return True
        # Who lies may take a while to be known for that: the drop must have come soon after standing.
        return self._counts(lying) and drops and _came_down(posture, posture.dropped)


@dataclass(slots=True)
class _AfterFall:
    """Whether somebody fell and has not got up since; since when (monotonic seconds) it looks otherwise."""

    fell: bool = False
    up: float | None = None


class Lying(Doing):
    """A person who lies: fallen and still down, or found down without a fall that was seen."""

    def __init__(self, rule: LyingRule) -> None:
        super().__init__(rule, ("lying",), outlives_track=True)
        self._fall = Fall(FallRule(type="fall"))
        self._fallen = TrackMemory(_AfterFall, _REMEMBERED)

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:
        """People who lie; the fact `after_fall` says whether the fall was seen."""
        falling = self._fall.fallers(scene)
        fallen = set()
        for person, state in self._fallen.update(scene):
            falls = person.track.id in falling
            if falls or person.action in _DOWN:
                state.fell, state.up = state.fell or falls, None
            else:
                state.up = scene.monotonic if state.up is None else state.up
                state.fell = state.fell and scene.monotonic - state.up < _UP_FOR
            if state.fell:
                fallen.add(person.track.id)
        return [
            replace(one, facts={"after_fall": one.tracks[0] in fallen})
            for one in super().observe(scene, open_keys)
        ]


def _came_down(posture: Posture, by: float) -> bool:
    """Whether somebody stood, and moved, shortly before this time."""
    return by - min(posture.stood, posture.moved) <= _COMING_DOWN


def _score(person: Person, label: str, scene: Scene) -> float:
    """Score of a label: the latest classification's, while it is fresh."""
    scores = person.scores
    if scores is None or scene.monotonic - scores.monotonic > _FRESH or label not in scores.labels:
        return 0.0
    return float(scores.probabilities[scores.labels.index(label)])
