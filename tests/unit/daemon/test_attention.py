"""Who is looked at in every frame because of what they do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from classifier.model import ActionScores
from daemon.attention import may_fall, needing_attention
from daemon.scene import Person, Scene
from tracker.tracks import Track, TrackState

LABELS = ("standing", "walking", "running", "falling", "waving", "other")


def _person(key: str, action: str, **scores: float) -> Person:
    still = np.zeros(2, np.float32)
    box = np.array([100, 100, 160, 260], np.float32)
    track = Track(key, 1, TrackState.CONFIRMED, box, None, still, 0.8, 0, 0, 0, 9, False, 0)
    values = np.array([scores.get(label, 0.0) for label in LABELS], np.float32)
    known = ActionScores(key, LABELS, values, 1.0) if scores else None
    return Person(track, None, known, action, max(scores.values(), default=0.0), ())


def _needing(person: Person, pending: frozenset[str] = frozenset()) -> set[str]:
    return needing_attention(Scene("door", 640, 480, 1.0, 1.0, (person,)), pending)


@pytest.mark.parametrize(
    ("action", "scores", "needs"),
    [
        ("unknown", {}, False),
        ("walking", {"walking": 0.8, "waving": 0.1}, False),
        ("running", {"running": 0.9}, False),
        ("other", {"other": 0.9}, False),
        ("waving", {"waving": 0.6}, True),
        ("falling", {"falling": 0.6}, True),
        ("walking", {"walking": 0.7, "falling": 0.25}, True),  # a fall is over before its label is sure
        ("walking", {"walking": 0.7, "waving": 0.25}, False),
        ("standing", {"standing": 0.4, "waving": 0.55}, True),
        ("dancing", {"walking": 0.8}, True),  # a label of the user's own model
    ],
)
def test_calm_labels_need_none(action: str, scores: dict[str, float], needs: bool) -> None:
    assert _needing(_person("a", action, **scores)) == ({"a"} if needs else set())


def test_who_may_be_about_to_raise_an_alert_needs_it() -> None:
    assert _needing(_person("a", "walking", walking=0.9), frozenset({"a", "b"})) == {"a"}


@pytest.mark.parametrize(
    ("falling", "state", "at", "falls"),
    [
        (0.45, TrackState.CONFIRMED, 1.2, True),
        (0.25, TrackState.CONFIRMED, 1.2, False),
        (0.9, TrackState.LOST, 1.2, False),  # the detector looks for them as for others
        (0.9, TrackState.CONFIRMED, 1.8, False),  # of a while ago: nothing was read since
    ],
)
def test_who_may_be_falling(falling: float, state: TrackState, at: float, falls: bool) -> None:
    person = _person("a", "walking", walking=0.1, falling=falling)
    person = replace(person, track=person.track._replace(state=state))
    assert may_fall(Scene("door", 640, 480, at, at, (person, _person("b", "standing")))) == falls
