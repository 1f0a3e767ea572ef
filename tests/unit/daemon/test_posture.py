"""Boxes and torsos: who is down, who was up before, and who is the same person."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import DOWN, LOST, TIPPING, UPRIGHT, a_person, a_scene

from daemon.places import overlap, same_place, takes_over
from daemon.posture import Postures, is_low, leans, torso_tilt
from tracker.landmarks import Landmark
from tracker.pose import Pose


def torso(degrees: float, visibility: float = 0.9) -> Pose:
    """A torso of 60 px that leans to the right by this angle."""
    landmarks = np.full((33, 4), visibility, np.float32)
    x, y = 60 * math.sin(math.radians(degrees)), -60 * math.cos(math.radians(degrees))
    for side in ("LEFT", "RIGHT"):
        landmarks[Landmark[f"{side}_HIP"], :2] = (300, 200)
        landmarks[Landmark[f"{side}_SHOULDER"], :2] = (300 + x, 200 + y)
    return Pose(landmarks, np.zeros((33, 3), np.float32), 0.9)


@pytest.mark.parametrize("degrees", [0, 10, 49, 60, 90, 135, 180, -30, -90])
def test_the_tilt_is_the_angle_from_upright_to_either_side(degrees):
    assert torso_tilt(torso(degrees)) == pytest.approx(math.radians(abs(degrees)), abs=1e-5)


def test_a_hidden_torso_has_no_tilt():
    assert torso_tilt(torso(90, visibility=0.4)) is None
    nowhere = torso(0)
    nowhere.landmarks[:, :2] = 5.0  # all in one point
    assert torso_tilt(nowhere) is None


@pytest.mark.parametrize(
    ("box", "tall", "pose", "down"),
    [
        (UPRIGHT, 180, None, False),
        (DOWN, 180, None, True),  # wider than tall
        (TIPPING, 180, None, True),  # much lower than before
        (TIPPING, 130, None, False),  # as low as ever: a child, or somebody who sits
        (TIPPING, 180, torso(20), True),
        (TIPPING, 180, torso(20, visibility=0.3), False),  # something hides the legs and the hips
        ((10, 10, 10, 10), 0, None, True),  # no box at all does not divide by zero
    ],
)
def test_who_is_low(box, tall, pose, down):
    assert is_low(a_person(box=box, pose=pose), tall) == down


@pytest.mark.parametrize(
    ("box", "pose", "over"),
    [
        (TIPPING, None, False),
        (TIPPING, torso(20), False),
        (TIPPING, torso(70), True),
        (TIPPING, torso(-110), True),  # head below the hips
        (TIPPING, torso(70, visibility=0.3), False),
        (UPRIGHT, torso(70), False),  # a narrow box: the pose has jumped
    ],
)
def test_who_leans_over(box, pose, over):
    assert leans(a_person(box=box, pose=pose)) == over


@pytest.mark.parametrize(("frames", "down"), [(1, False), (2, True), (5, True)])
def test_leaning_over_for_one_frame_is_a_jump_of_the_pose(frames, down):
    postures = Postures()
    for n in range(3 + frames):
        pose = torso(70 if n >= 3 else 10)
        found = postures.update(a_scene(n / 10, a_person("a", at=n / 10, box=TIPPING, pose=pose)))["a"]
    assert (found.down == (2 + frames) / 10) == down


def test_what_is_known_of_a_person():
    postures = Postures()
    steps = [(0.0, UPRIGHT, False), (1.0, UPRIGHT, True), (2.0, DOWN, False), (3.0, DOWN, True)]
    for at, box, still in steps:
        found = postures.update(a_scene(at, a_person("a", at=at, box=box, stationary=still)))["a"]
    assert (found.stood, found.down, found.moved, found.seen) == (1.0, 3.0, 2.0, 3.0)
    assert found.person == "a"


def test_the_height_of_before_fades():
    """Who comes in standing and then sits for half a minute is not down for having been taller."""
    postures = Postures()
    stood = []
    for n in range(300):
        box = UPRIGHT if n < 10 else TIPPING
        found = postures.update(a_scene(n / 10, a_person("a", at=n / 10, box=box)))["a"]
        stood.append(found.stood == n / 10)
    assert stood == [True] * 10 + [False] * stood[10:].index(True) + [True] * (290 - stood[10:].index(True))
    assert 0 < stood[10:].index(True) < 40
    assert found.tall == 120


@pytest.mark.parametrize(
    ("again", "first", "person"),
    [
        (1.0, 0.9, "a"),  # at once, with another id
        (3.9, 3.8, "a"),
        (4.1, 4.0, "b"),  # too late
        (1.0, -0.6, "b"),  # was there before
    ],
)
def test_a_new_track_in_the_same_place_is_the_same_person(again, first, person):
    postures = Postures()
    postures.update(a_scene(0.0, a_person("a", box=UPRIGHT)))
    new = a_person("b", at=again, first=first, box=DOWN)
    assert postures.update(a_scene(again, new))["b"].person == person


def test_who_is_still_seen_is_nobody_else():
    postures = Postures()
    postures.update(a_scene(0.0, a_person("a")))
    both = postures.update(a_scene(1.0, a_person("a", at=1.0), a_person("b", at=1.0, first=0.9)))
    assert both["b"].person == "b"
    lost = postures.update(a_scene(2.0, a_person("a", state=LOST), a_person("c", at=2.0, first=1.9)))
    assert (list(lost), lost["c"].person) == (["c"], "a")


EDGE = st.integers(0, 300)
SIDE = st.integers(20, 300)


@given(EDGE, EDGE, SIDE, SIDE, EDGE, EDGE, SIDE, SIDE)
def test_a_place_is_the_same_both_ways_and_at_any_size(x, y, w, h, x2, y2, w2, h2):
    one = np.array([x, y, x + w, y + h], np.float32)
    two = np.array([x2, y2, x2 + w2, y2 + h2], np.float32)
    assert same_place(one, one)
    assert same_place(one, two) == same_place(two, one)
    assert overlap(one, one) == pytest.approx(1.0)
    assert overlap(one, two) == pytest.approx(overlap(two, one))
    assert overlap(2 * one, 2 * two) == pytest.approx(overlap(one, two))
    if overlap(one, two) >= 0.6:
        assert same_place(one, two)


@pytest.mark.parametrize(
    ("first", "box", "same"),
    [
        (1.2, DOWN, True),  # begins just after
        (0.6, DOWN, True),  # both were seen for a moment
        (0.4, DOWN, False),  # was there at the same time
        (1.2, (400, 100, 460, 280), False),  # one body away
    ],
)
def test_who_takes_over(first, box, same):
    new = a_person("b", at=2.0, first=first, box=box)
    assert takes_over(new.track, np.array(UPRIGHT, np.float32), 1.0) == same
