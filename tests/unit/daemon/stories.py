"""People without pixels: tracks, scenes, and whole stories told to a camera's events and alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifier.labels import DEFAULT_LABELS
from classifier.model import ActionScores
from daemon.actions import UNKNOWN, ActionHysteresis
from daemon.alerts import AlertEngine
from daemon.config.actions import ActionsConfig
from daemon.config.rules import DEFAULT_RULES, Rule
from daemon.events import EventReporter
from daemon.messages import Message
from daemon.scene import FightPlace, Person, Scene
from daemon.topics import Topics
from tracker.association import Track, TrackState
from tracker.pose import Pose

WIDTH, HEIGHT = 640, 480
EPOCH = 1_700_000_000.0  # UTC of monotonic 0
UPRIGHT, TIPPING, DOWN = (200, 100, 260, 280), (180, 165, 270, 285), (150, 230, 330, 290)


def sinking(share: float) -> tuple[float, ...]:
    """The box of somebody on the way from standing (0) to lying (1)."""
    return tuple(up + share * (down - up) for up, down in zip(UPRIGHT, DOWN, strict=True))


TENTATIVE, CONFIRMED, LOST, REMOVED = TrackState


def scores_of(probabilities: Mapping[str, float], at: float, track: str = "a") -> ActionScores:
    """Scores with these probabilities; `other` takes what is left."""
    rest = {"other": max(0.0, 1.0 - sum(probabilities.values()))}
    values = [{**rest, **probabilities}.get(label, 0.0) for label in DEFAULT_LABELS]
    return ActionScores(track, DEFAULT_LABELS, np.array(values, np.float32), at)


def a_person(
    track: str = "a",
    *,
    at: float = 0.0,
    state: TrackState = CONFIRMED,
    box: Sequence[float] = UPRIGHT,
    action: str = UNKNOWN,
    action_score: float = 0.0,
    scores: Mapping[str, float] | ActionScores | None = None,
    zones: Iterable[str] = (),
    first: float = 0.0,
    seen: float | None = None,
    score: float = 0.9,
    stationary: bool = False,
    speed: float = 0.0,
    quality: float = 0.9,
    pose: Pose | None = None,
) -> Person:
    """Somebody at a time; `scores` are of that time unless they say otherwise."""
    if isinstance(scores, Mapping):
        scores = scores_of(scores, at, track)
    made = Track(
        id=track,
        number=1,
        state=state,
        box=np.array(box, np.float32),
        detection_box=None,
        velocity=np.zeros(2, np.float32),
        score=score,
        started_at=EPOCH + first,
        first_monotonic=first,
        last_monotonic=at if seen is None else seen,
        hits=5,
        stationary=stationary,
        speed=speed,
        quality=quality,
    )
    return Person(made, pose, scores, action, action_score, tuple(zones))


def a_place(
    x: float, y: float = 200.0, score: float = 0.9, *, tall: float = 200.0, people: int = 2, zones=()
):
    """A place that is watched for fights, around a point, where people are this tall."""
    box = np.array([x - 1.5 * tall, y - 1.5 * tall, x + 1.5 * tall, y + 1.5 * tall], np.float32)
    return FightPlace(box, score, people, tuple(zones))


def a_scene(
    at: float,
    *people: Person,
    captured_at: float | None = None,
    fights: Sequence[FightPlace] | None = None,
    index: int = 0,
) -> Scene:
    """A frame of camera `door`. Without `fights` there is a place around everybody who punches or kicks."""
    captured_at = EPOCH + at if captured_at is None else captured_at
    if fights is None:
        fights = [place for person in people if (place := _place_of(person, people)) is not None]
    return Scene("door", WIDTH, HEIGHT, captured_at, at, tuple(people), fights=tuple(fights), index=index)


def _place_of(person: Person, people: Sequence[Person]) -> FightPlace | None:
    if person.scores is None or person.track.state is not CONFIRMED:
        return None
    hits = person.scores.probabilities[DEFAULT_LABELS.index("punching_kicking")]
    left, top, right, bottom = person.track.box.tolist()
    zones = [zone for other in people for zone in other.zones]
    return a_place((left + right) / 2, (top + bottom) / 2, float(hits), people=len(people), zones=zones)


@dataclass(frozen=True)
class Part:
    """From `start` on a person is like this, until the next part. `label` None: no pose, no scores."""

    start: float
    label: str | None = "standing"
    score: float = 0.9
    box: Sequence[float] = UPRIGHT
    zones: tuple[str, ...] = ()
    state: TrackState | None = CONFIRMED  # None: not in the scene
    also: tuple[tuple[str, float], ...] = ()  # scores of further labels
    still: bool = False


class Camera:
    """The daemon's way from scores to messages, on made-up people: hysteresis, events, alerts.

    Attributes:
        log: (monotonic seconds, message) of everything that was published.
    """

    def __init__(
        self,
        rules: Mapping[str, Rule] | None = None,
        *,
        fps: float = 15.0,
        settings: ActionsConfig | None = None,
        zones: Sequence[str] = (),
        clock: Any = lambda at: EPOCH + at,
        profile: str | None = None,
    ) -> None:
        topics = Topics("posewatch")
        self.fps, self.clock = fps, clock
        self.settings = settings or ActionsConfig()
        self.actions = ActionHysteresis(self.settings)
        self.events = EventReporter("door", topics, zones)
        self.alerts = AlertEngine("door", DEFAULT_RULES if rules is None else rules, topics, profile)
        self.log: list[tuple[float, Message]] = []
        self._scores: dict[str, ActionScores] = {}
        self._first: dict[str, float] = {}
        self._classified = float("-inf")

    def play(self, until: float, start: float = 0.0, **people: Sequence[Part]) -> Camera:
        """Runs from `start` to `until`; each person by the name of the track."""
        for frame in range(round((until - start) * self.fps) + 1):
            self.frame(start + frame / self.fps, **people)
        return self

    def frame(self, at: float, **people: Sequence[Part]) -> None:
        """One frame at this time."""
        present = {}
        for track, parts in people.items():
            begun = [part for part in parts if part.start <= at + 1e-9]
            if begun and begun[-1].state is not None:
                present[track] = begun[-1]
                self._first.setdefault(track, at)
        if at - self._classified >= self.settings.every - 0.02:
            self._classified = at
            for track, part in present.items():
                if part.label is not None and part.state is CONFIRMED:
                    scores = scores_of({part.label: part.score, **dict(part.also)}, at, track)
                    self._scores[track] = scores
                    self.actions.update(scores)
        made = [self._person(track, part, at) for track, part in present.items()]
        scene = a_scene(at, *made, captured_at=self.clock(at), index=round(at * self.fps))
        self.log += [(at, one) for one in (*self.events.update(scene), *self.alerts.evaluate(scene))]
        for track, part in present.items():
            if part.state is REMOVED:
                self._scores.pop(track, None)
                self.actions.drop(track)

    def close(self, at: float) -> Camera:
        """The camera is stopped."""
        moment = self.clock(at)
        self.log += [(at, one) for one in (*self.alerts.close(moment), *self.events.close(moment))]
        return self

    def sent(self, kind: str) -> list[tuple[float, dict[str, Any]]]:
        """(time, payload) on the topic `events`, `actions` or `alerts`."""
        topic = f"posewatch/door/{kind}"
        return [(at, one.payload) for at, one in self.log if one.topic == topic]

    def alerted(self, rule: str | None = None) -> list[tuple[str, float]]:
        """(type, time) of alerts, without updates."""
        return [
            (payload["type"], round(at, 2))
            for at, payload in self.sent("alerts")
            if payload["type"] != "updated" and rule in (None, payload["rule"])
        ]

    def _person(self, track: str, part: Part, at: float) -> Person:
        action, score = self.actions.current(track, at)
        return a_person(
            track, at=at, state=part.state, box=part.box, action=action, action_score=score,
            scores=self._scores.get(track), zones=part.zones, first=self._first[track],
            stationary=part.still,
        )  # fmt: skip


def footprint(*roots: object) -> int:
    """Entries of every container that hangs on some objects: what grows when something is not dropped."""
    seen: set[int] = set()
    waiting, total = list(roots), 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, (type, str, bytes, int, float, np.ndarray)):
            continue
        seen.add(id(one))
        if isinstance(one, Mapping):
            total += len(one)
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple, set, frozenset)):
            total += len(one)
            waiting += one
        else:
            waiting += vars(one).values() if hasattr(one, "__dict__") else ()
            slots = [name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())]
            waiting += [getattr(one, name) for name in slots if hasattr(one, name)]
    return total
