"""What must hold for any detections at all: ids, one track a detection, order, nonsense, clocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.appearance import DESCRIPTOR_LENGTH
from tracker.association import Tracker, TrackState
from tracker.detector import Detections
from tracker.tracks import Track

Frame = list[tuple[tuple[float, float, float, float], float]]

coordinates = st.floats(-1e4, 1e4) | st.sampled_from([0.0, float("nan"), float("inf"), -float("inf"), 1e30])
plain = st.tuples(st.floats(0, 600), st.floats(0, 400), st.floats(5, 120), st.floats(10, 250)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)
wild = st.tuples(coordinates, coordinates, coordinates, coordinates)
scores = st.floats(0.0, 1.0)


def frames(box: st.SearchStrategy[tuple[float, ...]]) -> st.SearchStrategy[list[Frame]]:
    return st.lists(st.lists(st.tuples(box, scores), max_size=7), max_size=12)  # type: ignore[arg-type]


def _detections(frame: Frame) -> Detections:
    boxes = np.array([box for box, _ in frame], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array([score for _, score in frame], np.float32))


def _looks(frame: Frame) -> np.ndarray:
    """Descriptors that depend on the box alone, so that a permutation takes them along."""
    boxes = np.nan_to_num(np.array([box for box, _ in frame], np.float64).reshape(-1, 4), posinf=9, neginf=-9)
    values = np.abs(
        np.sin(boxes @ np.linspace(1, 4 * DESCRIPTOR_LENGTH, 4 * DESCRIPTOR_LENGTH).reshape(4, -1))
    )
    values += 1e-3
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def _run(sequence: list[Frame], times: list[float] | None = None, looks: bool = True) -> list[list[Track]]:
    tracker = Tracker("cam", lost_seconds=0.5)
    out = []
    for number, frame in enumerate(sequence):
        at = number * 0.1 if times is None else times[number]
        out.append(
            tracker.update(
                _detections(frame),
                monotonic=at,
                captured_at=1000.0 + at,
                appearance=_looks(frame) if looks else None,
            )
        )
    return out


@settings(max_examples=150, deadline=None)
@given(frames(wild))  # type: ignore[arg-type]
def test_nonsense_never_crashes_and_never_becomes_a_box(sequence: list[Frame]) -> None:
    for tracks in _run(sequence):
        for track in tracks:
            assert np.isfinite(track.box).all()
            assert np.isfinite(track.velocity).all()
            assert np.isfinite(track.speed)


@settings(max_examples=150, deadline=None)
@given(frames(plain))  # type: ignore[arg-type]
def test_ids_are_never_reused_and_a_detection_has_one_track(sequence: list[Frame]) -> None:
    removed: set[str] = set()
    highest = 0
    for frame, tracks in zip(sequence, _run(sequence), strict=True):
        ids = [track.id for track in tracks]
        assert len(set(ids)) == len(ids)
        assert not removed & set(ids)
        removed |= {track.id for track in tracks if track.state is TrackState.REMOVED}
        new = [track.number for track in tracks if track.number > highest]
        assert new == sorted(new)
        highest = max([highest, *new])
        taken = [tuple(track.detection_box) for track in tracks if track.detection_box is not None]
        known = [tuple(np.float32(box)) for box, _ in frame]
        for box in taken:
            assert taken.count(box) <= known.count(box)


@settings(max_examples=100, deadline=None)
@given(frames(plain), st.randoms(use_true_random=False))  # type: ignore[arg-type]
def test_the_order_of_detections_does_not_matter(sequence: list[Frame], random: object) -> None:
    # Equal boxes or scores may be told apart by nothing but their order.
    sequence = [
        list({round(score, 3): (box, round(score, 3)) for box, score in frame}.values()) for frame in sequence
    ]
    shuffled = [sorted(frame, key=lambda _: random.random()) for frame in sequence]  # type: ignore[attr-defined]

    def boxes(run: list[list[Track]]) -> list[list[tuple[float, ...]]]:
        return [sorted(tuple(np.round(track.box, 2)) for track in tracks) for tracks in run]

    for one, two in zip(boxes(_run(sequence)), boxes(_run(shuffled)), strict=True):
        assert np.array(one) == pytest.approx(np.array(two), abs=0.05)


@settings(max_examples=60, deadline=None)
@given(frames(plain), st.lists(st.floats(-100, 100), min_size=12, max_size=12))  # type: ignore[arg-type]
def test_time_may_go_backwards(sequence: list[Frame], times: list[float]) -> None:
    for tracks in _run(sequence, times):
        assert all(np.isfinite(track.box).all() for track in tracks)
