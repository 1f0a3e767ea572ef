"""Situations of a rule: observations that belong together, from the first one until nothing is left of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from daemon.config.rules import FightRule, Rule
from daemon.places import overlap, same_place, takes_over
from daemon.scene import Scene
from daemon.situation import Box, Situation
from daemon.watchers import Key, Observation, Watcher, labels_of, watcher_for

__all__ = ["Situations"]

_OVERLAP = 0.3  # IoU from which two who lie are taken for one
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class _Cooling:
    """Somebody who had an alert: none again before `until`, monotonic seconds."""

    until: float
    keys: frozenset[Key]
    owners: set[str]
    box: Box | None
    zones: frozenset[str]


class Situations:
    """The open situations of one rule of a camera.

    Args:
        rule: the rule.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._watcher: Watcher = watcher_for(rule)
        self._is_about_actions = bool(labels_of(rule)) or isinstance(rule, FightRule)
        self._open: list[Situation] = []
        self._cooling: list[_Cooling] = []
        self._fresh = True  # nothing was observed yet, or since `clear`

    @property
    def is_on(self) -> bool:
        """Whether an alert is raised."""
        return any(situation.raised for situation in self._open)

    @property
    def pending(self) -> set[str]:
        """Tracks whose situation has begun and has no alert yet, where the rule is about what people do."""
        if not self._is_about_actions:
            return set()
        return {track for one in self._open if not one.raised for track in one.boxes}

    def observe(self, scene: Scene, blind: bool = False) -> list[Situation]:
        """Takes a scene; returns the situations for which something in it counts.

        Args:
            scene: the scene.
            blind: whether it comes after a pause in the camera's pictures.
        """
        self._fresh = False
        if blind:  # a person may have done anything meanwhile
            oldest = scene.monotonic - max(self._patience, self._watcher.pause)
            self._open = [one for one in self._open if one.raised or one.last >= oldest]
        self._rename(scene.renamed)
        if scene.cut:  # nobody in this scene is in the place of somebody in the one before
            self._open = [one for one in self._open if one.raised or one.owners]
            for one in self._open:
                one.box = None
            self._cooling = [replace(one, box=None) for one in self._cooling]
        self._hand_over(scene)
        people = {person.track.id: person for person in scene.confirmed}
        owners = {key: situation for situation in self._open for key in situation.keys}
        found: list[Situation] = []
        for seen in self._watcher.observe(scene, frozenset(owners)):
            situation = owners.get(seen.key) or self._joined(seen, scene)
            if situation is None:
                situation = Situation(set(), scene.monotonic, scene.captured_at)
                self._open.append(situation)
            situation.keys.add(seen.key)
            situation.add(seen, scene, people)
            if seen.counts and situation not in found:
                found.append(situation)
        return found

    def _rename(self, names: Mapping[str, str]) -> None:
        """Goes on with the situations of bodies that have other ids now."""
        if not names:
            return
        # Nobody has a situation twice: where the new id has one that stays there, the old one's ends.
        staying = {key for one in self._open for key in one.keys if key[0] not in names}
        for one in self._open:
            keys = {(names.get(track, track), zone): (track, zone) for track, zone in one.keys}
            one.keys = {old if new != old and new in staying else new for new, old in keys.items()}
            one.boxes = {names.get(track, track): box for track, box in one.boxes.items()}
        self._cooling = [
            replace(
                one,
                keys=frozenset((names.get(track, track), zone) for track, zone in one.keys),
                owners={names.get(track, track) for track in one.owners},
            )
            for one in self._cooling
        ]

    def is_due(self, situation: Situation, scene: Scene) -> bool:
        """Whether a situation has gone on for long enough for its alert, and none has just ended."""
        if scene.monotonic - situation.since < self._watcher.wait - _TOLERANCE:
            return False
        if self.rule.cooldown_by != "track" and any(
            one.raised and self._shares_zone(self._zones(one), situation) for one in self._open
        ):
            return False
        live = scene.live
        return not any(
            one.until > scene.monotonic and self._cools(one, situation, live) for one in self._cooling
        )

    def _cools(self, one: _Cooling, situation: Situation, live: set[str]) -> bool:
        if self.rule.cooldown_by != "track":
            return self._shares_zone(one.zones, situation)
        # The same person, maybe with a new track.
        again = self._watcher.outlives_track and one.owners.isdisjoint(live) and _same(one, situation)
        return not one.keys.isdisjoint(situation.keys) or again

    def _shares_zone(self, zones: frozenset[str], situation: Situation) -> bool:
        return self.rule.cooldown_by == "rule" or not zones.isdisjoint(self._zones(situation))

    def _zones(self, situation: Situation) -> frozenset[str]:
        """The zones of the rule in which it is, or all where the rule has none; "" outside of zones."""
        zones = [name for name in situation.zones if not self.rule.zones or name in self.rule.zones]
        return frozenset(zones or [""])

    def expire(self, scene: Scene) -> list[Situation]:
        """Ends situations without evidence; returns those with an alert."""
        live = scene.live
        seen = {person.track.id for person in scene.confirmed}
        over = [one for one in self._open if self._is_over(one, scene.monotonic, live, seen)]
        self._open = [one for one in self._open if one not in over]
        raised = [one for one in over if one.raised]
        until = scene.monotonic + self.rule.cooldown
        self._cooling += [
            _Cooling(until, frozenset(one.keys), one.owners, one.box, self._zones(one)) for one in raised
        ]
        self._cooling = [one for one in self._cooling if self._still_cools(one, scene.monotonic, live)]
        return raised

    def clear(self) -> list[Situation]:
        """Ends every situation and forgets what has begun; returns those with an alert.

        Who cools down goes on to do so. What comes next is watched anew.
        """
        if self._fresh:
            return []
        raised = [one for one in self._open if one.raised]
        self._open, self._watcher, self._fresh = [], watcher_for(self.rule), True
        return raised

    @property
    def _patience(self) -> float:
        """Seconds for which what has begun waits while its person is not seen."""
        return max(self._watcher.gap, self.rule.clear if self._watcher.outlives_track else 0.0)

    def _joined(self, seen: Observation, scene: Scene) -> Situation | None:
        """The open situation in the same place, for somebody who stays in place.

        The tracker may see two people in one who lies, and a fall may go over to a track that was there.
        """
        if not (self._watcher.outlives_track and seen.counts):
            return None
        boxes = {person.track.id: person.track.box for person in scene.confirmed}
        box = boxes[seen.tracks[0]]
        for one in self._open:
            if one.box is None:
                continue
            is_seen = not one.owners.isdisjoint(boxes)
            if overlap(one.box, box) >= _OVERLAP if is_seen else same_place(one.box, box):
                return one
        return None

    def _hand_over(self, scene: Scene) -> None:
        """Lets a new track in the place of a lost one go on with the situation."""
        live, seen = scene.live, {person.track.id for person in scene.confirmed}
        taken = {key for situation in self._open for key in situation.keys}
        for situation in self._open:
            owners = situation.owners
            if not owners or situation.box is None or not owners.isdisjoint(seen):
                continue
            zone = next(zone for _, zone in situation.keys)
            for person in scene.confirmed:
                key = (person.track.id, zone)
                if key not in taken and takes_over(person.track, situation.box, situation.held):
                    situation.keys = {key, *(old for old in situation.keys if old[0] in live)}
                    taken.add(key)
                    break

    def _is_over(self, situation: Situation, now: float, live: set[str], seen: set[str]) -> bool:
        tracks = situation.owners or set(situation.boxes)
        if situation.owners and not self._watcher.outlives_track and live.isdisjoint(tracks):
            return True
        if situation.raised:
            return now > situation.held and now - situation.held >= self.rule.clear - _TOLERANCE
        # Who is seen doing something else ends it sooner than who is not seen.
        against = now > situation.held and not seen.isdisjoint(tracks)
        limit = self._watcher.gap if against else self._patience
        return now > situation.last and now - situation.last >= limit - _TOLERANCE

    def _still_cools(self, one: _Cooling, now: float, live: set[str]) -> bool:
        # Who is gone comes back with another id; only somebody who stays in place is known again.
        if self.rule.cooldown_by != "track":
            return one.until > now
        gone = one.owners and not self._watcher.outlives_track and one.owners.isdisjoint(live)
        return one.until > now and not gone


def _same(one: _Cooling, situation: Situation) -> bool:
    return one.box is not None and situation.box is not None and same_place(one.box, situation.box)
