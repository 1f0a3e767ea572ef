"""A made-up camera for the state machine of alerts: people in lanes, and a record of what was to be seen.

Everybody keeps to a lane, so far from the next one that nobody there can be taken for somebody else. Zones
are the left and the right half, the line goes up the middle. What a frame showed is kept as plain facts, by
which `alert_oracle` judges without any code of the daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stories import CONFIRMED, EPOCH, LOST, REMOVED, a_person, a_place

from daemon.alerts import AlertEngine
from daemon.config.rules import Rule
from daemon.messages import Message
from daemon.reasons import EndReason
from daemon.scene import Scene
from daemon.topics import Topics

WIDTH, HEIGHT = 1280, 1000
LANES = {0: 250.0, 1: 600.0, 2: 950.0}  # y of the feet
UPRIGHT, LYING = (40.0, 120.0), (140.0, 50.0)  # width and height of the box


@dataclass
class Body:
    """Somebody in a lane; `chain` is who it is, whatever the track is called."""

    track: str
    chain: int
    x: float
    target: float
    first: float
    action: str = "standing"
    action_score: float = 0.9
    score: float = 0.9
    hidden: bool = False
    seen: float = 0.0


@dataclass(frozen=True)
class Sight:
    """Somebody who is seen in a frame."""

    track: str
    chain: int
    x: float
    tall: float
    action: str
    action_score: float
    score: float


@dataclass(frozen=True)
class Moment:
    """What one frame showed, and what was so then. `after_pause`: nothing was to be seen for long before."""

    t: float
    clock: float
    seen: Mapping[int, Sight]
    live: frozenset[str]
    fight: tuple[float, int] | None
    cut: bool
    after_pause: bool
    profile: str | None


@dataclass
class World:
    """The camera, its people, the engine, and everything that was seen and sent."""

    rules: Mapping[str, Rule]
    profile: str | None = "home"
    fps: float = 5.0
    t: float = 0.0
    offset: float = 0.0  # of the wall clock
    bodies: dict[int, Body] = field(default_factory=dict)
    fight: tuple[float, int] | None = None
    moments: list[Moment] = field(default_factory=list)
    disturbed: float = 0.0  # when last something happened that makes one wait longer than need be
    closed: float = -1.0  # when the engine was last closed
    _count: int = 0
    _renamed: dict[str, str] = field(default_factory=dict)
    _removed: list[Body] = field(default_factory=list)
    _cut: bool = False
    _paused: bool = False

    def __post_init__(self) -> None:
        self.engine = AlertEngine("door", self.rules, Topics("posewatch"), self.profile)

    @property
    def clock(self) -> float:
        return EPOCH + self.offset + self.t

    def name(self) -> str:
        self._count += 1
        return f"t{self._count}"

    def appear(self, lane: int, x: float) -> None:
        self.bodies[lane] = Body(self.name(), self._count, x, x, self.t)

    def leave(self, lane: int) -> None:
        self._removed.append(self.bodies.pop(lane))
        self.disturbed = self.t

    def break_track(self, lane: int) -> None:
        """The body is lost under its name, and found under another."""
        old = self.bodies[lane]
        self._removed.append(old)
        self.bodies[lane] = replace(old, track=self.name(), chain=self._count, first=self.t)
        self.disturbed = self.t

    def rename(self, names: Mapping[str, str]) -> None:
        """Bodies are found to be somebody else; takes effect in the next frame."""
        for body in self.bodies.values():
            if body.track in names:
                self._renamed[body.track] = names[body.track]
        self.run_one()

    def cut(self) -> None:
        """Another scene, in which somebody may stand where somebody stood."""
        for lane, body in self.bodies.items():
            self.bodies[lane] = replace(body, track=self.name(), chain=self._count, first=self.t)
        self._cut, self.disturbed = True, self.t

    def pause(self, seconds: float) -> None:
        self.t += seconds
        self._paused, self.disturbed = True, self.t

    def set_fps(self, fps: float) -> None:
        self.fps, self.disturbed = fps, self.t

    def step_clock(self, seconds: float) -> None:
        self.offset += seconds

    def set_profile(self, profile: str | None) -> list[Message]:
        self.profile, self.disturbed = profile, self.t
        return self.engine.set_profile(profile, self.clock)

    def close(self, reason: EndReason) -> list[Message]:
        self.closed = self.disturbed = self.t
        return self.engine.close(self.clock, reason)

    def run_one(self) -> list[Message]:
        """The next frame."""
        self.t += 1 / self.fps
        if self._renamed:
            self.disturbed = self.t
        for body in self.bodies.values():
            body.track = self._renamed.get(body.track, body.track)
            body.x += max(-0.04, min(0.04, body.target - body.x))
            if not body.hidden:
                body.seen = self.t
        people = [self._person(lane, body) for lane, body in self.bodies.items()]
        people += [
            a_person(body.track, at=self.t, state=REMOVED, first=body.first, seen=body.seen)
            for body in self._removed
        ]
        places = []
        if self.fight is not None:
            score, count = self.fight
            places = [a_place(600.0, 400.0, score, tall=60.0, people=count, zones=("left",))]
        scene = Scene(
            "door", WIDTH, HEIGHT, self.clock, self.t, tuple(people), cut=self._cut,
            renamed=dict(self._renamed), fights=tuple(places), index=len(self.moments),
        )  # fmt: skip
        self.moments.append(
            Moment(
                self.t, self.clock, self._sights(),
                frozenset(body.track for body in self.bodies.values()), self.fight, self._cut, self._paused,
                self.profile,
            )
        )  # fmt: skip
        self._renamed, self._removed, self._cut, self._paused = {}, [], False, False
        return self.engine.evaluate(scene)

    def _box(self, lane: int, body: Body) -> tuple[float, ...]:
        wide, tall = LYING if body.action in ("lying", "falling") else UPRIGHT
        x, y = body.x * WIDTH, LANES[lane]
        return x - wide / 2, y - tall, x + wide / 2, y

    def _person(self, lane: int, body: Body) -> Any:
        label = "punching_kicking" if body.action == "unknown" else body.action
        return a_person(
            body.track, at=self.t, state=LOST if body.hidden else CONFIRMED, box=self._box(lane, body),
            action=body.action, action_score=body.action_score, scores={label: body.action_score},
            zones=("left" if body.x < 0.5 else "right",), first=body.first, seen=body.seen, score=body.score,
        )  # fmt: skip

    def _sights(self) -> dict[int, Sight]:
        return {lane: self._sight(body) for lane, body in self.bodies.items() if not body.hidden}

    def _sight(self, body: Body) -> Sight:
        tall = (LYING if body.action in ("lying", "falling") else UPRIGHT)[1]
        return Sight(body.track, body.chain, body.x, tall, body.action, body.action_score, body.score)
