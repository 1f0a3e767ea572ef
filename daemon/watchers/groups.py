"""Several people who do the same at the same time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from daemon.scene import Scene
from daemon.watchers.base import Key, Observation, Watcher

__all__ = ["Group"]

_TOLERANCE = 1e-6


@dataclass(slots=True)
class _Member:
    """Somebody of the group: what was seen last, and when (monotonic seconds) it last counted."""

    observation: Observation
    at: float


class Group(Watcher):
    """So many people as the rule asks for, who each fit it at the same time: one situation in each zone.

    Who is not seen, or not seen to do so, for as long as the watcher of single people lets a gap pass, still
    belongs to it.

    Args:
        inner: finds the single people.
    """

    def __init__(self, inner: Watcher) -> None:
        super().__init__(inner.rule)
        self.gap, self.pause, self.wait = 0.0, 1.0, inner.wait
        self._inner = inner
        # A second; what is over in a moment, such as a crossing, is remembered until it clears.
        self._gap = min(inner.gap, 1.0) if inner.wait else inner.gap
        self._patience = max(self._gap, inner.rule.clear) if inner.outlives_track else self._gap
        self._members: dict[Key, _Member] = {}

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:  # noqa: ARG002
        """The groups that are large enough."""
        now, seen = scene.monotonic, {person.track.id for person in scene.confirmed}
        self._follow(scene)
        for one in self._inner.observe(scene, frozenset(self._members)):
            known = self._members.get(one.key)
            if one.counts or (known is not None and self._inner.lasts):
                self._members[one.key] = _Member(one, now)
            elif known is not None:
                known.observation = one
        self._members = {
            key: member
            for key, member in self._members.items()
            if now - member.at < (self._gap if key[0] in seen else self._patience) - _TOLERANCE
            or now == member.at
        }
        groups: dict[str, list[Observation]] = defaultdict(list)
        for key, member in self._members.items():
            groups[key[1]].append(member.observation)
        found = [self._group(zone, members, seen) for zone, members in groups.items()]
        return [one for one in found if one is not None]

    def _group(self, zone: str, members: list[Observation], seen: set[str]) -> Observation | None:
        """All of them as one, or None where they are too few; its score is that which so many reach."""
        least = self.rule.min_people
        tracks = tuple(one.tracks[0] for one in members if one.tracks[0] in seen)
        if len(members) < least or not tracks:
            return None
        best = sorted(members, key=lambda one: one.score, reverse=True)[least - 1]
        zones = tuple(dict.fromkeys(name for one in members for name in one.zones))
        facts = {**best.facts, "people": len(members)}
        return Observation(("", zone), best.score, tracks, zones, best.action, facts=facts)

    def _follow(self, scene: Scene) -> None:
        """Goes on with bodies that have other ids now; a new scene has nobody of the old one."""
        if scene.cut:
            self._members.clear()
        if not scene.renamed:
            return
        moved = {}
        for (track, zone), member in self._members.items():
            name = scene.renamed.get(track, track)
            one = replace(member.observation, key=(name, zone), tracks=(name,))
            moved[name, zone] = _Member(one, member.at)
        self._members = moved
