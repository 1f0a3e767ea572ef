"""Topics as the documentation lists them; commands are read from theirs and no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.topics import SWITCHES, Topics

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
PREFIXES = st.sampled_from(["posewatch", "home/cctv", "a"])


@pytest.mark.parametrize(
    ("made", "topic"),
    [
        (lambda t: t.status(), "posewatch/status"),
        (lambda t: t.info(), "posewatch/info"),
        (lambda t: t.stats(), "posewatch/stats"),
        (lambda t: t.camera_status("door"), "posewatch/door/status"),
        (lambda t: t.people("door"), "posewatch/door/people"),
        (lambda t: t.zone_people("door", "bed"), "posewatch/door/zones/bed/people"),
        (lambda t: t.tracks("door"), "posewatch/door/tracks"),
        (lambda t: t.events("door"), "posewatch/door/events"),
        (lambda t: t.actions("door"), "posewatch/door/actions"),
        (lambda t: t.alerts("door"), "posewatch/door/alerts"),
        (lambda t: t.alert_state("door", "fall"), "posewatch/door/alert/fall"),
        (lambda t: t.snapshot("door", "fall"), "posewatch/door/snapshot/fall"),
        (lambda t: t.switch_set("door", "alerts"), "posewatch/door/alerts/set"),
        (lambda t: t.switch_state("door", "enabled"), "posewatch/door/enabled/state"),
    ],
)
def test_topics(made, topic):
    assert made(Topics()) == topic


def every_topic(topics: Topics, camera: str, name: str) -> list[str]:
    """Every topic of a camera with a zone and a rule of this name."""
    plain = ("camera_status", "people", "tracks", "events", "actions", "alerts")
    return [
        topics.status(),
        topics.info(),
        topics.stats(),
        *(getattr(topics, kind)(camera) for kind in plain),
        *(getattr(topics, kind)(camera, name) for kind in ("zone_people", "alert_state", "snapshot")),
        *(topics.switch_set(camera, switch) for switch in SWITCHES),
        *(topics.switch_state(camera, switch) for switch in SWITCHES),
    ]


@given(PREFIXES, NAMES, NAMES, NAMES)
def test_no_two_things_share_a_topic(prefix, one, other, name):
    """Whatever cameras, zones and rules are called, `status`, `set` and `alerts` included."""
    topics = Topics(prefix)
    first = every_topic(topics, one, name)
    assert len(set(first)) == len(first)
    if one != other:
        own = set(first[3:])
        assert own.isdisjoint(every_topic(topics, other, name)[3:])
    for topic in first:
        assert topic.startswith(prefix + "/")
        assert not set(topic) & set("+#\0 ")


@given(PREFIXES, NAMES, st.sampled_from(SWITCHES), NAMES)
def test_a_command_is_read_from_its_own_topic_alone(prefix, camera, switch, name):
    topics = Topics(prefix)
    assert topics.parse_switch(topics.switch_set(camera, switch)) == (camera, switch)
    commands = {topics.switch_set(camera, one) for one in SWITCHES}
    for topic in every_topic(topics, camera, name):
        assert (topics.parse_switch(topic) is not None) == (topic in commands)


@pytest.mark.parametrize(
    "topic",
    [
        "posewatch/door/alerts/state",
        "posewatch/door/alerts/set/more",
        "posewatch/door/alert/set",  # no such switch
        "posewatch//alerts/set",  # no camera
        "posewatch/alerts/set",
        "posewatchdoor/door/alerts/set",
        "other/door/alerts/set",
        "",
    ],
)
def test_other_topics_are_no_commands(topic):
    assert Topics().parse_switch(topic) is None


def test_the_pattern_for_all_commands_matches_every_camera():
    assert Topics("a/b").switch_set("+", "alerts") == "a/b/+/alerts/set"
