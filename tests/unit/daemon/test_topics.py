"""Topics as the documentation lists them, whatever names are in them."""

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
        (lambda t: t.storage(), "posewatch/storage"),
        (lambda t: t.profile_set(), "posewatch/profile/set"),
        (lambda t: t.profile_state(), "posewatch/profile/state"),
        (lambda t: t.alert_state("a/b", "50% +#"), "posewatch/a%2Fb/alert/50%25%20%2B%23"),
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
        topics.storage(),
        topics.profile_set(),
        topics.profile_state(),
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
        own = set(first[6:])
        assert own.isdisjoint(every_topic(topics, other, name)[6:])
    for topic in first:
        assert topic.startswith(prefix + "/")
        assert not set(topic) & set("+#\0 ")


@given(PREFIXES, st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_whatever_a_name_holds_it_stays_on_its_level(prefix, camera, name):
    """The configuration allows plain names only; should another ever come, no topic gets another meaning."""
    topics = Topics(prefix)
    for topic in every_topic(topics, camera, name):
        assert not set(topic) & set("+#\0 $")
        assert topic.encode()
    assert topics.alert_state(camera, name).count("/") == prefix.count("/") + 3


@given(st.text(min_size=1, max_size=10), st.text(min_size=1, max_size=10))
def test_different_names_have_different_topics(one, other):
    topics = Topics()
    assert (topics.events(one) == topics.events(other)) == (one == other)
