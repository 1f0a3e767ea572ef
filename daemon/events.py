"""Reports tracks and actions: what begins, what changes, what ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.actions import UNKNOWN
from daemon.messages import Message, plain
from daemon.scene import Person, Scene
from daemon.topics import Topics
from tracker.association import TrackState

__all__ = ["EventReporter"]

_MIN_INTERVAL = 1.0  # seconds between two updates of a track
_MAX_ACTIONS = 50  # remembered in a track's `actions`


@dataclass(slots=True)
class _Action:
    id: str
    label: str
    start_time: float
    score: float


@dataclass(slots=True)
class _Open:
    """A track that was reported as new."""

    seq: int
    sent: dict[str, Any]
    sent_at: float
    latest: dict[str, Any]
    action: _Action | None = None
    actions: list[str] = field(default_factory=list)
    entered: list[str] = field(default_factory=list)


class EventReporter:
    """Turns the scenes of a camera into messages about its tracks, actions and counts.

    Args:
        camera: its name.
        topics: where messages go.
        zones: names of the camera's zones.
    """

    def __init__(self, camera: str, topics: Topics, zones: Sequence[str] = ()) -> None:
        self._camera, self._topics, self._zones = camera, topics, tuple(zones)
        self._open: dict[str, _Open] = {}
        self._counts: dict[str | None, int] = {None: 0, **dict.fromkeys(zones, 0)}
        self._actions = 0

    def update(self, scene: Scene) -> list[Message]:
        """What this scene changes."""
        messages: list[Message] = []
        for person in scene.people:
            if person.track.state is TrackState.REMOVED:
                messages += self._end(person.track.id, scene.captured_at)
            elif person.track.id in self._open or person.track.state is TrackState.CONFIRMED:
                messages += self._follow(person, scene)
        return messages + self._count(scene)

    def states(self) -> list[Message]:
        """Retained counts as they are now; all 0 before the first scene."""
        return [self._people(zone, count) for zone, count in self._counts.items()]

    def tracks_message(self, scene: Scene) -> Message:
        """Every confirmed person of this frame: box in 0..1, action, pose as [x, y, visibility] in 0..1."""
        people = []
        for person in scene.people:
            if person.track.state is not TrackState.CONFIRMED:
                continue
            entry: dict[str, Any] = {
                "id": person.track.id,
                "box": _box(person, scene),
                "score": plain(person.track.score),
                "action": person.action,
                "action_score": plain(person.action_score),
                "zones": list(person.zones),
                "landmarks": None,
            }
            if person.pose is not None:
                shares = person.pose.landmarks[:, [0, 1, 3]] / (scene.width, scene.height, 1.0)
                entry["landmarks"] = [[plain(v, 4) for v in row] for row in shares.tolist()]
            people.append(entry)
        payload = {"time": plain(scene.captured_at), "people": people}
        return Message(self._topics.tracks(self._camera), payload)

    def close(self, captured_at: float) -> list[Message]:
        """Ends every open track and action and sets the counts to 0."""
        messages = [message for track in list(self._open) for message in self._end(track, captured_at)]
        for zone, count in self._counts.items():
            if count:
                self._counts[zone] = 0
                messages.append(self._people(zone, 0))
        return messages

    def _follow(self, person: Person, scene: Scene) -> list[Message]:
        state = self._open.get(person.track.id)
        first = state is None
        if state is None:
            state = self._open[person.track.id] = _Open(0, {}, scene.monotonic, {})
        messages = self._follow_action(state, person, scene)
        state.entered += [zone for zone in person.zones if zone not in state.entered]
        state.latest = self._describe(state, person, scene)
        if first:
            messages.insert(0, self._event("new", state, None, scene.monotonic))
        elif scene.monotonic - state.sent_at >= _MIN_INTERVAL - 1e-6 and _differs(state.sent, state.latest):
            messages.append(self._event("update", state, state.sent, scene.monotonic))
        return messages

    def _follow_action(self, state: _Open, person: Person, scene: Scene) -> list[Message]:
        current = state.action
        if (current.label if current else UNKNOWN) == person.action:
            if current:
                current.score = max(current.score, person.action_score)
            return []
        messages = (
            [self._action_end(state, person.track.id, scene.captured_at, person.zones)] if current else []
        )
        state.action = None
        if person.action != UNKNOWN:
            self._actions += 1
            number = f"{int(scene.captured_at * 1000)}-{self._camera}-{self._actions}"
            state.action = _Action(number, person.action, scene.captured_at, person.action_score)
            state.actions = [*state.actions, person.action][-_MAX_ACTIONS:]
            messages.append(self._action("start", state.action, person.track.id, None, person.zones))
        return messages

    def _action_end(self, state: _Open, track: str, at: float, zones: Sequence[str]) -> Message:
        assert state.action is not None
        return self._action("end", state.action, track, at, zones)

    def _action(
        self, kind: str, action: _Action, track: str, end: float | None, zones: Sequence[str]
    ) -> Message:
        payload = {
            "type": kind,
            "id": action.id,
            "track": track,
            "action": action.label,
            "score": plain(action.score),
            "start_time": plain(action.start_time),
            "end_time": None if end is None else plain(end),
            "duration": None if end is None else plain(end - action.start_time),
            "zones": list(zones),
        }
        return Message(self._topics.actions(self._camera), payload, qos=1)

    def _describe(self, state: _Open, person: Person, scene: Scene) -> dict[str, Any]:
        return {
            "id": person.track.id,
            "camera": self._camera,
            "start_time": plain(person.track.started_at),
            "end_time": None,
            "box": _box(person, scene),
            "zones": list(person.zones),
            "entered_zones": list(state.entered),
            "action": person.action,
            "action_score": plain(person.action_score),
            "actions": list(state.actions),
            "pose_score": None if person.pose is None else plain(person.pose.score),
            "stationary": bool(person.track.stationary),
        }

    def _event(self, kind: str, state: _Open, before: dict[str, Any] | None, monotonic: float) -> Message:
        payload = {"type": kind, "seq": state.seq, "before": before, "after": state.latest}
        state.seq, state.sent, state.sent_at = state.seq + 1, state.latest, monotonic
        return Message(self._topics.events(self._camera), payload, qos=1)

    def _end(self, track: str, at: float) -> list[Message]:
        state = self._open.pop(track, None)
        if state is None:
            return []
        messages = [self._action_end(state, track, at, state.latest["zones"])] if state.action else []
        before = state.sent
        state.latest = {**state.latest, "end_time": plain(at)}
        return [*messages, self._event("end", state, before, 0.0)]

    def _count(self, scene: Scene) -> list[Message]:
        confirmed = [p for p in scene.people if p.track.state is TrackState.CONFIRMED]
        messages = []
        for zone, old in self._counts.items():
            count = len(confirmed) if zone is None else sum(zone in p.zones for p in confirmed)
            if count != old:
                self._counts[zone] = count
                messages.append(self._people(zone, count))
        return messages

    def _people(self, zone: str | None, count: int) -> Message:
        topics, camera = self._topics, self._camera
        topic = topics.people(camera) if zone is None else topics.zone_people(camera, zone)
        return Message(topic, count, qos=1, retain=True)


def _differs(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return any(before[key] != after[key] for key in ("action", "zones", "stationary"))


def _box(person: Person, scene: Scene) -> list[float]:
    left, top, right, bottom = (float(v) for v in person.track.box)
    shares = (left / scene.width, top / scene.height, right / scene.width, bottom / scene.height)
    return [plain(min(max(share, 0.0), 1.0), 4) for share in shares]
