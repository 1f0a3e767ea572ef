"""Tracks: birth, loss, recovery, crossing, ids."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.appearance import DESCRIPTOR_LENGTH
from tracker.association import Track, Tracker, TrackState
from tracker.detector import Detections


def _see(*boxes: tuple[float, float, float, float], score: float = 0.9) -> Detections:
    found = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(found, np.full(len(found), score, np.float32))


def _step(tracker: Tracker, detections: Detections, at: float) -> list[Track]:
    return tracker.update(detections, monotonic=at, captured_at=1000.0 + at)


def _walk(x: float) -> tuple[float, float, float, float]:
    return (x, 100.0, x + 40.0, 200.0)


def test_a_person_is_tentative_first_and_confirmed_by_the_third_hit() -> None:
    tracker = Tracker("door")
    states = [_step(tracker, _see(_walk(4 * n)), 0.1 * n)[0].state for n in range(3)]
    assert states == [TrackState.TENTATIVE, TrackState.TENTATIVE, TrackState.CONFIRMED]


def test_the_id_tells_time_camera_and_number() -> None:
    track = _step(Tracker("door"), _see(_walk(0)), 0.5)[0]
    assert (track.id, track.number) == ("1000500-door-1", 1)


def test_weak_detections_start_nobody_but_hold_a_track() -> None:
    tracker = Tracker("door")
    assert _step(tracker, _see(_walk(0), score=0.4), 0.0) == []
    for n in range(1, 5):
        _step(tracker, _see(_walk(0)), 0.1 * n)
    (held,) = _step(tracker, _see(_walk(0), score=0.2), 0.5)
    assert held.state is TrackState.CONFIRMED
    assert held.score == pytest.approx(0.2)


@pytest.mark.parametrize("rate", [5, 10, 25])
def test_a_hidden_person_is_found_again_with_the_same_id(rate: int) -> None:
    tracker, ids = Tracker("door"), set()
    for n in range(5 * rate):
        at = n / rate
        hidden = 2.0 < at < 3.0
        tracks = _step(tracker, _see() if hidden else _see(_walk(60 * at)), at)
        ids |= {track.id for track in tracks}
        assert tracks[0].state is TrackState.LOST if hidden else len(tracks) == 1
    assert len(ids) == 1


def test_removed_is_reported_once() -> None:
    tracker = Tracker("door", lost_seconds=1.0)
    for n in range(4):
        _step(tracker, _see(_walk(0)), 0.1 * n)
    states = [[t.state for t in _step(tracker, _see(), at)] for at in (1.0, 1.5, 1.6)]
    assert states == [[TrackState.LOST], [TrackState.REMOVED], []]


def test_people_who_pass_each_other_keep_their_ids() -> None:
    tracker = Tracker("door")
    for n in range(40):
        there, back = _walk(5 * n), (200.0 - 5 * n, 115.0, 240.0 - 5 * n, 215.0)
        tracks = _step(tracker, _see(there, back), 0.1 * n)
    assert [round(float(t.box[0]), -1) for t in sorted(tracks, key=lambda t: t.number)] == [200, 0]


def test_a_fall_keeps_the_id() -> None:
    tracker = Tracker("door")
    for n in range(30):
        fallen = min(max(n - 10, 0) / 6, 1.0)
        width, height = 40 + 70 * fallen, 110 - 70 * fallen
        tracks = _step(tracker, _see((100 - width / 2, 200 - height, 100 + width / 2, 200)), n / 15)
    assert [(track.number, track.state) for track in tracks] == [(1, TrackState.CONFIRMED)]


def test_a_second_box_on_a_person_starts_no_track() -> None:
    tracker = Tracker("door")
    for n in range(6):
        tracks = _step(
            tracker, _see(_walk(0), (3.0, 102.0, 43.0, 202.0)) if n > 2 else _see(_walk(0)), n / 10
        )
    assert len(tracks) == 1


def test_stationary_and_speed() -> None:
    still, moving = Tracker("a"), Tracker("b")
    for n in range(30):
        (rests,) = _step(still, _see(_walk(0)), n / 10)
        (walks,) = _step(moving, _see(_walk(10 * n)), n / 10)
    assert (rests.stationary, walks.stationary) == (True, False)
    assert walks.speed == pytest.approx(1.0, rel=0.05)


def test_a_thing_that_looks_a_little_like_a_person_counts_only_after_a_while() -> None:
    tracker, since = Tracker("door", sure_score=0.62, doubt_seconds=5.0), {}
    for n in range(80):
        for track in _step(tracker, _see(_walk(0), score=0.55), 0.1 * n):
            since.setdefault(track.state, 0.1 * n)
    assert since[TrackState.CONFIRMED] == pytest.approx(5.0, abs=0.15)
    faint = Tracker("door", sure_score=0.62, doubt_seconds=5.0)
    for n in range(100):
        tracks = _step(faint, _see(_walk(0), score=0.51 if n < 5 else 0.4), 0.1 * n)
    assert TrackState.CONFIRMED not in [track.state for track in tracks]


def _looks(*kinds: int) -> NDArray[np.float32]:
    """Descriptors of clearly different people, a little different each time."""
    rng = np.random.default_rng(sum(kinds) + len(kinds))
    found = np.eye(len(kinds) + 8, DESCRIPTOR_LENGTH)[list(kinds)] + rng.normal(0, 0.01, (len(kinds), 120))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def _numbers(tracks: list[Track]) -> list[int]:
    """Numbers of the tracks that are seen, from left to right."""
    seen = [track for track in tracks if track.detection_box is not None]
    return [track.number for track in sorted(seen, key=lambda track: float(track.box[0]))]


@pytest.mark.parametrize("who", [0, 1])
def test_looks_decide_where_two_are_equally_near(who: int) -> None:
    tracker = Tracker("door")
    for n in range(10):
        tracker.update(
            _see(_walk(200), _walk(250)), monotonic=0.1 * n, captured_at=1.0, appearance=_looks(0, 1)
        )
    tracks = tracker.update(_see(_walk(225)), monotonic=1.0, captured_at=1.0, appearance=_looks(who))
    assert _numbers(tracks) == [who + 1]


def test_who_comes_out_elsewhere_is_known_again_and_a_stranger_is_not() -> None:
    for kind, same in ((0, True), (2, False)):
        tracker = Tracker("door", lost_seconds=4.0)
        for n in range(20):  # walks to the right with somebody else about, and goes behind a wall
            tracker.update(
                _see(_walk(6 * n), (500, 100, 540, 200)),
                monotonic=0.1 * n,
                captured_at=1.0,
                appearance=_looks(0, 1),
            )
        for n in range(20, 40):
            tracker.update(
                _see((500, 100, 540, 200)), monotonic=0.1 * n, captured_at=1.0, appearance=_looks(1)
            )
        for n in range(40, 45):  # and comes back where it went in, not where the motion led
            tracks = tracker.update(
                _see(_walk(100), (500, 100, 540, 200)),
                monotonic=0.1 * n,
                captured_at=1.0,
                appearance=_looks(kind, 1),
            )
        assert (_numbers(tracks)[0] == 1) is same


def test_after_a_reset_everybody_ends_once_and_nobody_keeps_an_id() -> None:
    tracker = Tracker("door")
    for n in range(5):
        _step(tracker, _see(_walk(0)), 0.1 * n)
    tracker.reset()
    states = {track.number: track.state for track in _step(tracker, _see(_walk(0)), 0.5)}
    assert states == {1: TrackState.REMOVED, 2: TrackState.TENTATIVE}
    assert [track.number for track in _step(tracker, _see(_walk(0)), 0.6)] == [2]


def _missed(likeness: float) -> list[TrackState]:
    """States of somebody whom the detector misses from 1 s on, while the pose goes on walking for 2 s."""
    tracker, states = Tracker("door"), []
    for n in range(30):
        at, box = 0.1 * n, _walk(4 * n)
        expected = tracker.predict(at)
        key = next(iter(expected), "")
        track, *_ = tracker.update(
            _see(box) if n < 10 else _see(),
            monotonic=at,
            captured_at=1000.0 + at,
            poses={key: (np.array(box, np.float32), likeness)},
        )
        if n >= 10:
            states.append(track.state)
            seen = track.last_monotonic == at
            assert seen == (track.state is TrackState.CONFIRMED)
            assert abs(float(track.box[0]) - 4 * n) < 6
    return states


def test_a_pose_stands_in_for_a_missing_detection_for_a_second() -> None:
    assert _missed(0.8) == [TrackState.CONFIRMED] * 10 + [TrackState.LOST] * 10


def test_a_pose_that_is_unlike_the_one_expected_does_not() -> None:
    assert _missed(0.3) == [TrackState.LOST] * 20


def test_the_pose_decides_between_two_boxes() -> None:
    """Two boxes are equally near to where somebody should be; the pose was seen in the right one."""
    for shift in (-25, 25):
        tracker = Tracker("door")
        for n in range(10):
            _step(tracker, _see(_walk(200)), 0.1 * n)
        (key,) = tracker.predict(1.0)
        place = np.array(_walk(200 + shift), np.float32)
        tracks = tracker.update(
            _see(_walk(175), _walk(225)), monotonic=1.0, captured_at=1.0, poses={key: (place, 0.9)}
        )
        (same,) = [track for track in tracks if track.number == 1]
        assert same.detection_box is not None
        assert float(same.detection_box[0]) == 200 + shift


def test_a_frame_without_detections_moves_people_and_changes_nobody() -> None:
    tracker = Tracker("door")
    for n in range(10):
        before = _step(tracker, _see(_walk(4 * n), (400, 100, 440, 200)), 0.1 * n)
    first, second = sorted(before, key=lambda track: track.number)
    after = {t.id: t for t in tracker.follow({first.id: np.array(_walk(40), np.float32)}, monotonic=1.0)}
    assert after.keys() == {first.id, second.id}
    assert {track.state for track in after.values()} == {TrackState.CONFIRMED}
    assert after[first.id].last_monotonic == 1.0
    assert after[second.id].last_monotonic == pytest.approx(0.9)
    assert abs(float(after[first.id].box[0]) - 40) < 3
    assert all(track.detection_box is None for track in after.values())


def test_who_coasts_is_seen_where_they_are_expected() -> None:
    tracker = Tracker("door")
    for n in range(10):
        (walker,) = _step(tracker, _see(_walk(4 * n)), 0.1 * n)
    for n in (10, 11):
        (track,) = tracker.follow({}, monotonic=0.1 * n, coasting={walker.id})
        assert (track.state, track.last_monotonic) == (TrackState.CONFIRMED, 0.1 * n)
        assert abs(float(track.box[0]) - 4 * n) < 3
    (track,) = tracker.follow({}, monotonic=1.2)
    assert track.last_monotonic == pytest.approx(1.1)


def test_who_coasts_outlives_a_missing_detection_for_a_second() -> None:
    tracker = Tracker("door")
    for n in range(10):
        (walker,) = _step(tracker, _see(_walk(4 * n)), 0.1 * n)
    states = []
    for n in range(10, 25):
        (track,) = tracker.update(
            _see(), monotonic=0.1 * n, captured_at=1000.0 + 0.1 * n, coasting={walker.id}
        )
        assert (track.last_monotonic == 0.1 * n) == (track.state is TrackState.CONFIRMED)
        states.append(track.state)
    assert states == [TrackState.CONFIRMED] * 10 + [TrackState.LOST] * 5


def test_a_second_box_of_a_body_whose_track_was_ended_starts_nobody_again() -> None:
    tracker, numbers = Tracker("door"), set()
    for n in range(100):
        x = 2.0 * n
        tracks = _step(tracker, _see((x, 100, x + 60, 280), (x + 3, 100, x + 57, 200), score=0.8), 0.1 * n)
        numbers |= {track.number for track in tracks}
        if n == 20:
            elder, younger = sorted(tracks, key=lambda track: track.number)
            tracker.merge({younger.id: elder.id})
    assert numbers == {1, 2}
    # Somebody else who comes there later is somebody.
    for n in range(100, 170):
        _step(tracker, _see((200, 100, 260, 280), score=0.8), 0.1 * n)
    tracks = _step(tracker, _see((200, 100, 260, 280), (203, 100, 257, 200), score=0.8), 17.0)
    assert len(tracks) == 2
