"""Several people who do the same at the same time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from daemon.scene import Scene
from daemon.watchers.base import Key, Observation, Watcher
from daemon.watchers.memory import TrackMemory

__all__ = ["Group"]

_KEEP = 4.0  # seconds for which somebody who is gone is known again in the same place
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
        self._members: TrackMemory[dict[str, _Member]] = TrackMemory(dict, max(self._patience, _KEEP))

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:  # noqa: ARG002
        """The groups that are large enough."""
        now = scene.monotonic
        seen = {person.track.id: members for person, members in self._members.update(scene)}
        begun = {(track, zone) for track, members in self._members.items() for zone in members}
        for one in self._inner.observe(scene, frozenset(begun)):
            track, zone = one.tracks[0], one.key[1]
            known = seen[track].get(zone)
            if one.counts or (known is not None and self._inner.lasts):
                seen[track][zone] = _Member(one, now)
            elif known is not None:
                known.observation = one
        groups: dict[str, list[_Member]] = defaultdict(list)
        tracks: dict[str, list[str]] = defaultdict(list)
        for track, members in self._members.items():
            patience = self._gap if track in seen else self._patience
            for zone, member in list(members.items()):
                if member.at < now and now - member.at >= patience - _TOLERANCE:
                    del members[zone]
                    continue
                groups[zone].append(member)
                tracks[zone] += [track] if track in seen else []
        found = [self._group(zone, members, tracks[zone]) for zone, members in groups.items()]
        return [one for one in found if one is not None]

    def _group(self, zone: str, members: list[_Member], tracks: list[str]) -> Observation | None:
        """All of them as one, or None where they are too few; its score is that which so many reach."""
        least, all_of_them = self.rule.min_people, [member.observation for member in members]
        if len(members) < least or not tracks:
            return None
        best = sorted(all_of_them, key=lambda one: one.score, reverse=True)[least - 1]
        zones = tuple(dict.fromkeys(name for one in all_of_them for name in one.zones))
        facts = {**best.facts, "people": len(members)}
        return Observation(("", zone), best.score, tuple(tracks), zones, best.action, facts=facts)
