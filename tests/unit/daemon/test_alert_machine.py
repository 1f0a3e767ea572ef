"""Every rule at once, while people come, move, act, hide, are renamed, and the camera cuts, pauses, changes.

A state machine plays a made-up camera (`alert_world`) against the engine. An oracle (`alert_oracle`) that
shares no code with the engine judges every alert, and every alert that should be there and is not. More
examples: POSEWATCH_EXAMPLES=1000 python -m pytest tests/unit/daemon/test_alert_machine.py
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from alert_oracle import EPS, PRESENCE, crossed, fits, may_raise, must_be_on, watches
from alert_world import LANES, Body, World
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.config.rules import (
    AbsenceRule,
    CrowdRule,
    FallRule,
    FightRule,
    LineCrossingRule,
    LoiteringRule,
    LyingRule,
    Rule,
    RunningRule,
    WavingRule,
    ZoneEntryRule,
    ZoneExitRule,
)
from daemon.config.schedule import Hours
from daemon.messages import Message
from daemon.reasons import EndReason

pytestmark = pytest.mark.timeout(900)  # to make a failure short takes hypothesis up to five minutes

MIDDLE = ((0.5, 1.0), (0.5, 0.0))  # up the image: left of it is the left half
BOTH = ("left", "right")
BY_ZONE = ("entry", "stay", "crowd", "out")
PROFILES = ("home", "away", "night", "home", None)
# It is 22:13:20 on a Tuesday when the world begins.
HOURS = [
    (),
    (),
    (),
    (),
    (Hours(from_="22:14", to="22:15", timezone="UTC"),),
    (Hours(from_="22:14", to="22:13", days=("mon",), timezone="UTC"),),
    (Hours(to="22:14", timezone="UTC"), Hours(from_="22:16", to="06:00", timezone="UTC")),
]


@st.composite
def common(draw, zones=((), ("left",), BOTH), waits=(0.0, 0.5, 2.0)) -> dict[str, Any]:
    return {
        "for": draw(st.sampled_from(waits)),
        "clear": draw(st.sampled_from([0.0, 1.0, 3.0])),
        "cooldown": draw(st.sampled_from([0.0, 4.0, 15.0])),
        "cooldown_by": draw(st.sampled_from(["track", "zone", "rule"])),
        "zones": draw(st.sampled_from(zones)),
        "profiles": draw(st.sampled_from([(), (), (), ("home",), ("away", "night")])),
        "schedule": draw(st.sampled_from(HOURS)),
    }


@st.composite
def every_rule(draw) -> dict[str, Rule]:
    lasting = common(waits=(0.5, 2.0, 8.0))
    zoned = common(zones=(("left",), BOTH))
    direction = draw(st.sampled_from(["both", "left_to_right", "right_to_left"]))
    return {
        "entry": ZoneEntryRule(type="zone_entry", min_score=0.5, **draw(zoned)),
        "stay": LoiteringRule(type="loitering", **draw(common())),
        "crowd": CrowdRule(type="crowd", min_people=2, **draw(common())),
        "waves": WavingRule(type="waving", **draw(common())),
        "two_wave": WavingRule(type="waving", min_people=2, **draw(common())),
        "runs": RunningRule(type="running", min_score=0.8, **draw(common())),
        "lies": LyingRule(type="lying", **draw(common())),
        "out": ZoneExitRule(type="zone_exit", **draw(zoned)),
        "line": LineCrossingRule(type="line_crossing", line=MIDDLE, direction=direction, **draw(common())),
        "gone": AbsenceRule(type="absence", min_score=0.5, **draw(lasting)),
        "alone": AbsenceRule(type="absence", min_people=2, **draw(lasting)),
        "fight": FightRule(type="fight", **draw(common())),
        "fall": FallRule(type="fall", **draw(common())),
    }


@dataclass
class Alert:
    """What was said of an alert; `tracks` are its people as they are called now, `chains` who they are."""

    rule: str
    zone: str
    chains: set[int]
    raised: float
    zones: set[str]
    seq: int = 0
    tracks: list[str] = field(default_factory=list)
    cleared: float | None = None
    reason: str | None = None


SECONDS = st.sampled_from([3.0, 6.0, 1.0, 0.2])
ACTION = st.sampled_from(["waving", "lying", "running", "falling", "standing", "unknown"])
LANE = st.sampled_from(sorted(LANES))
PLACE = st.sampled_from([0.1, 0.3, 0.46, 0.501, 0.54, 0.7, 0.9])


class AlertMachine(RuleBasedStateMachine):
    @initialize(rules=every_rule(), fps=st.sampled_from([2.0, 5.0, 12.0]))
    def begin(self, rules: dict[str, Rule], fps: float) -> None:
        self.world = World(rules, fps=fps)
        self.since = dict.fromkeys(rules, -1.0)  # when each rule was last not watching
        self.alerts: dict[str, Alert] = {}
        self.chains: dict[str, int] = {}
        self.states = dict.fromkeys(rules, "OFF")
        self.crossings: dict[int, float] = {}
        assert {one.payload for one in self.world.engine.states()} == {"OFF"}
        for lane in LANES:
            self.body(lane)

    @property
    def open(self) -> dict[str, Alert]:
        return {key: one for key, one in self.alerts.items() if one.cleared is None}

    # --- what happens ---------------------------------------------------------------------------------

    @rule(seconds=SECONDS)
    def run(self, seconds: float) -> None:
        for _ in range(max(1, round(seconds * self.world.fps))):
            self.frame()

    @rule(lane=LANE, x=PLACE, seconds=SECONDS)
    def walk(self, lane: int, x: float, seconds: float) -> None:
        self.body(lane).target = x
        self.run(seconds)

    @rule(lane=LANE, seconds=SECONDS)
    def cross(self, lane: int, seconds: float) -> None:
        self.body(lane).target = 0.3 if self.body(lane).x > 0.5 else 0.7
        self.run(seconds)

    @rule(lane=LANE, action=ACTION, score=st.sampled_from([0.9, 0.7, 0.3]), seconds=SECONDS)
    def act(self, lane: int, action: str, score: float, seconds: float) -> None:
        self.body(lane).action, self.body(lane).action_score = action, score
        self.run(seconds)

    @rule(action=ACTION, seconds=SECONDS)
    def act_together(self, action: str, seconds: float) -> None:
        for lane in LANES:
            self.body(lane).action = action
        self.run(seconds)

    @rule(
        lane=LANE,
        what=st.sampled_from(["leave", "score", "hide", "hide", "break", "rename"]),
        seconds=SECONDS,
    )
    def disturb(self, lane: int, what: str, seconds: float) -> None:
        body = self.body(lane)
        if what == "leave":
            self.world.leave(lane)
        elif what == "score":
            body.score = 1.2 - body.score  # 0.9 or 0.3
        elif what == "hide":
            body.hidden = not body.hidden
        elif what == "break":
            self.world.break_track(lane)
        else:
            self._rename({body.track: self.world.name()})
        self.run(seconds)

    @rule(seconds=SECONDS)
    def everybody_leaves(self, seconds: float) -> None:
        for lane in list(self.world.bodies):
            self.world.leave(lane)
        self.run(seconds)

    @precondition(lambda self: len(self.world.bodies) >= 2)
    @rule()
    def swap(self) -> None:
        first, second = (body.track for body in list(self.world.bodies.values())[:2])
        self._rename({first: second, second: first})

    @rule(what=st.sampled_from(["cut", "pause", "rate", "clock"]), more=st.booleans(), seconds=SECONDS)
    def camera(self, what: str, more: bool, seconds: float) -> None:
        if what == "cut":
            self.world.cut()
        elif what == "pause":
            self.world.pause(40.0 if more else 14.0)
            self.frame()  # twice as long without a frame in between would be the camera's rate
        elif what == "rate":
            self.world.set_fps({0.7: 5.0, 2.0: 12.0, 5.0: 2.0, 12.0: 0.7}[self.world.fps] if more else 5.0)
        else:
            self.world.step_clock(50.0 if more else -25.0)
        self.run(seconds)

    @rule(fight=st.sampled_from([None, (0.9, 2), (0.9, 1), (0.4, 3)]), seconds=SECONDS)
    def fight(self, fight: tuple[float, int] | None, seconds: float) -> None:
        self.world.fight = fight
        self.run(seconds)

    @rule(profile=st.sampled_from(PROFILES))
    def change_profile(self, profile: str | None) -> None:
        messages = self.world.set_profile(profile)
        self.check(messages, {"profile"}, may_raise_now=False)
        for name, one in self.world.rules.items():
            if one.profiles and profile not in one.profiles:
                self.since[name] = self.world.t
        self.run(0.2)

    @rule(reason=st.sampled_from([EndReason.CAMERA_LOST, EndReason.SWITCHED_OFF]))
    def close(self, reason: EndReason) -> None:
        self.check(self.world.close(reason), {reason.value}, may_raise_now=False)
        assert not self.open
        assert self.world.engine.active == ()
        assert self.world.close(reason) == []
        self.since = dict.fromkeys(self.since, self.world.t)

    def body(self, lane: int) -> Body:
        """Somebody in the lane, who comes now where there is nobody."""
        if lane not in self.world.bodies:
            self.world.appear(lane, 0.3 if lane else 0.7)
        return self.world.bodies[lane]

    def _rename(self, names: dict[str, str]) -> None:
        chains = {new: self.chains.get(old, -1) for old, new in names.items()}
        self.world._renamed = names
        self.chains.update(chains)
        for alert in self.alerts.values():
            alert.tracks = [names.get(track, track) for track in alert.tracks]
        self.frame()

    # --- what must be true ----------------------------------------------------------------------------

    def frame(self) -> None:
        messages = self.world.run_one()
        moment = self.world.moments[-1]
        for lane, sight in moment.seen.items():
            self.chains[sight.track] = sight.chain
            assert lane in LANES
        off = {
            name for name, one in self.world.rules.items() if not watches(one, moment.profile, moment.clock)
        }
        self.check(messages, {"over", "schedule", "profile"}, off=off)
        for name in off:
            self.since[name] = moment.t
        assert not off & {alert.rule for alert in self.open.values()}
        self.check_what_must_be_on(off)
        self.world.moments[:] = self.world.moments[-400:]

    def check(
        self, messages: list[Message], reasons: set[str], *, off: set[str] = frozenset(), may_raise_now=True
    ) -> None:
        for message in messages:
            if "/alert/" in message.topic:
                self.check_state(message)
                continue
            payload = message.payload
            assert len(json.dumps(payload)) < 8000
            assert payload["type"] in ("raised", "updated", "cleared")
            assert (
                (payload["reason"] is None) == (payload["end_time"] is None) == (payload["type"] != "cleared")
            )
            name, settings_ = payload["rule"], self.world.rules[payload["rule"]]
            if payload["type"] == "raised":
                assert may_raise_now
                assert name not in off
                assert payload["seq"] == 0
                self.check_raised(name, settings_, payload)
                continue
            alert = self.open[payload["id"]]
            alert.seq += 1
            assert payload["seq"] == alert.seq
            alert.tracks = payload["tracks"]
            alert.zones |= set(payload["zones"])
            alert.chains |= {self.chains[track] for track in payload["tracks"] if track in self.chains}
            if payload["type"] == "cleared":
                assert payload["reason"] in reasons
                assert (payload["reason"] in ("schedule", "profile")) == (
                    name in off or ("profile" in reasons and len(reasons) == 1)
                )
                assert payload["end_time"] >= payload["start_time"]
                alert.cleared, alert.reason = self.world.t, payload["reason"]
                if payload["reason"] == "over":
                    self.check_over(alert, settings_)
        for name, state in self.states.items():
            assert (state == "ON") == any(one.rule == name for one in self.open.values())

    def check_state(self, message: Message) -> None:
        name = message.topic.rsplit("/", 1)[1]
        assert (message.qos, message.retain) == (1, True)
        assert message.payload != self.states[name]  # ON and OFF take turns
        self.states[name] = message.payload

    def check_raised(self, name: str, settings_: Rule, payload: dict[str, Any]) -> None:
        assert payload["id"] not in self.alerts
        group = settings_.min_people > 1 or settings_.type in ("absence", "fight")
        zone = payload["zones"][0] if name in BY_ZONE and settings_.zones else ""
        moments, since = self.world.moments, self.since[name]
        lane, chains = None, set()
        if not group:
            lane, sight = next(
                (lane, sight)
                for lane, sight in moments[-1].seen.items()
                if sight.track == payload["tracks"][-1]
            )
            chains = {sight.chain}
        assert may_raise(settings_, moments, since, lane, zone), (name, payload)
        alert = Alert(name, zone, chains, self.world.t, set(payload["zones"]), tracks=payload["tracks"])
        for other in self.alerts.values():
            if other.rule == name:
                self.check_apart(alert, other, settings_, group)
        if name == "line":
            at = crossed(settings_, moments, since, lane)
            assert self.crossings.get(lane) != at  # each crossing is told once
            self.crossings[lane] = at
        self.alerts[payload["id"]] = alert

    def check_apart(self, alert: Alert, other: Alert, settings_: Rule, group: bool) -> None:
        """One alert for each situation, and the cool-down after it."""
        same_zone = alert.zone == other.zone
        if settings_.cooldown_by == "track":
            related = same_zone and (group or bool(alert.chains & other.chains))
        elif settings_.cooldown_by == "zone":
            of_rule = set(settings_.zones) or set(BOTH)
            related = (alert.zones & of_rule or {""}) & (other.zones & of_rule or {""}) != set()
        else:
            related = True
        if not related:
            return
        assert other.cleared is not None
        if other.reason == "over":
            assert alert.raised >= other.cleared + settings_.cooldown - EPS

    def check_over(self, alert: Alert, settings_: Rule) -> None:
        """Nobody of it does so any more in the frame in which it is cleared."""
        if settings_.min_people > 1 or settings_.type not in ("waving", "running", "lying", *PRESENCE):
            return
        for sight in self.world.moments[-1].seen.values():
            if sight.track == (alert.tracks or [None])[-1] and self.world.disturbed < self.world.t - 10.0:
                assert not fits(settings_, sight, alert.zone)

    def check_what_must_be_on(self, off: set[str]) -> None:
        """Whatever has gone on for long enough, with nothing in the way of it, has its alert."""
        moments, on = self.world.moments, list(self.open.values())
        for name, settings_ in self.world.rules.items():
            if name in off or name in ("fight", "fall", "out", "line"):
                continue
            if any(
                one.rule == name
                and one.cleared is not None
                and moments[-1].t - one.cleared <= settings_.cooldown + EPS
                for one in self.alerts.values()
            ):
                continue
            since = max(self.since[name], self.world.disturbed)
            mine = [one for one in on if one.rule == name]
            if mine and settings_.cooldown_by != "track":
                continue
            zones = settings_.zones if name in BY_ZONE and settings_.zones else ("",)
            if settings_.type == "absence" or settings_.min_people > 1:
                for zone in zones:
                    if must_be_on(settings_, moments, since, None, zone):
                        assert any(one.zone == zone for one in mine), (name, zone)
                continue
            for sight in moments[-1].seen.values():
                for zone in zones:
                    if must_be_on(settings_, moments, since, sight.chain, zone):
                        assert any(one.zone == zone and sight.track in one.tracks for one in mine), name

    @invariant()
    def active_is_what_was_said(self) -> None:
        if hasattr(self, "world"):
            assert set(self.world.engine.active) == {one.rule for one in self.open.values()}

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.check(self.world.close(EndReason.SHUTDOWN), {"shutdown"}, may_raise_now=False)
            assert not self.open
            assert {one.payload for one in self.world.engine.states()} == {"OFF"}


TestAlertMachine = AlertMachine.TestCase
TestAlertMachine.settings = settings(
    max_examples=int(os.environ.get("POSEWATCH_EXAMPLES", "40")), stateful_step_count=40
)
