"""Names after a meeting: they go with the looks, and stay where looks say nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.appearance import DESCRIPTOR_LENGTH
from tracker.association import Track, Tracker, TrackState
from tracker.detector import Detections

Looks = NDArray[np.float32]
RATE = 10


def _person(seed: int) -> Looks:
    look = np.abs(np.random.default_rng(seed).normal(size=DESCRIPTOR_LENGTH))
    unit: Looks = (look / np.linalg.norm(look)).astype(np.float32)
    return unit


class _Street:
    """Feeds a tracker with people at places along a line, each with looks."""

    def __init__(self) -> None:
        self.tracker = Tracker("street")
        self.frames: list[list[Track]] = []
        self._random = np.random.default_rng(1)

    def step(self, *people: tuple[float, Looks]) -> list[Track]:
        at = len(self.frames) / RATE
        boxes = np.array([(x, 100, x + 40, 200) for x, _ in people], np.float32).reshape(-1, 4)
        looks = [look + self._random.normal(0, 0.01, DESCRIPTOR_LENGTH) for _, look in people]
        self.frames.append(
            self.tracker.update(
                Detections(boxes, np.full(len(people), 0.8, np.float32)),
                monotonic=at,
                captured_at=1000 + at,
                appearance=np.array(looks, np.float32).reshape(-1, DESCRIPTOR_LENGTH),
            )
        )
        return self.frames[-1]

    def number_at(self, x: float) -> int:
        (number,) = [
            t.number for t in self.frames[-1] if t.state is TrackState.CONFIRMED and abs(t.box[0] - x) < 15
        ]
        return number

    def moved(self) -> list[tuple[int, int]]:
        return [
            (frame, t.number) for frame, tracks in enumerate(self.frames) for t in tracks if t.was is not None
        ]


def _turn_back(one: Looks, two: Looks) -> tuple[_Street, int, int]:
    """Two people walk up to each other, hide behind each other, and turn back; the boxes say they passed."""
    street = _Street()
    for n in range(20):
        street.step((10.0 * n, one), (400 - 10.0 * n, two))
    left, right = street.number_at(190), street.number_at(210)
    for n in range(20):  # now whoever goes on to the left is the one who came from there
        street.step((200 - 10.0 * n, one), (200 + 10.0 * n, two))
    return street, left, right


def test_names_go_with_the_looks_after_two_people_turned_back() -> None:
    street, left, right = _turn_back(_person(1), _person(2))
    assert (street.number_at(10), street.number_at(390)) == (left, right)
    assert len({frame for frame, _ in street.moved()}) <= 1  # both at once, or the boxes were right already


def test_a_wrong_name_is_handed_over_and_both_tracks_say_so() -> None:
    street, one, two = _Street(), _person(1), _person(2)
    for n in range(15):
        street.step((100.0 + 3 * n, one), (300 - 3.0 * n, two))
    left, right = street.number_at(142), street.number_at(258)
    for _ in range(3):
        street.step((190.0, one), (210.0, two))
    street.step((165.0, one), (235.0, two))  # a shadow, and each of them looks like the other
    for _ in range(10):
        street.step((165.0, two), (235.0, one))
    assert (street.number_at(165), street.number_at(235)) == (right, left)
    moved = street.moved()
    assert sorted(number for _, number in moved) == [left, right]
    assert len({frame for frame, _ in moved}) == 1


def test_people_who_look_alike_keep_the_names_that_the_boxes_gave() -> None:
    street, _, _ = _turn_back(_person(1), _person(1))
    assert street.moved() == []


def test_somebody_new_who_was_lost_gets_the_old_name_and_the_new_one_ends() -> None:
    street, one, other = _Street(), _person(1), _person(2)
    for n in range(15):
        street.step((100.0, one), (500.0 - 5 * n, other))
    first = street.number_at(100)
    for _ in range(4):
        street.step((425.0, other))
    # Back nearly where the person was, at first half turned away and hardly to be known.
    turned = _person(7)
    for n in range(14):
        street.step((215.0, turned if n == 0 else one), (425.0, other))
    assert street.number_at(215) == first
    ended = [t.number for tracks in street.frames for t in tracks if t.state is TrackState.REMOVED]
    assert len(ended) == len(set(ended)) == 1
    assert ended[0] != first
    assert [number for _, number in street.moved() if number == first] == [first]


def test_meetings_with_those_who_are_gone_are_forgotten() -> None:
    """Somebody who is never seen well, such as in a wide box, does not keep all passers-by."""
    tracker, frames = Tracker("street", lost_seconds=0.5), 400
    for n in range(frames):
        at, x = n / RATE, (12.0 * n) % 480
        boxes = np.array([(200, 150, 320, 210), (x, 100, x + 40, 200)], np.float32)
        looks = np.stack([_person(1), _person(2 + n // 40)])
        tracks = tracker.update(
            Detections(boxes, np.full(2, 0.8, np.float32)), monotonic=at, captured_at=at, appearance=looks
        )
    assert max(track.number for track in tracks) > 5
    for n in range(20):
        tracker.update(
            Detections(boxes[:1], np.full(1, 0.8, np.float32)),
            monotonic=(frames + n) / RATE,
            captured_at=0.0,
            appearance=looks[:1],
        )
    assert not tracker.unsettled
