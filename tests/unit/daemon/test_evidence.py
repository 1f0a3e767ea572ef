"""What speaks for a rule in one scene, and what does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from stories import (
    CONFIRMED,
    DOWN,
    LOST,
    REMOVED,
    TENTATIVE,
    TIPPING,
    UPRIGHT,
    a_person,
    a_place,
    a_scene,
    scores_of,
    sinking,
)

from daemon.config.rules import ActionRule, FallRule, FightRule, LoiteringRule, LyingRule, ZoneEntryRule
from daemon.posture import Postures
from daemon.watchers import Watcher, watcher_for

FALL, LYING, FIGHT = FallRule(type="fall"), LyingRule(type="lying"), FightRule(type="fight")


def watch(watcher: Watcher, *people, at: float = 0.0, opened=()) -> list:
    return watcher.observe(a_scene(at, *people), frozenset(opened))


def once(rule, *people, opened=()) -> list:
    return watch(watcher_for(rule), *people, opened=opened)


# --- every rule -----------------------------------------------------------------------------------------

SURE = {"action": "lying", "action_score": 0.9, "zones": ("bed",)}
EVERY = [
    (LYING, SURE),
    (ActionRule(type="action", actions=("waving",)), {"action": "waving", "action_score": 0.9}),
    (LoiteringRule(type="loitering"), {}),
    (ZoneEntryRule(type="zone_entry", zones=("bed",)), {"zones": ("bed",)}),
]


@pytest.mark.parametrize(("rule", "evidence"), EVERY, ids=lambda one: getattr(one, "type", ""))
@pytest.mark.parametrize("state", [TENTATIVE, LOST, REMOVED, CONFIRMED])
def test_only_people_who_are_seen_are_evidence(rule, evidence, state):
    found = once(rule, a_person("a", state=state, **evidence))
    assert [one.tracks for one in found] == ([("a",)] if state is CONFIRMED else [])


@pytest.mark.parametrize(("rule", "evidence"), EVERY, ids=lambda one: getattr(one, "type", ""))
def test_only_the_zones_of_the_rule_count(rule, evidence):
    inside = rule.model_copy(update={"zones": ("bed", "sofa")})
    assert once(inside, a_person(**{**evidence, "zones": ("sofa",)}))
    assert not once(inside, a_person(**{**evidence, "zones": ("door",)}))
    assert not once(inside, a_person(**{**evidence, "zones": ()}))


@pytest.mark.parametrize(
    ("rule", "evidence"),
    [
        (LYING, {"action": "lying", "action_score": 0.55}),
        (LoiteringRule(type="loitering", min_score=0.5), {"score": 0.55}),
        (FIGHT, None),
    ],
    ids=lambda one: getattr(one, "type", ""),
)
@pytest.mark.parametrize(("least", "found"), [(0.5, True), (0.6, False)])
def test_evidence_below_the_score_of_the_rule_does_not_count(rule, evidence, least, found):
    rule = rule.model_copy(update={"min_score": least})
    if evidence is None:
        people = [a_person(name, scores={"punching_kicking": 0.55}) for name in "ab"]
    else:
        people = [a_person(**evidence)]
    assert bool(once(rule, *people)) == found


# --- fall -----------------------------------------------------------------------------------------------


def fall(*steps, opened=(), every: float = 0.2) -> list[bool]:
    """Whether each classification counts as a fall; a step is ({label: score}, box)."""
    watcher, result = watcher_for(FALL), []
    for n, (scores, box) in enumerate(steps):
        person = a_person("a", at=n * every, scores=scores, box=box)
        result.append(any(one.counts for one in watch(watcher, person, at=n * every, opened=opened)))
    return result


UP, BENT = ({"standing": 0.9}, UPRIGHT), ({"bending": 0.6, "falling": 0.2}, TIPPING)
RISE, LIES = ({"falling": 0.3, "bending": 0.5}, TIPPING), ({"lying": 0.8}, DOWN)
SINKS = [({"bending": 0.6, "falling": 0.2}, sinking(share / 10)) for share in range(1, 10)]  # in 2 s
DROPS = [({"bending": 0.6, "falling": 0.2}, sinking(share / 3)) for share in range(1, 3)]  # in 0.6 s
JUMP, FALLS = ({"falling": 0.6}, UPRIGHT), ({"falling": 0.6}, TIPPING)


@pytest.mark.parametrize(
    ("steps", "counts"),
    [
        # falling, and down
        ([UP, FALLS, LIES, LIES], [False, True, True, True]),
        # a head that drops, with a rise of its score, and then lying
        ([UP, RISE, LIES], [False, False, True]),
        ([UP, RISE, BENT, LIES], [False, False, False, True]),
        # lying down without any of it, whatever rise of the score is on the way: people go to bed like that
        ([UP, *SINKS, LIES, LIES], [False] * 12),
        ([UP, *[({"falling": 0.45}, box) for _, box in SINKS], LIES, LIES], [False] * 12),
        # a head that comes down as fast as in a fall, whatever the score says, and then lying
        ([UP, *DROPS, LIES, LIES], [False, False, False, True, True]),
        # the same without lying after it: somebody bends quickly
        ([UP, *DROPS, BENT, UP], [False] * 5),
        # the score alone, of a body that stays up
        ([UP, JUMP, JUMP, UP], [False] * 4),
        ([UP, JUMP, JUMP, FALLS], [False, False, False, True]),
        # somebody who was never seen up has not fallen, however uncertain the first answers are
        ([({"falling": 0.6}, DOWN), ({"falling": 0.3}, DOWN), LIES], [False] * 3),
        # who lies for long and stirs has not fallen again
        ([UP, *SINKS, *[LIES] * 20, ({"falling": 0.6}, DOWN)], [False] * 31),
    ],
)
def test_what_is_a_fall(steps, counts):
    assert fall(*steps) == counts


@pytest.mark.parametrize(("pause", "falls"), [(1.9, True), (2.1, False)])
def test_lying_must_follow_the_drop_within_two_seconds(pause, falls):
    watcher = watcher_for(FALL)
    for at, (scores, box) in ((0.0, UP), (0.2, RISE)):
        watch(watcher, a_person(at=at, scores=scores, box=box), at=at)
    for at in np.arange(0.4, 0.2 + pause, 0.2).tolist():  # from there on slowly
        box = np.array(TIPPING) + (at - 0.2) / pause * (np.array(DOWN) - np.array(TIPPING))
        watch(watcher, a_person(at=at, scores=BENT[0], box=box), at=at)
    at = 0.2 + pause
    assert bool(watch(watcher, a_person(at=at, scores=LIES[0], box=DOWN), at=at)) == falls


@pytest.mark.parametrize(
    ("pause", "box", "falls"),
    [
        (1.8, DOWN, True),
        (2.9, DOWN, True),
        (3.2, DOWN, False),  # enough time to lie down
        (1.8, (200, 150, 300, 280), False),  # no lower than somebody who has bent
    ],
)
def test_who_is_lost_upright_and_found_lying_has_fallen(pause, box, falls):
    """Detectors lose people who tip over."""
    watcher = watcher_for(FALL)
    watch(watcher, a_person(at=0.0, scores=UP[0], box=UPRIGHT), at=0.0)
    person = a_person(at=pause, scores=LIES[0], box=box)
    assert bool(watch(watcher, person, at=pause)) == falls


@pytest.mark.parametrize(("pause", "falls"), [(1.6, True), (2.9, True), (3.1, False)])
def test_who_is_found_down_has_two_seconds_to_be_known_as_lying(pause, falls):
    """Poses of who is found lying come and go at first."""
    watcher = watcher_for(FALL)
    watch(watcher, a_person(at=0.0, scores=UP[0], box=UPRIGHT), at=0.0)
    for at in np.arange(pause, pause + 1.6, 0.2).tolist():
        watch(watcher, a_person(at=at, scores={"other": 0.5}, box=DOWN), at=at)
    at = pause + 1.7
    assert bool(watch(watcher, a_person(at=at, scores=LIES[0], box=DOWN), at=at)) == falls


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2])
@pytest.mark.parametrize(("box", "falls"), [((150, 180, 330, 280), True), ((150, 150, 330, 280), False)])
def test_who_is_lost_on_the_way_down_has_come_down_from_where_that_began(share, box, falls):
    """The longer a body is followed into its fall, the less of it is left for when it is found again."""
    watcher = watcher_for(FALL)
    for at in (0.0, 0.2, 0.4):
        person = a_person(at=at, scores=UP[0], box=sinking(share * at / 0.4))
        watch(watcher, person, at=at)
    person = a_person(at=1.8, scores=LIES[0], box=box)
    assert bool(watch(watcher, person, at=1.8)) == falls


@pytest.mark.parametrize(
    ("box", "first", "falls"),
    [
        (DOWN, 0.3, True),  # a new track where the old one was lost
        (DOWN, -1.0, False),  # somebody who was there before
        ((450, 230, 630, 290), 0.3, False),  # elsewhere
    ],
)
def test_a_fall_that_breaks_the_track_in_two_is_a_fall(box, first, falls):
    watcher = watcher_for(FALL)
    for at, (scores, place) in ((0.0, UP), (0.2, RISE)):
        watch(watcher, a_person("a", at=at, scores=scores, box=place), at=at)
    lost = a_person("a", at=1.0, state=LOST, seen=0.2)
    new = a_person("b", at=1.0, scores=LIES[0], box=box, first=first)
    assert bool(watch(watcher, lost, new, at=1.0)) == falls


@pytest.mark.parametrize("action", ["falling", "lying", "unknown"])
def test_who_is_not_seen_to_be_up_holds_an_open_fall(action):
    quiet = a_person(action=action, scores={"standing": 0.4})
    [held] = once(FALL, quiet, opened={("a", "")})
    assert not held.counts
    assert not once(FALL, quiet)  # but opens none
    assert not once(FALL, a_person(action="walking"), opened={("a", "")})


def test_old_scores_do_not_count():
    fresh, old = scores_of({"falling": 0.9}, 9.1), scores_of({"falling": 0.9}, 8.9)
    watcher = watcher_for(FALL)
    watch(watcher, a_person(at=9.0), at=9.0)
    assert watch(watcher, a_person(at=10.0, scores=fresh, box=DOWN), at=10.0)
    assert not watch(watcher, a_person(at=10.0, scores=old, box=DOWN), at=10.0)
    assert not watch(watcher, a_person(at=10.0, scores=None, box=DOWN), at=10.0)


def test_a_fall_into_the_zone_of_the_rule_counts_and_one_outside_does_not():
    for zones, falls in ((("floor",), True), (("bed",), False)):
        watcher = watcher_for(FALL.model_copy(update={"zones": ("floor",)}))
        watch(watcher, a_person(at=0.0, zones=("door",)))
        fallen = a_person(at=0.5, scores={"falling": 0.9}, box=DOWN, zones=zones)
        assert bool(watch(watcher, fallen, at=0.5)) == falls


# --- lying and other actions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "score", "opened", "counts"),
    [
        ("lying", 0.9, False, True),
        ("lying", 0.4, False, None),  # weak: no evidence ...
        ("lying", 0.4, True, False),  # ... but nothing against it
        ("unknown", 0.0, False, None),
        ("unknown", 0.0, True, False),  # the pose is lost under a blanket
        ("sitting", 0.9, True, None),  # is up again
    ],
)
def test_lying(action, score, opened, counts):
    found = once(LYING, a_person(action=action, action_score=score), opened={("a", "")} if opened else ())
    assert [one.counts for one in found] == ([] if counts is None else [counts])


def test_an_action_rule_does_not_wait_for_the_unknown():
    rule = ActionRule(type="action", actions=("waving", "clapping"))
    assert [one.action for one in once(rule, a_person(action="clapping", action_score=0.7))] == ["clapping"]
    assert not once(rule, a_person(action="unknown"), opened={("a", "")})
    [held] = once(rule, a_person(action="waving", action_score=0.4), opened={("a", "")})
    assert not held.counts


# --- fight ----------------------------------------------------------------------------------------------


def somebody(name: str, x: float, height: float = 200, zones=()) -> object:
    return a_person(name, box=(x - 40, 200 - height / 2, x + 40, 200 + height / 2), zones=zones)


@pytest.mark.parametrize(
    ("places", "people", "involved"),
    [
        ([a_place(150)], [somebody("a", 100), somebody("b", 200)], ["ab"]),
        ([a_place(150, people=1)], [somebody("a", 100)], []),  # alone: shadow boxing
        ([a_place(150)], [somebody("a", 100), somebody("b", 600)], ["a"]),  # a bystander
        ([a_place(150, score=0.4)], [somebody("a", 100), somebody("b", 200)], []),  # not sure enough
        ([a_place(150)], [], [""]),  # seen together, followed by nobody: bodies that hide each other
        ([], [somebody("a", 100), somebody("b", 120)], []),
        # two fights at once are one situation
        ([a_place(50), a_place(500)], [somebody("a", 50), somebody("c", 275), somebody("b", 560)], ["ab"]),
        # small people far from the camera are judged by their own size
        ([a_place(100, tall=50)], [somebody("a", 100, 50), somebody("b", 200, 50)], ["a"]),
    ],
)
def test_who_is_in_a_fight(places, people, involved):
    found = watcher_for(FIGHT).observe(a_scene(0.0, *people, fights=places), frozenset())
    assert ["".join(one.tracks) for one in found] == involved


@pytest.mark.parametrize(
    ("actions", "found"),
    [
        (("walking", "walking"), False),  # they pass close to the camera
        (("walking", "unknown"), True),
        (("walking", "punching_kicking"), True),
        (("walking",), True),  # the other one is hidden
    ],
)
def test_people_who_all_surely_walk_do_not_fight(actions, found):
    people = [
        replace(somebody(name, x), action=action, action_score=0.9)
        for name, x, action in zip("ab", (100, 200), actions, strict=False)
    ]
    scene = a_scene(0.0, *people, fights=[a_place(150)])
    assert bool(watcher_for(FIGHT).observe(scene, frozenset())) == found


@pytest.mark.parametrize(("people", "found"), [(2, False), (3, True)])
def test_a_fight_of_three(people, found):
    rule = FIGHT.model_copy(update={"min_people": 3})
    scene = a_scene(0.0, fights=[a_place(150, people=people)])
    assert bool(watcher_for(rule).observe(scene, frozenset())) == found


@pytest.mark.parametrize(("zones", "found"), [((), True), (("bar",), True), (("garden",), False)])
def test_a_fight_in_a_zone(zones, found):
    rule = FIGHT.model_copy(update={"zones": zones})
    scene = a_scene(0.0, fights=[a_place(150, zones=("bar",))])
    assert bool(watcher_for(rule).observe(scene, frozenset())) == found


def test_a_fight_tells_its_best_score_every_zone_and_the_place():
    places = [a_place(100, score=0.7, zones=("bar",)), a_place(150, score=0.8, zones=("bar", "door"))]
    [found] = watcher_for(FIGHT).observe(a_scene(0.0, fights=places), frozenset())
    assert found.score == pytest.approx(0.8)
    assert (found.zones, found.action, found.key) == (("bar", "door"), "fighting", ("", ""))
    assert found.box is places[1].box


# --- zones ----------------------------------------------------------------------------------------------


def test_each_zone_is_a_situation_of_its_own():
    rule = ZoneEntryRule(type="zone_entry", zones=("bed", "sofa", "door"))
    found = once(rule, a_person("a", zones=("sofa", "bed")), a_person("b", zones=("bed",)))
    assert [(one.key, one.zones) for one in found] == [
        (("a", "bed"), ("bed",)),
        (("a", "sofa"), ("sofa",)),
        (("b", "bed"), ("bed",)),
    ]


def test_loitering_without_zones_is_anywhere():
    [found] = once(LoiteringRule(type="loitering"), a_person(zones=("bed",), action="sitting"))
    assert (found.key, found.zones, found.action) == (("a", ""), ("bed",), "sitting")


# --- another scene, another name ------------------------------------------------------------------------


def _scene_at(at: float, *people, **more):
    return replace(a_scene(at, *people), **more)


@pytest.mark.parametrize(("cut", "falls"), [(False, True), (True, False)])
def test_who_lies_in_the_next_scene_has_not_fallen_from_the_one_before(cut, falls):
    watcher, found = watcher_for(FALL), []
    for n in range(10):
        watcher.observe(_scene_at(n / 10, a_person("a", at=n / 10, box=UPRIGHT)), frozenset())
    for n in range(10, 20):
        lies = a_person("b", at=n / 10, scores={"lying": 0.9}, box=DOWN, first=1.0)
        found += watcher.observe(_scene_at(n / 10, lies, cut=cut and n == 10), frozenset())
    assert bool(found) == falls


def test_a_fall_is_a_fall_under_another_name():
    """While it falls the body gets the name of somebody who was lost."""
    watcher, found = watcher_for(FALL), []
    boxes = [UPRIGHT] * 5 + [sinking(share / 4) for share in range(1, 5)] + [DOWN] * 5
    for n, box in enumerate(boxes):
        name, renamed = ("new", {}) if n < 7 else ("old", {"new": "old"} if n == 7 else {})
        person = a_person(name, at=n / 10, scores={"lying": 0.9 if box == DOWN else 0.1}, box=box)
        found += watcher.observe(_scene_at(n / 10, person, renamed=renamed), frozenset())
    assert {one.tracks for one in found} == {("old",)}


@pytest.mark.parametrize("fps", [2.5, 4.0, 5.0, 10.0, 25.0])
@pytest.mark.parametrize(("seconds", "drops"), [(0.5, True), (2.0, False)])
def test_a_head_that_drops_is_seen_at_any_frame_rate(fps, seconds, drops):
    random, seen = np.random.default_rng(1), 0
    for start in np.linspace(2.0, 2.5, 20):
        postures, dropped = Postures(), False
        for n in range(round(5 * fps)):
            at = n / fps + random.normal(0, 0.004)
            share = float(np.clip((at - start) / seconds, 0, 1))
            posture = postures.update(a_scene(at, a_person("a", at=at, box=sinking(share))))["a"]
            dropped |= posture.dropped > 0
        seen += dropped
    assert seen == (20 if drops else 0)
