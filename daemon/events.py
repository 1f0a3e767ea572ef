"""Reports tracks and actions: what begins, what changes, what ends."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.actions import UNKNOWN
from daemon.media.complaints import Complaints
from daemon.messages import Message, new_id, plain
from daemon.reasons import EndReason
from daemon.scene import Person, Scene
from daemon.topics import Topics
from tracker.association import TrackState

__all__ = ["EventReporter"]

_log = logging.getLogger(__name__)
_MIN_INTERVAL = 1.0  # seconds between two updates of a track
_HIDDEN = 1.0  # seconds for which somebody who is not seen still counts: detectors miss single frames
_MAX_ACTIONS = 50  # remembered in a track's `actions`
_NEWS = ("state", "action", "zones", "entered_zones", "actions", "stationary")  # what an update tells
_TOLERANCE = 1e-6


@dataclass(slots=True)
class _Action:
    """An action that has begun; `start_time` in UTC epoch seconds, `since` in monotonic ones."""

    id: str
    label: str
    start_time: float
    since: float
    score: float


@dataclass(slots=True)
class _Open:
    """A track that was reported as new: what was sent of it, and when and how it was last seen."""

    monotonic: float
    captured_at: float
    seq: int = 0
    sent: dict[str, Any] = field(default_factory=dict)
    sent_at: float = 0.0
    latest: dict[str, Any] = field(default_factory=dict)
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
        self._camera, self._topics = camera, topics
        self._open: dict[str, _Open] = {}
        self._counts: dict[str | None, int] = {None: 0, **dict.fromkeys(zones, 0)}
        self._actions = 0
        self.errors = 0  # how often what was to be said of one person failed
        self._complaints = Complaints(_log)

    def update(self, scene: Scene) -> list[Message]:
        """What this scene changes."""
        messages: list[Message] = []
        for person in scene.people:
            try:
                messages += self._report(person, scene)
            except Exception as error:  # one person's, which must not silence the others
                self.errors += 1
                state = self._open.get(person.track.id)
                if state is not None and not state.sent:
                    del self._open[person.track.id]  # half begun: nobody has heard of it
                self._complaints.say("track_failed", self._camera, f"{person.track.id}: {error!r}")
        return messages + self._count(scene.monotonic)

    def _report(self, person: Person, scene: Scene) -> list[Message]:
        if person.track.state is TrackState.REMOVED:
            return self._end(person.track.id)
        if person.track.state is TrackState.CONFIRMED:
            return self._follow(person, scene)
        if person.track.state is TrackState.LOST:
            return self._miss(person.track.id, scene.monotonic)
        return []

    @property
    def people(self) -> int:
        """Confirmed tracks, as last told."""
        return self._counts[None]

    def states(self) -> list[Message]:
        """Retained counts as they are now; all 0 before the first scene."""
        return [self._people(zone, count) for zone, count in self._counts.items()]

    def tracks_message(self, scene: Scene) -> Message:
        """Every confirmed person of this frame: box in 0..1, action, pose as [x, y, visibility] in 0..1."""
        people = []
        for person in scene.confirmed:
            entry: dict[str, Any] = {
                "id": person.track.id,
                "box": scene.shares(person.track.box),
                "score": plain(person.track.score),
                "action": person.action,
                "action_score": plain(person.action_score),
                "zones": list(person.zones),
                "stationary": bool(person.track.stationary),
                "speed": plain(person.track.speed),
                "quality": plain(person.track.quality),
                "landmarks": None,
            }
            if person.pose is not None:
                shares = person.pose.landmarks[:, [0, 1, 3]] / (scene.width, scene.height, 1.0)
                entry["landmarks"] = [[plain(v, 4) for v in row] for row in shares.tolist()]
            people.append(entry)
        payload = {"time": plain(scene.captured_at), "people": people}
        return Message(self._topics.tracks(self._camera), payload)

    def close(self, captured_at: float, reason: EndReason = EndReason.SHUTDOWN) -> list[Message]:
        """Ends every open track and action and sets the counts to 0."""
        messages = [one for track in list(self._open) for one in self._end(track, captured_at, reason)]
        return messages + self._count(float("inf"))

    def _follow(self, person: Person, scene: Scene) -> list[Message]:
        track, now = person.track.id, scene.monotonic
        state = self._open.setdefault(track, _Open(now, scene.captured_at))
        state.monotonic, state.captured_at = now, scene.captured_at
        messages = self._follow_action(state, person, scene)
        state.entered += [zone for zone in person.zones if zone not in state.entered]
        state.latest = self._describe(state, person, scene)
        if not state.sent:
            return [self._event("new", state, None), *messages]
        return messages + self._changed(state, now)

    def _miss(self, track: str, now: float) -> list[Message]:
        """Somebody is hidden: said once, after a second, for detectors miss single frames."""
        state = self._open.get(track)
        if state is None or now - state.monotonic < _HIDDEN:
            return []
        state.latest = {**state.latest, "state": TrackState.LOST.value}
        return self._changed(state, now)

    def _changed(self, state: _Open, now: float) -> list[Message]:
        news = any(state.sent[key] != state.latest[key] for key in _NEWS)
        if not news or now - state.sent_at < _MIN_INTERVAL - _TOLERANCE:
            return []
        message = self._event("update", state, state.sent)
        state.sent_at = now
        return [message]

    def _follow_action(self, state: _Open, person: Person, scene: Scene) -> list[Message]:
        current = state.action
        if (current.label if current else UNKNOWN) == person.action:
            if current:
                current.score = max(current.score, person.action_score)
            return []
        messages = self._end_action(state, person.track.id, scene.captured_at, person.zones)
        if person.action != UNKNOWN:
            self._actions += 1
            number = new_id(scene.captured_at, self._camera, self._actions)
            state.action = _Action(
                number, person.action, scene.captured_at, scene.monotonic, person.action_score
            )
            state.actions = [*state.actions, person.action][-_MAX_ACTIONS:]
            messages.append(self._action("start", state.action, person.track.id, person.zones))
        return messages

    def _end_action(
        self,
        state: _Open,
        track: str,
        end: float,
        zones: Sequence[str],
        reason: EndReason = EndReason.OVER,
    ) -> list[Message]:
        action, state.action = state.action, None
        if action is None:
            return []
        # Monotonic: the clock may have been set meanwhile.
        duration = state.monotonic - action.since
        end = max(end, action.start_time)
        return [self._action("end", action, track, zones, end, duration, reason)]

    def _action(
        self,
        kind: str,
        action: _Action,
        track: str,
        zones: Sequence[str],
        end: float | None = None,
        duration: float | None = None,
        reason: EndReason | None = None,
    ) -> Message:
        payload = {
            "type": kind,
            "id": action.id,
            "track": track,
            "action": action.label,
            "score": plain(action.score),
            "start_time": plain(action.start_time),
            "end_time": None if end is None else plain(end),
            "duration": None if duration is None else plain(duration),
            "reason": None if reason is None else reason.value,
            "zones": list(zones),
        }
        return Message(self._topics.actions(self._camera), payload, qos=1)

    def _describe(self, state: _Open, person: Person, scene: Scene) -> dict[str, Any]:
        return {
            "id": person.track.id,
            "camera": self._camera,
            "start_time": plain(person.track.started_at),
            "end_time": None,
            "box": scene.shares(person.track.box),
            "zones": list(person.zones),
            "entered_zones": list(state.entered),
            "action": person.action,
            "action_score": plain(person.action_score),
            "actions": list(state.actions),
            "pose_score": None if person.pose is None else plain(person.pose.score),
            "state": person.track.state.value,
            "stationary": bool(person.track.stationary),
            "speed": plain(person.track.speed),
            "quality": plain(person.track.quality),
        }

    def _event(
        self, kind: str, state: _Open, before: dict[str, Any] | None, reason: EndReason | None = None
    ) -> Message:
        payload = {
            "type": kind,
            "seq": state.seq,
            "reason": None if reason is None else reason.value,
            "before": before,
            "after": state.latest,
        }
        state.seq, state.sent, state.sent_at = state.seq + 1, state.latest, state.monotonic
        return Message(self._topics.events(self._camera), payload, qos=1)

    def _end(
        self, track: str, captured_at: float | None = None, reason: EndReason = EndReason.OVER
    ) -> list[Message]:
        """Ends a track at `captured_at`, or when it was last seen."""
        state = self._open.pop(track, None)
        if state is None:
            return []
        end = state.captured_at if captured_at is None else captured_at
        messages = self._end_action(state, track, end, state.latest["zones"], reason)
        state.latest = {**state.latest, "end_time": plain(max(end, state.latest["start_time"]))}
        return [*messages, self._event("end", state, state.sent, reason)]

    def _count(self, now: float) -> list[Message]:
        present = [one.latest["zones"] for one in self._open.values() if now - one.monotonic < _HIDDEN]
        messages = []
        for zone, old in self._counts.items():
            count = len(present) if zone is None else sum(zone in zones for zones in present)
            if count != old:
                self._counts[zone] = count
                messages.append(self._people(zone, count))
        return messages

    def _people(self, zone: str | None, count: int) -> Message:
        topics, camera = self._topics, self._camera
        topic = topics.people(camera) if zone is None else topics.zone_people(camera, zone)
        return Message(topic, count, qos=1, retain=True)
