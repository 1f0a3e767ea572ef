"""The life of alerts: raised once, updated, cleared; fast, and one for each situation."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import (
    CONFIRMED,
    DOWN,
    EPOCH,
    LOST,
    REMOVED,
    TIPPING,
    UPRIGHT,
    Camera,
    Part,
    a_person,
    a_scene,
    footprint,
    sinking,
)

from daemon.alerts import AlertEngine
from daemon.config.actions import ActionsConfig
from daemon.config.rules import (
    ActionRule,
    FallRule,
    FightRule,
    LoiteringRule,
    LyingRule,
    Rule,
    ZoneEntryRule,
)
from daemon.messages import Message
from daemon.topics import Topics

FELL_AT, LAY_AT = 3.0, 3.8
FALLING = (Part(0.0, "walking"), Part(FELL_AT, "falling", 0.6), Part(3.4, "falling", 0.7, TIPPING))
FALL = (*FALLING, Part(LAY_AT, "lying", box=DOWN))


def lost(at: float) -> tuple[Part, ...]:
    """A track that is lost at this time, and removed two seconds later."""
    return Part(at, state=LOST), Part(at + 2.0, state=REMOVED), Part(at + 2.05, state=None)


RATES = [5, 7.5, 10, 15, 25, 30]


def rules(**named: Rule) -> dict[str, Rule]:
    return named


def entry(**options) -> ZoneEntryRule:
    return ZoneEntryRule(type="zone_entry", zones=("bed",), **options)


# --- a fall ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", RATES)
def test_a_fall_alerts_at_once_and_once(fps):
    """At any frame rate: as soon as the body is down, and never again for the same fall."""
    camera = Camera(fps=fps).play(40.0, a=FALL).close(40.0)
    [raised, cleared] = camera.alerted("fall")
    assert raised[0] == "raised"
    assert FELL_AT <= raised[1] <= FELL_AT + 0.6
    assert cleared == ("cleared", 40.0)  # nobody has seen the person get up
    payload = next(one for _, one in camera.sent("alerts") if one["rule"] == "fall")
    assert payload["start_time"] == pytest.approx(EPOCH + raised[1])


@pytest.mark.parametrize("fps", RATES)
def test_then_the_person_lies(fps):
    [raised, cleared] = Camera(fps=fps).play(30.0, a=FALL).close(30.0).alerted("lying")
    # 10 s of lying, from when the label is certain: at most two classifications and 0.4 s
    assert LAY_AT + 10.0 <= raised[1] <= LAY_AT + 11.0
    assert cleared == ("cleared", 30.0)


@pytest.mark.parametrize("fps", [5, 15])
def test_a_fall_that_is_only_guessed_at_alerts_once_the_person_lies(fps):
    parts = (
        Part(0.0, "walking"),
        Part(3.0, "bending", 0.55, also=(("falling", 0.35),)),
        Part(3.8, "lying", box=DOWN),
    )
    [raised, _] = Camera(fps=fps).play(20.0, a=parts).close(20.0).alerted("fall")
    assert 3.8 <= raised[1] <= 4.3


@pytest.mark.parametrize("falling", [0.3, 0.6])
def test_who_is_lying_when_first_seen_has_not_fallen(falling):
    """However much the first short windows look like it."""
    first = (
        Part(0.0, "lying", 0.95 - falling, DOWN, also=(("falling", falling),)),
        Part(1.0, "lying", 0.9, DOWN),
    )
    camera = Camera().play(60.0, a=first).close(60.0)
    assert camera.alerted("fall") == []
    assert [kind for kind, _ in camera.alerted("lying")] == ["raised", "cleared"]


@pytest.mark.parametrize(
    ("parts", "falls"),
    [
        # the body never comes down: the jumps of a pose that is half hidden
        ([Part(0.0), Part(5.0, "falling", 0.9), Part(6.0)], 0),
        # a chair that is taken for a person, and that somebody hides in part
        ([Part(0.0, still=True), Part(5.0, "falling", 0.9, TIPPING, still=True)], 0),
        # who lies for long and stirs
        (
            [
                Part(0.0),
                *(Part(1.0 + 0.1 * n, "bending", box=sinking(n / 20)) for n in range(20)),
                Part(3.0, "lying", box=DOWN),
                Part(20.0, "falling", 0.9, DOWN),
                Part(21.0, "lying", box=DOWN),
            ],
            0,
        ),
        # who stands still and then falls
        ([Part(0.0, still=True), Part(5.0, "falling", 0.9, TIPPING), Part(5.4, "lying", box=DOWN)], 1),
    ],
)
def test_a_fall_comes_from_standing_to_lying(parts, falls):
    camera = Camera(rules(fall=FallRule(type="fall"))).play(30.0, a=parts)
    assert [kind for kind, _ in camera.alerted()] == ["raised"] * falls


def test_who_gets_up_clears_the_alert_and_may_fall_again():
    second = 60.0
    parts = (
        *FALL,
        Part(10.0, "standing"),
        Part(second, "falling", 0.7, TIPPING),
        Part(second + 0.8, "lying", box=DOWN),
    )
    camera = Camera().play(70.0, a=parts)
    kinds = camera.alerted("fall")
    assert [kind for kind, _ in kinds] == ["raised", "cleared", "raised"]
    assert 10.0 + 5.0 <= kinds[1][1] <= 10.0 + 6.0  # steadily up for 5 s
    assert camera.alerts.active == ("fall",)
    ids = [payload["id"] for _, payload in camera.sent("alerts") if payload["type"] == "raised"]
    assert len(set(ids)) == len(ids)


# --- tracks that break ----------------------------------------------------------------------------------


def test_a_fall_outlives_its_track():
    """The detector loses who lies on the floor: the alert stays for its 5 s."""
    parts = (*FALLING, *lost(3.6))
    [raised, cleared] = Camera().play(30.0, a=parts).alerted()
    assert raised == ("raised", 3.4)
    assert 3.5 + 5.0 <= cleared[1] <= 3.6 + 5.0  # after it was last seen


@pytest.mark.parametrize("fps", [5, 15])
@pytest.mark.parametrize("again", [3.7, 4.5, 7.5])
def test_a_track_that_breaks_in_the_fall_is_one_alert(fps, again):
    """Lost while falling, found lying with a new id, after the old one was removed or before."""
    old = (*FALLING, *lost(3.5))
    new = (Part(0.0, state=None), Part(again, "lying", box=DOWN))
    camera = Camera(fps=fps).play(25.0, a=old, b=new).close(25.0)
    assert [kind for kind, _ in camera.alerted("fall")] == ["raised", "cleared"]
    assert camera.alerted("fall")[1] == ("cleared", 25.0)
    last = camera.sent("alerts")[-1][1]
    assert last["tracks"] == (["a", "b"] if last["rule"] == "fall" else ["b"])
    assert [kind for kind, _ in camera.alerted("lying")] == ["raised", "cleared"]


def test_lying_goes_on_with_a_new_track():
    """Ten seconds of lying, four of them after the track broke."""
    old = (
        Part(0.0, "lying", box=DOWN),
        Part(6.0, state=LOST),
        Part(8.0, state=REMOVED),
        Part(8.1, state=None),
    )
    new = (Part(0.0, state=None), Part(9.0, "lying", box=DOWN))
    [raised] = Camera().play(20.0, a=old, b=new).alerted("lying")
    assert raised[0] == "raised"
    assert 10.4 <= raised[1] <= 10.8
    # far away it is somebody else, whose own time counts
    other = (Part(0.0, state=None), Part(9.0, "lying", box=(450, 230, 630, 290)))
    assert Camera().play(19.0, a=old, b=other).alerted("lying") == []


def test_an_old_track_that_comes_back_is_the_same_alert():
    old = (*FALL, Part(6.0, state=LOST), Part(7.0, "lying", box=DOWN), Part(8.0, state=LOST))
    new = (
        Part(0.0, state=None),
        Part(6.2, "lying", box=DOWN),
        Part(7.0, state=LOST),
        Part(8.0, "lying", box=DOWN),
    )
    kinds = Camera().play(40.0, a=old, b=new).alerted()
    assert [kind for kind, _ in kinds] == ["raised", "raised"]  # fall, lying


def test_somebody_who_comes_to_help_does_not_take_the_alert():
    helper = (Part(0.0, "standing", box=(400, 100, 460, 280)), Part(5.0, "bending", box=DOWN))
    kinds = Camera().play(30.0, a=FALL, h=helper).alerted("fall")
    assert [kind for kind, _ in kinds] == ["raised"]


@pytest.mark.parametrize(("x", "count"), [(180, 1), (450, 2)])
def test_one_fallen_person_with_two_boxes_is_one_alert(x, count):
    """What was a chair's track now covers half of who lies there; elsewhere it is a second fall."""
    box = (x, 240, x + 180, 300)
    chair = (
        Part(0.0, "sitting", box=(330, 150, 400, 290)),
        Part(4.0, "falling", 0.7, box),
        Part(4.6, "lying", 0.9, box),
    )
    camera = Camera(rules(fall=FallRule(type="fall"))).play(20.0, a=FALL, chair=chair)
    raised = [payload for _, payload in camera.sent("alerts") if payload["type"] == "raised"]
    assert len(raised) == count
    last = camera.sent("alerts")[-1][1]
    assert last["tracks"] == (["a", "chair"] if count == 1 else ["chair"])
    assert len(camera.alerted()) == count
    frames = 15 * (20.0 - last["start_time"] + EPOCH)
    assert last["evidence"]["observations"] <= frames + 1  # a frame counts once


def test_a_fall_that_goes_over_to_a_track_that_was_there_is_one_alert():
    there, here = (330, 150, 400, 290), (140, 240, 320, 300)
    chair = (
        Part(0.0, "sitting", box=there),
        Part(4.0, "falling", 0.7, here),
        Part(4.6, "lying", 0.9, here),
    )
    camera = Camera(rules(fall=FallRule(type="fall"))).play(20.0, a=(*FALLING, *lost(3.6)), chair=chair)
    assert [kind for kind, _ in camera.alerted()] == ["raised"]
    assert camera.sent("alerts")[-1][1]["tracks"] == ["a", "chair"]


def _moved(box, x: float) -> tuple[float, ...]:
    return box[0] + x, box[1], box[2] + x, box[3]


def test_the_cool_down_holds_for_a_new_track_in_the_same_place():
    old = (*FALLING, *lost(3.6))
    again = 12.0  # cleared at 8.6, cooling until 38.6
    new = (
        Part(0.0, state=None),
        Part(again, "standing"),
        Part(again + 2, "falling", 0.8, TIPPING),
        Part(again + 3, "standing"),
    )
    rule = {"fall": FallRule(type="fall", cooldown=30.0)}
    assert [kind for kind, _ in Camera(rule).play(30.0, a=old, b=new).alerted("fall")] == [
        "raised",
        "cleared",
    ]
    elsewhere = tuple(replace(one, box=_moved(one.box, 250)) for one in new)
    kinds = Camera().play(30.0, a=old, b=elsewhere).alerted("fall")
    assert [kind for kind, _ in kinds] == ["raised", "cleared", "raised", "cleared"]


def test_an_intruder_whose_track_breaks_is_one_alert():
    old = (Part(0.0, zones=("bed",)), *lost(3.0))
    new = (Part(0.0, state=None), Part(3.5, zones=("bed",)))
    camera = Camera(rules(in_bed=entry())).play(20.0, a=old, b=new)
    assert camera.alerted() == [("raised", 0.0)]
    assert camera.sent("alerts")[-1][1]["tracks"] == ["a", "b"]


# --- for, clear, cool-down ------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [0.2, 0.5, 2, *RATES])
def test_loitering_is_timed_in_seconds_at_any_frame_rate(fps):
    rule = LoiteringRule(type="loitering", **{"for": 30})
    in_bed = entry(**{"for": 12})
    camera = Camera(rules(stays=rule, in_bed=in_bed), fps=fps).play(60.0, a=[Part(0.0, zones=("bed",))])
    for name, wait in (("stays", 30.0), ("in_bed", 12.0)):
        [raised] = camera.alerted(name)
        assert wait <= raised[1] <= wait + 1 / fps


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("wait", [0.6, 2.0])
def test_a_fight_must_go_on(fps, wait):
    rule = FightRule(type="fight", **{"for": wait})
    hits = [Part(0.0), Part(2.0, "punching_kicking"), Part(2.0 + wait - 0.3), Part(10.0, "punching_kicking")]
    victim = [Part(0.0, box=(240, 100, 300, 280))]
    camera = Camera(rules(fight=rule), fps=fps).play(14.0, a=hits, b=victim)
    raised = [at for kind, at in camera.alerted() if kind == "raised"]
    assert len(raised) == 1
    assert 10.0 + wait <= raised[0] <= 10.0 + wait + 2 * max(0.2, 1 / fps)


def test_a_short_gap_is_part_of_it_a_long_one_is_not():
    rule = ActionRule(type="action", actions=("waving",), **{"for": 3})
    short = [Part(0.0, "waving"), Part(2.0), Part(2.4, "waving")]
    long = [Part(0.0, "waving"), Part(2.0), Part(3.5, "waving")]
    [raised] = Camera(rules(help=rule)).play(6.5, a=short).alerted()
    assert raised[1] < 4.0
    assert Camera(rules(help=rule)).play(6.5, a=long).alerted() == []


def test_who_sat_up_in_between_lies_anew():
    """Being seen up ends what had begun; being out of sight for as long does not."""
    sat = [Part(0.0, "lying"), Part(3.0, "sitting"), Part(5.0, "lying")]
    hidden = [Part(0.0, "lying"), Part(3.0, state=LOST), Part(5.0, "lying")]
    [raised] = Camera().play(20.0, a=sat).alerted("lying")
    assert 15.0 <= raised[1] <= 16.0
    [raised] = Camera().play(20.0, a=hidden).alerted("lying")
    assert 10.0 <= raised[1] <= 11.0


def test_an_unseen_minute_is_no_time_of_lying():
    """The camera is away in between: what nobody saw does not count, whoever lies there afterwards."""
    camera = Camera().play(3.0, a=[Part(0.0, "lying", box=DOWN)])
    camera.play(69.0, start=63.0, a=[Part(0.0, "lying", box=DOWN)])
    assert camera.alerted() == []
    camera.play(75.0, start=69.1, a=[Part(0.0, "lying", box=DOWN)])
    [raised] = camera.alerted()
    assert 73.0 <= raised[1] <= 74.0


def test_an_alert_goes_on_over_a_pause_of_the_camera():
    camera = Camera().play(15.0, a=FALL)
    camera.play(100.0, start=90.0, a=FALL)
    assert [kind for kind, _ in camera.alerted()] == ["raised", "raised"]  # fall, lying
    # and is cleared at once when the person is gone by then
    camera.play(200.0, start=190.0)
    assert camera.alerted()[2:] == [("cleared", 190.0)] * 2
    assert camera.alerts.active == ()


@pytest.mark.parametrize("clear", [0.0, 1.0, 5.0, 20.0])
def test_an_alert_clears_after_its_time_without_evidence(clear):
    rule = entry(clear=clear)
    parts = [Part(0.0, zones=("bed",)), Part(4.0)]
    [_, cleared] = Camera(rules(in_bed=rule), fps=10).play(40.0, a=parts).alerted()
    # 3.9 is the last frame in the zone
    assert cleared == ("cleared", pytest.approx(max(4.0, 3.9 + clear), abs=0.01))


@pytest.mark.parametrize("cooldown", [0.0, 10.0, 30.0])
def test_the_cool_down_holds(cooldown):
    """In and out of bed every 2 s, the alert clears after 0.5 s."""
    rule = entry(clear=0.5, cooldown=cooldown)
    parts = [Part(float(n), zones=("bed",) if n % 4 < 2 else ()) for n in range(80)]
    kinds = Camera(rules(in_bed=rule)).play(79.0, a=parts).alerted()
    cleared = None
    for kind, at in kinds:
        if kind == "cleared":
            cleared = at
        elif cleared is not None:
            assert at >= cleared + cooldown - 0.01
            assert at <= cleared + cooldown + 4.1  # and not much longer than it must
    assert len(kinds) >= 4


def test_other_people_do_not_cool_down():
    rule = entry(clear=0.5, cooldown=600)
    first = [Part(0.0, zones=("bed",)), Part(2.0)]
    second = [Part(0.0, box=(400, 100, 460, 280)), Part(5.0, zones=("bed",), box=(400, 100, 460, 280))]
    camera = Camera(rules(in_bed=rule)).play(10.0, a=first, b=second)
    assert [payload["tracks"] for _, payload in camera.sent("alerts")] == [["a"], ["a"], ["b"]]


# --- messages -------------------------------------------------------------------------------------------


def test_every_field_of_an_alert():
    rule = LyingRule(type="lying", severity="info", cooldown=60, **{"for": 2})
    camera = Camera(rules(bedside=rule), fps=10, zones=("bed",))
    camera.play(6.0, a=[Part(0.0, "lying", 0.8, DOWN, zones=("bed",))])
    [(at, message)] = [(at, one) for at, one in camera.log if one.topic.endswith("/alerts")]
    assert (message.qos, message.retain) == (1, False)
    payload = dict(message.payload)
    evidence = payload.pop("evidence")
    assert payload == {
        "type": "raised",
        "id": f"{round((EPOCH + at) * 1000)}-door-1",
        "seq": 0,
        "rule": "bedside",
        "severity": "info",
        "camera": "door",
        "tracks": ["a"],
        "zones": ["bed"],
        "action": "lying",
        "score": 0.8,
        "start_time": EPOCH + 0.4,
        "end_time": None,
        "reason": None,
        "snapshot": None,
        "clip": None,
    }
    scores, frames = evidence.pop("scores"), evidence.pop("frames")
    assert len(scores) == len(frames) == len(evidence["speeds"]) == len(evidence["landmark_quality"])
    assert evidence == {
        "type": "lying",
        "thresholds": {
            "min_score": 0.5,
            "for": 2.0,
            "cooldown": 60.0,
            "cooldown_by": "track",
            "clear": 5.0,
            "min_people": 1,
        },
        "first_time": EPOCH + 0.4,
        "last_time": EPOCH + 2.4,
        "observations": 21,
        "speeds": [0.0] * 21,
        "landmark_quality": [None] * 21,
        "zones": {"bed": 0.0},
        "models": {},
        "after_fall": False,
        "boxes": {"a": [0.2344, 0.4792, 0.5156, 0.6042]},
    }
    assert scores[0] == [0.0, 0.8]
    assert scores[-1] == [2.0, 0.8]
    assert frames[0] == [4, EPOCH + 0.4]  # number and time
    assert frames[-1] == [24, EPOCH + 2.4]
    [state] = [one for _, one in camera.log if "/alert/" in one.topic]
    assert (state.topic, state.payload) == ("posewatch/door/alert/bedside", "ON")
    assert (state.qos, state.retain) == (1, True)


def test_what_is_on_is_retained_before_during_and_after():
    camera = Camera()
    start = {one.topic: one for one in camera.alerts.states()}
    assert {topic: one.payload for topic, one in start.items()} == {
        f"posewatch/door/alert/{rule}": "OFF" for rule in ("fall", "lying", "fight")
    }
    assert all(one.retain and one.qos == 1 for one in start.values())
    camera.play(20.0, a=FALL)
    assert {one.topic: one.payload for one in camera.alerts.states()}["posewatch/door/alert/fall"] == "ON"
    camera.close(20.0)
    assert {one.payload for one in camera.alerts.states()} == {"OFF"}


def test_two_people_are_two_alerts_and_one_state():
    """ON until the last one has cleared, with no OFF in between."""
    second = tuple(replace(one, start=one.start + 10, box=_moved(one.box, 250)) for one in FALL)
    camera = Camera(rules(fall=FallRule(type="fall")))
    camera.play(60.0, a=(*FALL, Part(20.0, "standing")), b=(*second, Part(40.0, "standing")))
    assert [kind for kind, _ in camera.alerted()] == ["raised", "raised", "cleared", "cleared"]
    states = [one.payload for _, one in camera.log if "/alert/" in one.topic]
    assert states == ["ON", "OFF"]
    assert len({payload["id"] for _, payload in camera.sent("alerts")}) == 2


def test_updates_tell_of_more_people_at_once_and_of_more_time_now_and_then():
    rule = FightRule(type="fight", cooldown=0)
    first, second = [Part(0.0, "punching_kicking")], [Part(0.0, box=(240, 100, 300, 280))]
    third = [Part(0.0, state=None), Part(15.0, box=(280, 100, 340, 280))]
    camera = Camera(rules(fight=rule)).play(30.0, a=first, b=second, c=third)
    told = [(payload["type"], round(at, 1), payload["tracks"]) for at, payload in camera.sent("alerts")]
    assert told == [
        ("raised", 0.8, ["a", "b"]),
        ("updated", 10.8, ["a", "b"]),
        ("updated", 15.0, ["a", "b", "c"]),
        ("updated", 25.0, ["a", "b", "c"]),
    ]
    assert [payload["seq"] for _, payload in camera.sent("alerts")] == [0, 1, 2, 3]


def test_rules_that_are_not_enabled_do_nothing():
    off = {"fall": FallRule(type="fall", enabled=False)}
    camera = Camera(off).play(10.0, a=FALL).close(10.0)
    assert camera.sent("alerts") == []
    assert camera.alerts.states() == []


def test_switching_off_clears_and_forgets_what_had_begun():
    camera = Camera().play(13.0, a=FALL)  # the fall is raised, 9 s of lying
    camera.log += [(13.0, one) for one in camera.alerts.close(EPOCH + 13.0)]
    assert camera.alerted()[-1] == ("cleared", 13.0)
    assert camera.alerts.close(EPOCH + 13.0) == []
    camera.play(20.0, start=13.1, a=FALL)
    assert [kind for kind, _ in camera.alerted()] == ["raised", "cleared"]
    camera.play(25.0, start=20.1, a=FALL)
    assert camera.alerted()[2][0] == "raised"  # 10 s of lying since it was switched on again


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_clock_changes_no_decision(step):
    """An hour back or forth at 8 s: alerts come and go as without it, and none ends before it began."""
    parts = (*FALL, Part(16.0, "standing"))
    plain = Camera().play(40.0, a=parts).close(40.0)
    stepped = Camera(clock=lambda at: EPOCH + at + (step if at >= 8.0 else 0.0))
    stepped.play(40.0, a=parts).close(40.0)
    assert stepped.alerted() == plain.alerted()
    for (_, one), (_, other) in zip(stepped.sent("alerts"), plain.sent("alerts"), strict=True):
        assert one["evidence"]["scores"] == other["evidence"]["scores"]
        assert one["end_time"] is None or one["end_time"] >= one["start_time"]


# --- for hours, for days --------------------------------------------------------------------------------


def test_a_long_alert_stays_small():
    """A fight with ever new people, and somebody who lies, in one frame a second."""
    every = {"fight": FightRule(type="fight"), "lying": LyingRule(type="lying")}
    camera = Camera(every, fps=1.0, settings=ActionsConfig(every=1.0))
    lies, minutes = [Part(0.0, "lying", box=DOWN)], 45
    for n in range(minutes):
        start = n * 60.0
        hits = [Part(start, "punching_kicking", box=(300, 100, 360, 280)), Part(start + 70, state=LOST)]
        camera.play(start + 59, start, lies=lies, **{f"170000000{n:04d}-door-{n}": hits, f"{n}": hits})
    last = {payload["rule"]: payload for _, payload in camera.sent("alerts")}
    for payload in last.values():
        assert len(Message("", payload).encode()) < 6000
        assert payload["tracks"][-1] in (f"{minutes - 1}", "lies")  # the latest people are named
        scores = payload["evidence"]["scores"]
        assert 16 <= len(scores) <= 32
        gaps = [later[0] - earlier[0] for earlier, later in pairwise(scores)]
        assert max(gaps) <= 2.1 * min(gaps)  # evenly over the whole time
    assert last["lying"]["evidence"]["observations"] > 55 * minutes


def test_a_thousand_people_leave_nothing_behind():
    every = {
        "fall": FallRule(type="fall", cooldown=5, clear=1),
        "lying": LyingRule(type="lying", cooldown=5, clear=1, **{"for": 0.2}),
        "fight": FightRule(type="fight", cooldown=5, clear=1),
        "in_bed": entry(cooldown=86400),
        "stays": LoiteringRule(type="loitering", cooldown=86400, **{"for": 0.4}),
        "help": ActionRule(type="action", actions=("waving",), cooldown=86400, **{"for": 0}),
    }
    camera = Camera(every, fps=5.0, zones=("bed",))
    labels = ("falling", "lying", "punching_kicking", "waving", "walking")
    sizes = []
    for round_ in range(34):
        start = round_ * 10.0
        people = {}
        for n in range(30):
            x = (n * 97 + round_ * 31) % 500
            box = (x, 100, x + 60, 280)
            people[f"{round_}-{n}"] = [
                Part(0.0, labels[(n + round_) % 5], box=box, zones=("bed",)),
                Part(start + 2.0, state=REMOVED),
                Part(start + 2.2, state=None),
            ]
        camera.play(start + 2.2, start=start, **people)
        camera.play(start + 9.4, start=start + 2.4)
        camera._first.clear()
        camera.log.clear()
        sizes.append(footprint(camera.alerts, camera.events, camera.actions, camera._scores))
    assert max(sizes[1:]) <= sizes[1] + 3


# --- whatever happens -----------------------------------------------------------------------------------

KINDS = st.sampled_from(["walking", "falling", "lying", "waving", "punching_kicking", None])
STATES = st.sampled_from([CONFIRMED] * 4 + [LOST])


@st.composite
def stories(draw):
    """Up to three people who do anything for a while and are removed, some of them lost in between."""
    people = {}
    for name in draw(st.sets(st.sampled_from("abc"), min_size=1)):
        at, parts = draw(st.floats(0, 3)), []
        for _ in range(draw(st.integers(1, 6))):
            box = draw(st.sampled_from([UPRIGHT, DOWN, (400, 100, 460, 280)]))
            zones = draw(st.sampled_from([(), ("bed",)]))
            label, score = draw(KINDS), draw(st.floats(0.4, 0.95))
            parts.append(Part(at, label, score, box, zones, draw(STATES)))
            at += draw(st.floats(0.1, 8))
        parts += [Part(at, state=REMOVED), Part(at + 1e-3, state=None)]
        # The removed are in exactly one scene: the first after their end.
        people[name] = [Part(0.0, state=None), *parts]
    return people


def play_frames(camera: Camera, people, until: float) -> None:
    """Like `Camera.play`, with each REMOVED in one frame, at whatever time that is."""
    frames = [n / camera.fps for n in range(round(until * camera.fps) + 1)]
    shown = {}
    for name, parts in people.items():
        *life, removed, _ = parts
        at = next(frame for frame in frames if frame >= removed.start)
        shown[name] = [*life, Part(at, state=REMOVED), Part(at + 0.5 / camera.fps, state=None)]
    camera.play(until, **shown)


@settings(max_examples=25)
@given(
    stories(),
    st.sampled_from([5.0, 10.0, 15.0]),
    st.floats(0, 3),
    st.floats(0, 4),
    st.floats(0, 10),
)
def test_alerts_keep_their_order_whatever_happens(people, fps, wait, clear, cooldown):
    common = {"for": wait, "clear": clear, "cooldown": cooldown}
    every = {
        "fall": FallRule(type="fall", **common),
        "lying": LyingRule(type="lying", **common),
        "fight": FightRule(type="fight", **common),
        "in_bed": entry(**common),
        "stays": LoiteringRule(type="loitering", **common),
        "help": ActionRule(type="action", actions=("waving",), **common),
    }
    camera = Camera(every, fps=fps, zones=("bed",))
    play_frames(camera, people, 60.0)
    camera.close(60.0)
    lives = defaultdict(list)
    for at, payload in camera.sent("alerts"):
        lives[payload["id"]].append((at, payload))
    for life in lives.values():
        kinds = [payload["type"] for _, payload in life]
        assert kinds == ["raised", *["updated"] * (len(life) - 2), "cleared"]
        assert [payload["seq"] for _, payload in life] == list(range(len(life)))
        assert len({payload["rule"] for _, payload in life}) == 1
        assert len({payload["start_time"] for _, payload in life}) == 1
        raised_at, first = life[0]
        assert EPOCH + raised_at - first["start_time"] >= wait - 0.002
        assert [one["end_time"] is None for _, one in life] == [True] * (len(life) - 1) + [False]
        assert all(one["score"] >= every[one["rule"]].min_score - 0.001 for _, one in life)
    # One at a time for each person and zone, and the cool-down after it.
    spans = defaultdict(list)
    for life in lives.values():
        (raised_at, first), (cleared_at, _) = life[0], life[-1]
        whose = "" if first["rule"] == "fight" else first["tracks"][0]
        spans[first["rule"], whose].append((raised_at, cleared_at))
    for times in spans.values():
        for (_, cleared_at), (raised_at, _) in pairwise(sorted(times)):
            assert raised_at >= cleared_at + cooldown - 1e-6
    # ON exactly while something is raised.
    on, raised = set(), defaultdict(set)
    for _, message in camera.log:
        level = message.topic.split("/")
        if level[2] == "alerts":
            ids = raised[message.payload["rule"]]
            (ids.discard if message.payload["type"] == "cleared" else ids.add)(message.payload["id"])
        elif level[2] == "alert":
            (on.add if message.payload == "ON" else on.discard)(level[3])
            assert (level[3] in on) == bool(raised[level[3]])
    assert not on
    assert not any(raised.values())


# --- another name, another scene ------------------------------------------------------------------------


def _entry_alerts(renamed_at: float, names: dict[str, str], later: str) -> list[str]:
    """Alerts of a zone entry by `new`, who goes on as `later` from some time on."""
    engine = AlertEngine("door", rules(entry=entry(clear=0.5)), Topics("posewatch"))
    sent = []
    for n in range(60):
        at = n / 10
        known = at >= renamed_at
        person = a_person(later if known else "new", at=at, zones=("bed",), score=0.9)
        scene = a_scene(at, person)
        if known and at < renamed_at + 0.05:
            scene = replace(scene, renamed=names)
        sent += [m.payload["type"] for m in engine.evaluate(scene) if m.topic.endswith("/alerts")]
    return sent


def test_an_alert_goes_on_when_its_person_gets_another_name():
    assert _entry_alerts(3.0, {"new": "old"}, "old") == ["raised", "updated"]


def test_without_that_it_is_another_alert():
    assert sorted(_entry_alerts(3.0, {}, "old")) == ["cleared", "raised", "raised"]


def test_who_gets_up_and_falls_again_is_alerted_again_at_once():
    """Ten seconds after the first alert has cleared: with the cool-down of other rules it would be missed."""
    up, again = 8.0, 24.0
    story = (*FALL, Part(up, "standing"), Part(up + 1, "walking"), Part(again, "falling", 0.7, TIPPING),
             Part(again + 0.8, "lying", box=DOWN))  # fmt: skip
    alerts = Camera().play(40.0, a=story).alerted("fall")
    assert [kind for kind, _ in alerts] == ["raised", "cleared", "raised"]
    assert alerts[1][1] <= up + 6.0
    assert again <= alerts[2][1] <= again + 1.0
