"""What each kind of rule means, told as stories; and what all of them have in common."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import (
    DOWN,
    EPOCH,
    HEIGHT,
    LOST,
    REMOVED,
    TIPPING,
    UPRIGHT,
    WIDTH,
    Camera,
    Part,
    a_person,
    a_scene,
    sinking,
)  # fmt: skip

from daemon.alerts import AlertEngine
from daemon.config.rules import (
    AbsenceRule,
    ActionRule,
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
    rules_of,
)  # fmt: skip
from daemon.config.schedule import Hours
from daemon.reasons import EndReason
from daemon.scene import Scene
from daemon.topics import Topics
from daemon.watchers import labels_of, watcher_for
from daemon.watchers.lines import crossings, distance
from tracker.pose import Pose, Roi

BED, FLOOR = ("bed",), ("floor",)


def aside(n: int, box=UPRIGHT) -> tuple[float, ...]:
    """The n-th place beside another."""
    return box[0] + 130 * n - 150, box[1], box[2] + 130 * n - 150, box[3]


def told(camera: Camera, kind: str = "raised") -> list[tuple[float, dict]]:
    return [(at, one) for at, one in camera.sent("alerts") if one["type"] == kind]


def one(rule: Rule) -> dict[str, Rule]:
    return {"it": rule}


# --- waving and running ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "label"), [(WavingRule(type="waving"), "waving"), (RunningRule(type="running"), "running")]
)
def test_waving_and_running_are_those_actions_for_some_time(rule, label):
    parts = [Part(0.0), Part(2.0, label), Part(10.0)]
    [(raised, payload)] = told(Camera(one(rule)).play(12.0, a=parts))
    assert rule.for_ <= raised - 2.0 <= rule.for_ + 1.0
    assert payload["action"] == label
    assert labels_of(rule) == (label,)
    other = [Part(0.0), Part(2.0, "walking"), Part(10.0)]
    assert not Camera(one(rule)).play(12.0, a=other).alerted()


# --- lying after a fall ----------------------------------------------------------------------------------


FELL = (
    Part(0.0, "walking"),
    Part(3.0, "falling", 0.6),
    Part(3.4, "falling", 0.7, TIPPING),
    Part(3.8, "lying", box=DOWN),
)


LIES_DOWN = tuple(Part(12.0 + 0.2 * n, "changing_posture", box=sinking(n / 20)) for n in range(20))


@pytest.mark.parametrize(
    ("parts", "after_fall"),
    [
        (FELL, True),
        ((Part(0.0, "lying", box=DOWN),), False),  # found there
        # fell, got up, and lay down later
        (
            (*FELL, Part(6.0, "standing"), *LIES_DOWN, Part(16.0, "lying", box=DOWN)),
            False,
        ),
    ],
)
def test_lying_says_whether_the_fall_was_seen(parts, after_fall):
    camera = Camera(one(LyingRule(type="lying"))).play(40.0, a=parts)
    [(_, payload)] = told(camera)
    assert payload["evidence"]["after_fall"] is after_fall


def test_a_fall_is_known_when_the_track_breaks_on_the_floor():
    old = (*FELL, Part(4.5, state=LOST), Part(6.5, state=REMOVED), Part(6.6, state=None))
    new = (Part(0.0, state=None), Part(9.0, "lying", box=DOWN))
    [(_, payload)] = told(Camera(one(LyingRule(type="lying"))).play(40.0, a=old, b=new))
    assert payload["evidence"]["after_fall"] is True


# --- zone exit -------------------------------------------------------------------------------------------

LEAVES = ZoneExitRule(type="zone_exit", zones=BED)


@pytest.mark.parametrize(
    ("parts", "count"),
    [
        ([Part(0.0, zones=BED), Part(5.0)], 1),
        ([Part(0.0), Part(5.0)], 0),  # never in it
        ([Part(0.0, zones=BED), Part(5.0, state=LOST), Part(9.0, state=REMOVED)], 0),  # lost in it
        ([Part(0.0, zones=BED), Part(5.0, state=LOST), Part(7.0)], 1),  # found outside
        ([Part(0.0, zones=BED), Part(5.0), Part(5.3, zones=BED)], 0),  # back before `for`
        ([Part(0.0, zones=BED), Part(5.0), Part(5.4, zones=BED), Part(9.0), Part(9.4, zones=BED)], 0),
        ([Part(0.0), Part(4.8, zones=BED), Part(5.0)], 0),  # brushed it
        ([Part(0.0, zones=BED), Part(5.0), Part(6.0, zones=BED), Part(8.0)], 1),  # twice within the cool-down
        ([Part(0.0, zones=BED), Part(5.0, zones=FLOOR), Part(50.0, zones=BED), Part(60.0)], 2),
    ],
)  # fmt: skip
def test_who_was_in_a_zone_and_is_seen_outside_has_left_it(parts, count):
    camera = Camera(one(LEAVES)).play(70.0, a=parts)
    raised = told(camera)
    assert len(raised) == count
    if count:
        assert raised[0][1]["zones"] == ["bed"]
        assert [kind for kind, _ in camera.alerted()] == ["raised", "cleared"] * count


@pytest.mark.parametrize("fps", [0.2, 1, 15])
def test_leaving_is_told_after_for_at_any_rate(fps):
    rule = ZoneExitRule(type="zone_exit", zones=BED, **{"for": 6})
    [(at, _)] = told(Camera(one(rule), fps=fps).play(60.0, a=[Part(0.0, zones=BED), Part(20.0)]))
    assert 26.0 <= at <= 26.0 + 1 / fps + 0.01


@pytest.mark.parametrize(
    "rule", [LEAVES, ZoneEntryRule(type="zone_entry", zones=BED), CrowdRule(type="crowd", min_people=2)]
)
def test_who_is_seen_too_weakly_does_not_count(rule):
    """Neither in a zone, nor out of it, nor in a crowd; and is no reason to think that somebody is there."""
    rule = rule.model_copy(update={"min_score": 0.5, "for_": 0.0})
    for score, count in ((0.4, 0), (0.6, 1)):
        engine, raised = AlertEngine("door", one(rule), Topics("posewatch")), 0
        for n in range(40):
            zones = BED if n < 20 else ()
            people = [
                a_person(name, at=n / 10, zones=zones, score=score, box=aside(k))
                for k, name in enumerate("ab")
            ]
            messages = engine.evaluate(a_scene(n / 10, *people))
            raised += sum("alerts" in m.topic and m.payload["type"] == "raised" for m in messages)
        assert bool(raised) == bool(count)
    absent = AlertEngine(
        "door", one(AbsenceRule(type="absence", min_score=0.5, **{"for": 1})), Topics("posewatch")
    )
    for n in range(20):
        absent.evaluate(a_scene(n / 10, a_person("a", at=n / 10, score=0.4)))
    assert absent.active == ("it",)


def test_a_track_that_breaks_at_the_edge_of_a_zone_leaves_it_all_the_same():
    old = [Part(0.0, zones=BED), Part(5.0, state=LOST), Part(7.0, state=REMOVED), Part(7.1, state=None)]
    new = [Part(0.0, state=None), Part(5.2, zones=())]
    [(at, payload)] = told(Camera(one(LEAVES)).play(20.0, a=old, b=new))
    assert 5.7 <= at <= 5.9
    assert payload["tracks"] == ["b"]


# --- crowds, and several people at once ------------------------------------------------------------------


def crowd(count: int, zones=(), start: float = 0.0, end: float = 100.0) -> dict[str, list[Part]]:
    """So many people from one time to another."""
    return {
        f"p{n}": [
            Part(0.0, state=None),
            Part(start, zones=zones, box=aside(n % 4)),
            Part(end, state=REMOVED),
            Part(end + 0.05, state=None),
        ]
        for n in range(count)
    }


@pytest.mark.parametrize(("count", "raised"), [(2, 0), (3, 1), (5, 1)])
def test_a_crowd_is_one_alert_from_so_many_people_on(count, raised):
    rule = CrowdRule(type="crowd", min_people=3)
    camera = Camera(one(rule)).play(40.0, **crowd(count, start=2.0, end=20.0))
    assert len(told(camera)) == raised
    if raised:
        assert camera.alerted() == [("raised", 7.0), ("cleared", pytest.approx(25.0, abs=0.1))]
        payload = told(camera)[0][1]
        assert payload["evidence"]["people"] == count
        assert len(payload["tracks"]) == count


def test_a_crowd_is_of_one_zone_and_the_zones_have_alerts_of_their_own():
    rule = CrowdRule(type="crowd", min_people=3, zones=("bed", "floor"))
    people = {**crowd(2, BED), **{f"q{n}": parts for n, parts in enumerate(crowd(2, FLOOR).values())}}
    assert not told(Camera(one(rule)).play(20.0, **people))  # four, but nowhere three
    people = {**crowd(3, BED), **{f"q{n}": parts for n, parts in enumerate(crowd(3, FLOOR).values())}}
    assert sorted(payload["zones"][0] for _, payload in told(Camera(one(rule)).play(20.0, **people))) == [
        "bed",
        "floor",
    ]


def test_who_is_hidden_for_a_moment_is_part_of_a_crowd_and_nobody_counts_twice():
    rule = CrowdRule(type="crowd", min_people=3)
    people = crowd(3)
    people["p0"][2:] = [Part(3.0, state=LOST), Part(3.8, box=aside(0)), Part(60.0)]
    [(at, _)] = told(Camera(one(rule)).play(20.0, **people))
    assert at == 5.0
    # A new track in the place of one that is lost is the same person.
    people = crowd(2)
    people["p0"][2:] = [Part(4.0, state=LOST), Part(8.0, state=REMOVED), Part(8.1, state=None)]
    people["new"] = [Part(0.0, state=None), Part(4.1, box=aside(0))]
    assert not told(Camera(one(CrowdRule(type="crowd", min_people=3, **{"for": 0}))).play(20.0, **people))


@pytest.mark.parametrize(("second", "raised"), [(2.0, 1), (8.0, 0)])
def test_several_people_must_do_it_at_the_same_time(second, raised):
    rule = WavingRule(type="waving", min_people=2)
    first = [Part(0.0, "waving"), Part(6.0)]
    other = [Part(0.0, box=aside(2)), Part(second, "waving", box=aside(2)), Part(second + 6.0, box=aside(2))]
    camera = Camera(one(rule)).play(30.0, a=first, b=other)
    assert len(told(camera)) == raised
    if raised:
        assert sorted(told(camera)[0][1]["tracks"]) == ["a", "b"]


def test_two_who_have_fallen_one_after_the_other_are_down_together():
    rule = FallRule(type="fall", min_people=2)
    later = [
        replace(
            part, start=part.start + 4.0, box=(part.box[0] + 250, part.box[1], part.box[2] + 250, part.box[3])
        )
        for part in FELL
    ]
    later[0] = replace(later[0], start=0.0)
    assert not told(Camera(one(rule)).play(20.0, a=FELL))
    camera = Camera(one(rule)).play(20.0, a=FELL, b=later)
    assert len(told(camera)) == 1


# --- lines -----------------------------------------------------------------------------------------------

UP = ((0.5, 1.0), (0.5, 0.0))  # up the middle of the image: the left half is on its left


def walk(
    rule: Rule, *xs: float, y: float = 0.6, every: float = 0.1, track: str = "a"
) -> list[tuple[float, str]]:
    """When and how somebody crosses a line whose feet are at these places, in 0..1 of the width."""
    engine = AlertEngine("door", one(rule), Topics("posewatch"))
    found: list[tuple[float, str]] = []
    for n, x in enumerate(xs):
        box = (x * WIDTH - 20, y * HEIGHT - 150, x * WIDTH + 20, y * HEIGHT)
        messages = engine.evaluate(a_scene(n * every, a_person(track, at=n * every, box=box)))
        raised = [
            one.payload for one in messages if "alerts" in one.topic and one.payload["type"] == "raised"
        ]
        found += [(round(n * every, 2), payload["evidence"]["direction"]) for payload in raised]
    return found


def line(points=UP, **options) -> LineCrossingRule:
    return LineCrossingRule(type="line_crossing", line=points, **options)


@pytest.mark.parametrize(
    ("points", "xs", "expected"),
    [
        (UP, (0.3, 0.4, 0.6, 0.7), ["left_to_right"]),
        (UP, (0.7, 0.6, 0.4, 0.3), ["right_to_left"]),
        (UP[::-1], (0.3, 0.4, 0.6, 0.7), ["right_to_left"]),  # the other way round
        (UP, (0.3, 0.4, 0.45, 0.4, 0.3), []),  # turns back before it
        (UP, (0.3, 0.5, 0.502, 0.4, 0.3), []),  # turns back on it
        (UP, (0.3, 0.499, 0.501, 0.499, 0.501, 0.5, 0.7, 0.9), ["left_to_right"]),  # trembles on it
        (UP, (0.499, 0.501, 0.7), []),  # appears on it: nobody knows from where
        (UP, (0.1, 0.9), ["left_to_right"]),  # in one step
        (((0.5, 1.0), (0.5, 0.7)), (0.3, 0.7), []),  # past its end
        (((0.5, 1.0), (0.5, 0.6)), (0.3, 0.7), ["left_to_right"]),  # at the very height of its end
        (((0.4, 1.0), (0.5, 0.6), (0.4, 0.2)), (0.3, 0.7), ["left_to_right"]),  # through its corner, once
    ],
)
def test_a_line_is_crossed_once_and_in_a_direction(points, xs, expected):
    assert [direction for _, direction in walk(line(points), *xs)] == expected


@pytest.mark.parametrize(("direction", "count"), [("both", 2), ("left_to_right", 1), ("right_to_left", 1)])
def test_only_the_direction_of_the_rule_counts(direction, count):
    there_and_back = [0.3] * 3 + [0.7] * 40 + [0.3] * 40
    assert len(walk(line(direction=direction), *there_and_back)) == count


def test_who_comes_back_within_for_has_not_crossed():
    rule = line(**{"for": 2})
    assert walk(rule, *[0.3] * 3, *[0.7] * 15, *[0.3] * 40) == []
    assert walk(rule, *[0.3] * 3, *[0.7] * 40) == [(2.3, "left_to_right")]


def test_a_line_and_a_zone():
    """The crossing counts where it is in the zone."""
    rule = line(zones=BED)
    engine = AlertEngine("door", one(rule), Topics("posewatch"))
    for n, (x, zones) in enumerate([(0.3, ()), (0.7, ()), (0.3, ()), (0.7, BED)]):
        box = (x * WIDTH - 20, 100, x * WIDTH + 20, 300)
        messages = engine.evaluate(a_scene(n * 5.0, a_person("a", at=n * 5.0, box=box, zones=zones)))
        assert any("alerts" in message.topic for message in messages) == (n == 3)


COORDINATES = st.integers(-6, 6)
POINTS = st.tuples(COORDINATES, COORDINATES)


@given(st.lists(POINTS, min_size=2, max_size=6, unique=True), st.lists(POINTS, min_size=3, max_size=8))
def test_what_comes_back_to_where_it_was_has_crossed_a_closed_line_as_often_in_as_out(points, way):
    """Crossings in and out are equal however the way goes, through corners and along edges, too."""
    closed = np.array([*points, points[0]], float)
    steps = [*way, way[0]]
    total = sum(crossings(closed, np.array(a, float), np.array(b, float)) for a, b in pairwise(steps))
    assert total == 0


@given(POINTS, POINTS, POINTS, POINTS)
def test_the_way_back_crosses_the_other_way(a, b, start, end):
    if a == b:
        return
    segment = np.array([a, b], float)
    there, back = (
        crossings(segment, np.array(one, float), np.array(two, float))
        for one, two in ((start, end), (end, start))
    )
    assert there == -back
    assert distance(segment, np.array(a, float)) == pytest.approx(0.0)


# --- absence ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [0.5, 5, 15])
def test_absence_counts_from_when_somebody_was_last_there(fps):
    rule = AbsenceRule(type="absence", zones=BED, **{"for": 20})
    parts = [Part(0.0, zones=BED), Part(10.0), Part(60.0, zones=BED)]
    camera = Camera(one(rule), fps=fps).play(80.0, a=parts)
    (_, raised), (_, cleared) = camera.alerted()
    assert 29.9 <= raised <= 31.0 + 2 / fps
    assert 64.0 <= cleared <= 65.0 + 2 / fps
    assert told(camera)[0][1]["zones"] == ["bed"]


def test_absence_needs_pictures_for_so_long():
    rule = AbsenceRule(type="absence", **{"for": 20})
    camera = Camera(one(rule)).play(19.9)
    assert camera.alerted() == []
    # The camera is away for a minute: it begins anew. A hiccup of two seconds is none.
    camera.play(99.0, start=80.0)
    assert camera.alerted() == []
    camera.play(110.0, start=101.0)
    assert camera.alerted() == [("raised", pytest.approx(101.0, abs=0.1))]


def test_an_absence_ends_with_the_camera_and_counts_anew():
    rule = AbsenceRule(type="absence", **{"for": 20})
    camera = Camera(one(rule)).play(30.0)
    [_, cleared, state] = [*camera.log[-2:], *camera.alerts.close(EPOCH + 30.0, EndReason.CAMERA_LOST)][1:]
    assert (cleared.payload["reason"], state.payload) == ("camera_lost", "OFF")
    camera.play(49.0, start=30.1)
    assert len(told(camera)) == 1
    camera.play(52.0, start=49.1)
    assert len(told(camera)) == 2


def test_too_few_are_an_absence_too():
    rule = AbsenceRule(type="absence", min_people=2, **{"for": 5})
    assert not told(Camera(one(rule)).play(20.0, a=[Part(0.0)], b=[Part(0.0, box=aside(2))]))
    [(at, payload)] = told(Camera(one(rule)).play(20.0, a=[Part(0.0)]))
    assert at == 5.0
    assert payload["evidence"]["people"] == 1


def test_with_hours_an_absence_counts_from_their_begin():
    """It is 22:13:20 at 0 s; the hours begin at 22:14, at 40 s, and end at 22:16."""
    hours = Hours(**{"from": "22:14", "to": "22:16"}, timezone="UTC")
    rule = AbsenceRule(type="absence", schedule=(hours,), **{"for": 30})
    camera = Camera(one(rule)).play(200.0)
    assert camera.alerted() == [
        ("raised", pytest.approx(70.0, abs=0.1)),
        ("cleared", pytest.approx(160.0, abs=0.1)),
    ]
    assert camera.sent("alerts")[-1][1]["reason"] == "schedule"


# --- hours, profiles, cameras ----------------------------------------------------------------------------


def test_an_alert_ends_with_the_hours_of_its_rule_and_what_goes_on_is_a_new_one_in_the_next():
    hours = [
        Hours(**{"from": "22:13", "to": "22:14"}, timezone="UTC"),
        Hours(**{"from": "22:15"}, timezone="UTC"),
    ]
    rule = ZoneEntryRule(type="zone_entry", zones=BED, schedule=hours, cooldown=600)
    camera = Camera(one(rule)).play(110.0, a=[Part(0.0, zones=BED)])
    assert [kind for kind, _ in camera.alerted()] == ["raised", "cleared", "raised"]
    assert [at for _, at in camera.alerted()] == [
        0.0,
        pytest.approx(40.0, abs=0.1),
        pytest.approx(100.0, abs=0.1),
    ]
    assert [payload["reason"] for _, payload in told(camera, "cleared")] == ["schedule"]


def test_profiles():
    rules = {
        "away": LoiteringRule(type="loitering", profiles=("away",), **{"for": 1}),
        "always": LoiteringRule(type="loitering", **{"for": 1}),
    }
    camera = Camera(rules, profile="home").play(5.0, a=[Part(0.0)])
    assert camera.alerts.active == ("always",)
    assert camera.alerts.set_profile("away", EPOCH + 5.0) == []
    camera.play(10.0, start=5.1, a=[Part(0.0)])
    assert camera.alerts.active == ("away", "always")
    assert camera.alerted("away") == [("raised", pytest.approx(6.1, abs=0.1))]
    cleared, state = camera.alerts.set_profile("home", EPOCH + 10.0)
    assert (cleared.payload["rule"], cleared.payload["reason"]) == ("away", "profile")
    assert (state.topic, state.payload) == ("posewatch/door/alert/away", "OFF")
    assert camera.alerts.active == ("always",)


def test_a_profile_that_is_none_has_no_rules_with_profiles():
    rules = one(LoiteringRule(type="loitering", profiles=("away",), **{"for": 1}))
    assert Camera(rules).play(10.0, a=[Part(0.0)]).alerted() == []


def test_fights_are_looked_for_only_while_a_rule_asks_for_it():
    hours = Hours(**{"from": "22:14", "to": "22:15"}, timezone="UTC")
    rules = {
        "fight": FightRule(type="fight", schedule=(hours,), min_people=3),
        "night": FightRule(type="fight", profiles=("night",)),
    }
    engine = AlertEngine("door", rules, Topics("posewatch"), "home")
    assert [engine.fighters(EPOCH + at) for at in (0.0, 40.0, 100.0)] == [None, 3, None]
    engine.set_profile("night", EPOCH)
    assert [engine.fighters(EPOCH + at) for at in (0.0, 40.0)] == [2, 2]


def test_rules_of_a_camera():
    rules = {
        "all": FallRule(type="fall"),
        "here": FallRule(type="fall", cameras=("door", "hall")),
        "elsewhere": FallRule(type="fall", cameras=("hall",)),
        "off": FallRule(type="fall", enabled=False),
        "zone": ZoneEntryRule(type="zone_entry", zones=("bed", "sofa")),
        "no_zone": AbsenceRule(type="absence", zones=("counter",)),  # would be ON for ever
    }
    assert set(rules_of("door", rules, {"bed", "floor"})) == {"all", "here", "zone"}


# --- another scene ---------------------------------------------------------------------------------------


def over_a_cut(
    rule: Rule, before: list[str], after: list[str], zones=(BED, BED), until: float = 10.0
) -> list[float]:
    """When alerts are raised; the scene changes at 3 s, and who is there then stands where others stood."""
    engine, raised = AlertEngine("door", one(rule), Topics("posewatch")), []
    for n in range(round(until * 10)):
        at, cut = n / 10, n == 30
        names, there = (before, zones[0]) if n < 30 else (after, zones[1])
        people = [
            a_person(name, at=at, first=0.0 if n < 30 else 3.0, zones=there, box=aside(k))
            for k, name in enumerate(names)
        ]
        messages = engine.evaluate(replace(a_scene(at, *people), cut=cut))
        raised += [at for m in messages if "alerts" in m.topic and m.payload["type"] == "raised"]
    return raised


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        (AbsenceRule(type="absence", **{"for": 5}), [], []),
        (CrowdRule(type="crowd", min_people=2, **{"for": 5}), ["a", "b"], ["c", "d"]),
        (LoiteringRule(type="loitering", **{"for": 5}), ["a"], ["b"]),
    ],
    ids=lambda one: getattr(one, "type", ""),
)
def test_in_another_scene_it_begins_anew(rule, before, after):
    assert over_a_cut(rule, before, after)[0] == pytest.approx(8.0)


def test_who_stands_in_another_scene_has_not_come_from_this_one():
    assert over_a_cut(LEAVES, ["a"], ["b"], (BED, ())) == []


def test_a_crowd_that_is_gone_for_longer_than_a_second_begins_anew():
    rule = CrowdRule(type="crowd", min_people=2, zones=BED)
    for gap, raised in ((0.8, 5.0), (1.8, 3.0 + 1.8 + 5.0)):
        people = {
            name: [Part(0.0, zones=BED, box=box), Part(3.0, box=box), Part(3.0 + gap, zones=BED, box=box)]
            for name, box in (("a", aside(0)), ("b", aside(2)))
        }
        assert [at for at, _ in told(Camera(one(rule), fps=10).play(20.0, **people))] == [
            pytest.approx(raised, abs=0.11)
        ]


# --- the cool-down ---------------------------------------------------------------------------------------


def visits(*times: tuple[str, float, tuple[str, ...]]) -> dict[str, list[Part]]:
    """People who are in zones for two seconds from these times on, each in a place of their own."""
    return {
        name: [
            Part(0.0, box=aside(n)),
            Part(start, zones=zones, box=aside(n)),
            Part(start + 2.0, box=aside(n)),
        ]
        for n, (name, start, zones) in enumerate(times)
    }


@pytest.mark.parametrize(
    ("scope", "raised"),
    [
        ("track", ["a", "b", "c"]),
        ("zone", ["a", "c"]),  # b is in the same zone as a
        ("rule", ["a"]),
    ],
)
@pytest.mark.parametrize("later", [1.0, 8.0])  # while the first is ON, and after it
def test_whom_a_cool_down_holds_back(scope, raised, later):
    rule = ZoneEntryRule(type="zone_entry", zones=("bed", "floor"), cooldown=60, cooldown_by=scope, clear=1)
    people = visits(("a", 1.0, BED), ("b", 1.0 + later, BED), ("c", 1.5 + later, FLOOR))
    camera = Camera(one(rule)).play(30.0, **people)
    assert [payload["tracks"][0] for _, payload in told(camera)] == raised


def test_only_the_zones_of_the_rule_are_its_zones():
    """Both are in the room, which the rule does not name."""
    rule = WavingRule(type="waving", zones=("bed", "floor"), cooldown=60, cooldown_by="zone", **{"for": 0})
    first = [Part(0.0, "waving", zones=("bed", "room"))]
    second = [Part(0.0, box=aside(2)), Part(3.0, "waving", zones=("floor", "room"), box=aside(2))]
    assert len(told(Camera(one(rule)).play(10.0, a=first, b=second))) == 2


def test_the_cool_down_of_a_rule_is_over_at_its_time():
    rule = ZoneEntryRule(type="zone_entry", zones=BED, cooldown=10, cooldown_by="rule", clear=1)
    camera = Camera(one(rule)).play(30.0, **visits(("a", 1.0, BED), ("b", 16.0, BED)))
    assert len(told(camera)) == 2  # cleared at 4


# --- evidence --------------------------------------------------------------------------------------------


def test_evidence_of_speed_and_landmarks():
    landmarks = np.zeros((33, 4), np.float32)
    landmarks[:11, 3] = 0.99  # the head is seen, the rest is hidden
    engine = AlertEngine("door", one(LoiteringRule(type="loitering", **{"for": 0.2})), Topics("posewatch"))
    engine.models = {"detector": {"name": "person", "sha256": "0123456789ab"}}
    payload = None
    for n in range(3):
        at = n / 10
        pose = Pose(landmarks, landmarks[:, :3], 0.9, Roi(0.0, 0.0, 1.0)) if n else None
        person = a_person("a", at=at, speed=0.5 + n / 10, pose=pose)
        for message in engine.evaluate(a_scene(at, person, index=100 + n)):
            payload = message.payload if message.topic.endswith("/alerts") else payload
    evidence = payload["evidence"]
    assert evidence["speeds"] == [0.5, 0.6, 0.7]
    assert evidence["landmark_quality"] == [None, 0.33, 0.33]
    assert [frame for frame, _ in evidence["frames"]] == [100, 101, 102]
    assert evidence["models"] == {"detector": {"name": "person", "sha256": "0123456789ab"}}


EVERY_TYPE: list[Rule] = [
    FallRule(type="fall"), LyingRule(type="lying"), FightRule(type="fight"), WavingRule(type="waving"),
    RunningRule(type="running"), ZoneEntryRule(type="zone_entry", zones=BED), LEAVES,
    LoiteringRule(type="loitering"), CrowdRule(type="crowd"), line(), AbsenceRule(type="absence"),
    ActionRule(type="action", actions=("sitting",)),
]  # fmt: skip


@pytest.mark.parametrize("rule", EVERY_TYPE, ids=lambda rule: rule.type)
def test_every_type_has_a_watcher_alone_and_for_several(rule):
    for people in (rule.min_people, 3):
        watcher = watcher_for(rule.model_copy(update={"min_people": people}))
        found = watcher.observe(a_scene(0.0), frozenset())
        assert [one.facts for one in found] == ([{"people": 0}] if rule.type == "absence" else [])


def test_the_largest_alert_is_below_eight_kilobytes():
    """The longest names, as many people and zones as there may be, and hours of it."""
    name = "c" * 63
    zones = tuple(f"{'z' * 61}{n:02d}" for n in range(40))
    engine = AlertEngine(name, {"r" * 63: CrowdRule(type="crowd", min_people=50)}, Topics("posewatch"))
    engine.models = {
        kind: {"name": "m" * 40, "sha256": "0" * 12} for kind in ("detector", "pose", "actions", "fights")
    }
    largest = 0
    for n in range(400):
        at = n * 10.0
        people = [
            a_person(
                f"1700000000000-{name}-{k}",
                at=at,
                zones=zones[k % 40 :],
                speed=1.25,
                box=(k, k, k + 33.3, k + 99.9),
            )
            for k in range(60)
        ]
        scene = Scene(name, WIDTH, HEIGHT, EPOCH + at + 0.123, at, tuple(people), index=100_000 + n)
        for message in engine.evaluate(scene):
            if message.topic.endswith("/alerts"):
                largest = max(largest, len(message.encode()))
    assert 4000 < largest < 8192
    assert json.loads(message.encode())["type"] == "updated"
