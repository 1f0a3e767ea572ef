"""Messages of tracks, actions and counts: what begins is told once, and ends."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import (
    CONFIRMED,
    DOWN,
    EPOCH,
    LOST,
    REMOVED,
    TENTATIVE,
    UPRIGHT,
    Camera,
    Part,
    a_person,
    a_scene,
    footprint,
)

from daemon.config.actions import ActionsConfig
from daemon.events import EventReporter
from daemon.reasons import EndReason
from daemon.topics import Topics
from tracker.pose import Pose

FIELDS = [
    *("id", "camera", "start_time", "end_time", "box", "zones", "entered_zones", "action", "action_score"),
    *("actions", "pose_score", "state", "stationary", "speed", "quality"),
]
STAYS = (Part(0.0, "standing"),)


def reporter(*zones: str) -> EventReporter:
    return EventReporter("door", Topics("posewatch"), zones)


def told(messages, kind: str = "events") -> list[dict]:
    return [one.payload for one in messages if one.topic == f"posewatch/door/{kind}"]


# --- tracks ---------------------------------------------------------------------------------------------


def test_every_field_of_an_event():
    landmarks = np.zeros((33, 4), np.float32)
    person = a_person(
        "t", at=1.0, box=(64, 48, 128, 240), action="walking", action_score=0.7654, zones=("bed",), first=0.8,
        pose=Pose(landmarks, landmarks[:, :3], 0.98765), stationary=True, speed=1.2346, quality=0.75,
    )  # fmt: skip
    new, start, people, in_bed = reporter("bed").update(a_scene(1.0, person))
    assert (new.topic, new.qos, new.retain) == ("posewatch/door/events", 1, False)
    assert new.payload == {
        "type": "new",
        "seq": 0,
        "reason": None,
        "before": None,
        "after": {
            "id": "t",
            "camera": "door",
            "start_time": EPOCH + 0.8,
            "end_time": None,
            "box": [0.1, 0.1, 0.2, 0.5],
            "zones": ["bed"],
            "entered_zones": ["bed"],
            "action": "walking",
            "action_score": 0.765,
            "actions": ["walking"],
            "pose_score": 0.988,
            "state": "confirmed",
            "stationary": True,
            "speed": 1.235,
            "quality": 0.75,
        },
    }
    assert list(new.payload["after"]) == FIELDS
    assert (start.topic, start.qos, start.retain) == ("posewatch/door/actions", 1, False)
    assert start.payload == {
        "type": "start",
        "id": f"{round((EPOCH + 1) * 1000)}-door-1",
        "track": "t",
        "action": "walking",
        "score": 0.765,
        "start_time": EPOCH + 1,
        "end_time": None,
        "duration": None,
        "reason": None,
        "zones": ["bed"],
    }
    for message, topic in ((people, "people"), (in_bed, "zones/bed/people")):
        assert (message.topic, message.payload) == (f"posewatch/door/{topic}", 1)
        assert (message.qos, message.retain) == (1, True)


@pytest.mark.parametrize("state", [TENTATIVE, LOST, REMOVED])
def test_only_a_confirmed_track_becomes_an_event(state):
    assert reporter("bed").update(a_scene(0.0, a_person(state=state, zones=("bed",)))) == []


def test_a_track_from_its_start_to_its_end():
    parts = (
        Part(0.0, None, state=TENTATIVE),
        Part(0.2, "walking"),
        Part(4.0, "walking", zones=("bed",)),
        Part(6.0, "lying", zones=("bed",), box=DOWN),
        Part(9.0, state=LOST, zones=("bed",)),
        Part(11.0, state=REMOVED),
        Part(11.05, state=None),
    )
    camera = Camera({}, zones=("bed",)).play(15.0, a=parts)
    events = [
        (round(at, 1), one["type"], one["after"]["action"], one["after"]["state"])
        for at, one in camera.sent("events")
    ]
    assert events == [
        (0.2, "new", "unknown", "confirmed"),
        (1.2, "update", "walking", "confirmed"),  # not within a second of the one before
        (4.0, "update", "walking", "confirmed"),
        (6.4, "update", "lying", "confirmed"),
        (9.9, "update", "lying", "lost"),  # hidden for a second
        (11.0, "end", "lying", "lost"),
    ]
    payloads = [one for _, one in camera.sent("events")]
    assert [one["seq"] for one in payloads] == [0, 1, 2, 3, 4, 5]
    for earlier, later in pairwise(payloads):
        assert later["before"] == earlier["after"]
    last = payloads[-1]["after"]
    assert last["start_time"] == EPOCH
    assert EPOCH + 8.9 <= last["end_time"] <= EPOCH + 9.0  # when it was last seen
    assert (last["entered_zones"], last["actions"]) == (["bed"], ["walking", "lying"])


def test_a_lost_person_is_not_reported_where_the_filter_guesses():
    """The box of a lost track moves on by itself, into zones that nobody has entered."""
    parts = (Part(0.0), Part(3.0, state=LOST, box=DOWN, zones=("bed",)), Part(4.5))
    camera = Camera({}, zones=("bed",)).play(8.0, a=parts)
    assert all(one["after"]["entered_zones"] == [] for _, one in camera.sent("events"))
    assert not [one for _, one in camera.log if "/zones/" in one.topic]


def test_what_happened_between_two_updates_is_told():
    """In the zone for half a second only: the next update has it in `entered_zones`."""
    parts = (Part(0.0), Part(0.3, zones=("bed",)), Part(0.8))
    camera = Camera({}, zones=("bed",)).play(3.0, a=parts)
    _, update = (one["after"] for _, one in camera.sent("events")[:2])
    assert (update["zones"], update["entered_zones"]) == ([], ["bed"])


def test_nothing_new_is_no_message():
    camera = Camera({}).play(5.0, a=STAYS)
    camera.log.clear()
    assert camera.play(300.0, start=5.1, a=STAYS).log == []


# --- actions --------------------------------------------------------------------------------------------


def test_actions_begin_and_end():
    parts = (Part(0.0, "walking"), Part(5.0, "sitting", 0.7), Part(7.0, "sitting", 0.95), *lost(9.0))
    camera = Camera({}).play(15.0, a=parts)
    rows = [
        (round(at, 1), one["type"], one["action"], one["score"], one["duration"])
        for at, one in camera.sent("actions")
    ]
    assert rows == [
        (0.4, "start", "walking", 0.9, None),
        (5.4, "end", "walking", 0.9, 5.0),
        (5.4, "start", "sitting", 0.7, None),
        (11.0, "end", "sitting", 0.95, pytest.approx(3.5, abs=0.05)),  # the best score; while it was seen
    ]
    for start, end in ((0, 1), (2, 3)):
        first, last = (camera.sent("actions")[row][1] for row in (start, end))
        assert first["id"] == last["id"]
        assert last["end_time"] - last["start_time"] == pytest.approx(last["duration"], abs=0.002)
    assert len({one["id"] for _, one in camera.sent("actions")}) == 2


def lost(at: float) -> tuple[Part, ...]:
    """A track that is lost at this time, and removed two seconds later."""
    return Part(at, state=LOST), Part(at + 2.0, state=REMOVED), Part(at + 2.05, state=None)


def test_unknown_is_no_action():
    nothing = Part(2.0, "walking", 0.3, also=(("sitting", 0.3), ("standing", 0.3)))
    parts = (Part(0.0, "walking"), nothing, Part(4.0, "walking"))
    rows = [(one["type"], one["action"]) for _, one in Camera({}).play(6.0, a=parts).sent("actions")]
    assert rows == [("start", "walking"), ("end", "walking"), ("start", "walking")]


def test_a_fall_is_told_as_an_action_at_5_fps():
    parts = (Part(0.0, "walking"), Part(2.0, "falling", 0.6), Part(2.8, "lying", box=DOWN))
    rows = [(one["type"], one["action"]) for _, one in Camera({}, fps=5).play(5.0, a=parts).sent("actions")]
    assert rows[1:5] == [("end", "walking"), ("start", "falling"), ("end", "falling"), ("start", "lying")]


# --- counts ---------------------------------------------------------------------------------------------


def counts(camera: Camera, topic: str = "people") -> list[tuple[float, int]]:
    return [(round(at, 1), one.payload) for at, one in camera.log if one.topic == f"posewatch/door/{topic}"]


def test_people_are_counted_in_the_image_and_in_each_zone():
    walks = (Part(0.0), Part(2.0, zones=("bed",)), Part(4.0))
    comes = (Part(0.0, state=None), Part(1.0, zones=("bed",)), *lost(6.0))
    camera = Camera({}, zones=("bed", "sofa")).play(10.0, a=walks, b=comes)
    assert counts(camera) == [(0.0, 1), (1.0, 2), (6.9, 1)]  # a second after it was last seen
    assert counts(camera, "zones/bed/people") == [(1.0, 1), (2.0, 2), (4.0, 1), (6.9, 0)]
    assert counts(camera, "zones/sofa/people") == []


def test_a_missed_detection_does_not_make_the_count_jump():
    """Every third frame without a detection: one message, not ten a second."""
    parts = [Part(n / 15, state=CONFIRMED if n % 3 else LOST) for n in range(1, 150)]
    assert counts(Camera({}).play(9.0, a=parts)) == [(0.1, 1)]


def test_counts_are_state():
    """Before the first frame they are 0, and they can be told again at any time."""
    one = reporter("bed")
    assert [(m.topic[15:], m.payload, m.qos, m.retain) for m in one.states()] == [
        ("people", 0, 1, True),
        ("zones/bed/people", 0, 1, True),
    ]
    one.update(a_scene(0.0, a_person("a", zones=("bed",)), a_person("b")))
    assert [m.payload for m in one.states()] == [2, 1]
    one.close(EPOCH)
    assert [m.payload for m in one.states()] == [0, 0]


# --- the end, the clock ---------------------------------------------------------------------------------


def test_closing_ends_everything_once():
    camera = Camera({}, zones=("bed",)).play(3.0, a=STAYS, b=(Part(0.0, "walking", zones=("bed",)),))
    camera.log.clear()
    camera.close(3.5)
    assert sorted((one["track"], one["type"]) for _, one in camera.sent("actions")) == [
        ("a", "end"),
        ("b", "end"),
    ]
    ends = [one for _, one in camera.sent("events")]
    assert [one["type"] for one in ends] == ["end", "end"]
    assert {one["after"]["end_time"] for one in ends} == {EPOCH + 3.5}
    assert counts(camera) == [(3.5, 0)]
    camera.log.clear()
    assert camera.close(4.0).log == []


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_clock_changes_no_duration(step):
    parts = (Part(0.0, "walking"), Part(8.0, "sitting"), *lost(12.0))
    plain = Camera({}).play(16.0, a=parts)
    stepped = Camera({}, clock=lambda at: EPOCH + at + (step if at >= 4.0 else 0.0)).play(16.0, a=parts)
    for (at, one), (then, other) in zip(stepped.sent("actions"), plain.sent("actions"), strict=True):
        assert (at, one["type"], one["duration"]) == (then, other["type"], other["duration"])
        assert one["end_time"] is None or one["end_time"] >= one["start_time"]
    end = stepped.sent("events")[-1][1]["after"]
    assert end["end_time"] >= end["start_time"]


# --- every frame's people -------------------------------------------------------------------------------


def test_tracks_message():
    landmarks = np.zeros((33, 4), np.float32)
    landmarks[0] = (320, 120, 55, 0.98766)
    seen = a_person("a", pose=Pose(landmarks, landmarks[:, :3], 0.9), action="walking", action_score=0.8)
    scene = a_scene(1.5, seen, a_person("b", zones=("bed",)), a_person("c", state=LOST))
    message = reporter("bed").tracks_message(scene)
    assert (message.topic, message.qos, message.retain) == ("posewatch/door/tracks", 0, False)
    payload = json.loads(message.encode())
    assert payload["time"] == EPOCH + 1.5
    one, two = payload["people"]
    assert one["landmarks"][0] == [0.5, 0.25, 0.9877]
    assert len(one.pop("landmarks")) == 33
    box = [round(UPRIGHT[n] / (640, 480)[n % 2], 4) for n in range(4)]
    assert one == {
        "id": "a", "box": box, "score": 0.9, "action": "walking", "action_score": 0.8, "zones": [],
        "stationary": False, "speed": 0.0, "quality": 0.9,
    }  # fmt: skip
    assert (two["id"], two["landmarks"], two["zones"]) == ("b", None, ["bed"])


def test_boxes_stay_inside_the_image():
    [new, _] = reporter().update(a_scene(0.0, a_person(box=(-50, -1, 900, 480.4))))
    assert new.payload["after"]["box"] == [0.0, 0.0, 1.0, 1.0]


# --- for hours, for days --------------------------------------------------------------------------------


def test_a_person_of_hours_stays_small():
    """Somebody who sits down and gets up every two seconds for three hours."""
    one, last = reporter(), None
    for n in range(5400):
        person = a_person("a", at=2.0 * n, action=("sitting", "standing")[n % 2], action_score=0.9)
        messages = one.update(a_scene(2.0 * n, person))
        last = told(messages)[-1]
    assert last["after"]["actions"][-2:] == ["sitting", "standing"]
    assert len(json.dumps(last)) < 4000


def test_a_thousand_people_leave_nothing_behind():
    one, empty = reporter("bed"), footprint(reporter("bed"))
    for n in range(1000):
        person = a_person(f"t{n}", at=float(n), action="walking", action_score=0.9, zones=("bed",))
        one.update(a_scene(float(n), person))
        one.update(a_scene(n + 0.5, a_person(f"t{n}", state=REMOVED)))
    assert footprint(one) == empty


# --- whatever happens -----------------------------------------------------------------------------------

LABELS = st.sampled_from(["walking", "sitting", "falling", "lying", None])
STATES = st.sampled_from([CONFIRMED, CONFIRMED, CONFIRMED, LOST])
ZONES = st.sampled_from([(), ("bed",), ("sofa", "bed")])


@st.composite
def lives(draw):
    """What the tracker may report of a few tracks: tentative, confirmed and lost by turns, removed once."""
    people = {}
    for name in draw(st.sets(st.sampled_from("abcd"), min_size=1)):
        at = draw(st.integers(0, 30)) / 10
        parts = [Part(0.0, state=None), Part(at, None, state=TENTATIVE)]
        for _ in range(draw(st.integers(0, 6))):
            at += draw(st.integers(1, 40)) / 10
            parts.append(
                Part(at, draw(LABELS), draw(st.floats(0.3, 0.95)), UPRIGHT, draw(ZONES), draw(STATES))
            )
        if draw(st.booleans()):
            parts += [Part(at + 0.1, state=REMOVED), Part(at + 0.2, state=None)]
        people[name] = parts
    return people


@settings(max_examples=40)
@given(lives(), st.floats(0.0, 1.0))
def test_messages_keep_their_order_whatever_happens(people, confirm):
    """In 10 fps. Of each track: new, updates, end, and nothing after; actions begin and end within."""
    camera = Camera({}, fps=10.0, settings=ActionsConfig(confirm=confirm), zones=("bed", "sofa"))
    camera.play(30.0, **people).close(30.0)
    open_tracks, ended, open_actions, ids = {}, set(), {}, set()
    sent_at = defaultdict(lambda: float("-inf"))
    for at, message in camera.log:
        kind, payload = message.topic.split("/")[2], message.payload
        if kind == "events":
            after, track = payload["after"], payload["after"]["id"]
            assert list(after) == FIELDS
            assert track not in ended
            if payload["type"] == "new":
                assert track not in open_tracks
                assert (payload["seq"], payload["before"]) == (0, None)
            else:
                before = open_tracks[track]
                assert (payload["seq"], payload["before"]) == (before["seq"] + 1, before["after"])
            if payload["type"] == "update":
                assert at - sent_at[track] >= 1.0 - 1e-6
            assert (after["end_time"] is not None) == (payload["type"] == "end")
            open_tracks[track], sent_at[track] = payload, at
            if payload["type"] == "end":
                ended.add(track)
                assert track not in open_actions
        elif kind == "actions":
            track = payload["track"]
            assert track in open_tracks
            assert track not in ended
            if payload["type"] == "start":
                assert track not in open_actions
                assert payload["id"] not in ids
                ids.add(payload["id"])
                open_actions[track] = payload
            else:
                begun = open_actions.pop(track)
                for key in ("id", "action", "start_time"):
                    assert payload[key] == begun[key]
                assert payload["duration"] >= 0
    assert ended == set(open_tracks)
    assert not open_actions
    for topic in ("people", "zones/bed/people", "zones/sofa/people"):
        numbers = [count for _, count in counts(camera, topic)]
        assert all(one != other for one, other in pairwise(numbers))
        assert min(numbers, default=0) >= 0
        assert not numbers or numbers[-1] == 0


def test_an_end_says_why():
    person = a_person("t", at=1.0, box=(64, 48, 128, 240), action="walking", action_score=0.9, first=0.8)
    one = reporter()
    one.update(a_scene(1.0, person))
    ended = [message.payload for message in one.close(EPOCH + 1.0, EndReason.CAMERA_LOST)]
    assert [(end["type"], end["reason"]) for end in ended if isinstance(end, dict)] == [
        ("end", "camera_lost"),
        ("end", "camera_lost"),
    ]
