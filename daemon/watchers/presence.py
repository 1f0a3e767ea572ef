"""Where people are: in a zone, gone from it, or missing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daemon.actions import UNKNOWN
from daemon.config.rules import RuleBase
from daemon.scene import Person, Scene
from daemon.watchers.base import Key, Observation, Watcher, of_person
from daemon.watchers.memory import TrackMemory

__all__ = ["Absence", "Presence", "ZoneExit"]

_HIDDEN = 1.0  # seconds for which somebody who is not seen still counts: detectors miss single frames
_PAUSE = 5.0  # seconds without pictures over which nobody is taken to have come and gone
_STAY = 0.5  # seconds from coming into a zone to leaving it, below which nobody was in it
_TOLERANCE = 1e-6


class Presence(Watcher):
    """A person in a zone, or anywhere in the image."""

    def __init__(self, rule: RuleBase, gap: float = 1.0) -> None:
        super().__init__(rule)
        self.gap = gap

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:  # noqa: ARG002
        """Everybody who is there, in each zone of the rule."""
        found = []
        for person in self._people(scene):
            if person.track.score < self.rule.min_score:
                continue
            whole = _of(person)
            parts = [_in_zone(whole, zone) for zone in self.rule.zones if zone in person.zones]
            found += parts if self.rule.zones else [whole]
        return found


@dataclass(slots=True)
class _Visit:
    """Somebody in a zone: since when, and since when seen outside; monotonic seconds."""

    since: float
    left: float | None = None


class ZoneExit(Watcher):
    """A person who was in a zone and is now seen outside it. Who is lost in a zone has not left it."""

    def __init__(self, rule: RuleBase) -> None:
        super().__init__(rule)
        self.gap, self.wait = max(rule.clear, 1.0), 0.0
        self._visits: TrackMemory[dict[str, _Visit]] = TrackMemory(dict)

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:  # noqa: ARG002
        """Those who have been outside for the rule's `for` just now."""
        found = []
        for person, visits in self._visits.update(scene):
            if person.track.score < self.rule.min_score:
                continue
            found += [
                _in_zone(_of(person), zone)
                for zone in self.rule.zones
                if self._leaves(visits, zone, zone in person.zones, scene.monotonic)
            ]
        return found

    def _leaves(self, visits: dict[str, _Visit], zone: str, inside: bool, now: float) -> bool:
        visit = visits.get(zone)
        if inside:
            if visit is None:
                visits[zone] = _Visit(now)
            else:
                visit.left = None
            return False
        if visit is None:
            return False
        if visit.left is None:
            visit.left = now
        if visit.left - visit.since < _STAY - _TOLERANCE:
            del visits[zone]
            return False
        if now - visit.left < self.rule.for_ - _TOLERANCE:
            return False
        del visits[zone]
        return True


@dataclass(slots=True)
class _Present:
    """Somebody who was where somebody should be: when last, in monotonic seconds."""

    at: float = float("-inf")


class Absence(Watcher):
    """Fewer people than there should be, in the zones together or in the image.

    What nobody has watched is no absence: it begins with the first picture, and anew after a longer pause.
    """

    def __init__(self, rule: RuleBase) -> None:
        super().__init__(rule)
        self.gap, self.pause = 0.0, _PAUSE
        self._people_seen = TrackMemory(_Present)

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:  # noqa: ARG002
        """That there are too few, if so."""
        now, tracks = scene.monotonic, []
        for person, present in self._people_seen.update(scene):
            if self._applies(person) and person.track.score >= self.rule.min_score:
                present.at = now
                tracks.append(person.track.id)
        count = sum(now - present.at < _HIDDEN - _TOLERANCE for _, present in self._people_seen.items())
        if count >= self.rule.min_people:
            return []
        return [Observation(("", ""), 1.0, tuple(tracks), self.rule.zones, None, facts={"people": count})]


def _of(person: Person) -> Observation:
    return of_person(person, person.track.score, None if person.action == UNKNOWN else person.action)


def _in_zone(whole: Observation, zone: str) -> Observation:
    return replace(whole, key=(whole.tracks[0], zone), zones=(zone,))
