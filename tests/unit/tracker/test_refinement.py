"""The bundled refiner: undoes swaps, keeps hidden legs, lets falls pass, forgets whom it must."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracker
from tracker.landmarks import Landmark
from tracker.pose import Pose, Roi
from tracker.refinement import PoseRefiner
from tracker.runtime import ModelError

MODELS = Path(tracker.__file__).parent / "models"
RATE = 15.0
OTHER = np.array(
    [
        Landmark[name.replace("LEFT", "*").replace("RIGHT", "LEFT").replace("*", "RIGHT")]
        for name in Landmark.__members__
    ]
)
LEGS = np.arange(25, 33)


def walk(frames: int, height: float = 300.0) -> np.ndarray:
    """(T, 33, 2) px of somebody who walks to the right, seen from the front left."""
    time = np.arange(frames) / RATE
    swing = 0.5 * np.sin(2 * np.pi * 0.9 * time)
    points = np.zeros((frames, 33, 2))
    for landmark in range(11):
        side = 0 if landmark == 0 else (1 if OTHER[landmark] > landmark else -1)
        points[:, landmark] = (0.02 * side + 0.02, 0.07 + 0.004 * (landmark % 3))
    for side, sign in ((0, 1.0), (1, -1.0)):
        shoulder, hip = (0.08 * sign, 0.18), (0.05 * sign, 0.5)
        points[:, 11 + side], points[:, 23 + side] = shoulder, hip
        arm, leg = -sign * swing, sign * swing
        down = np.stack([np.sin(arm), np.cos(arm)], axis=1)
        points[:, 13 + side] = np.array(shoulder) + 0.16 * down
        points[:, 15 + side] = points[:, 13 + side] + 0.14 * down
        for finger, length in ((17, 0.05), (19, 0.055), (21, 0.03)):
            points[:, finger + side] = points[:, 15 + side] + length * down
        down = np.stack([np.sin(leg), np.cos(leg)], axis=1)
        points[:, 25 + side] = np.array(hip) + 0.24 * down
        bent = leg - 0.3 * (leg < 0) * np.abs(leg)
        points[:, 27 + side] = points[:, 25 + side] + 0.22 * np.stack([np.sin(bent), np.cos(bent)], axis=1)
        points[:, 29 + side] = points[:, 27 + side] + (-0.02, 0.03)
        points[:, 31 + side] = points[:, 27 + side] + (0.08, 0.035)
    points += np.stack([0.35 * time, np.zeros(frames)], axis=1)[:, None]
    return points * height + (150.0, 80.0)


def pose(points: np.ndarray, visibility: np.ndarray | float = 0.98) -> Pose:
    landmarks = np.zeros((33, 4), np.float32)
    landmarks[:, :2], landmarks[:, 2], landmarks[:, 3] = points, np.arange(33), visibility
    world = np.repeat(np.arange(33, dtype=np.float32)[:, None], 3, axis=1)
    return Pose(landmarks, world, 0.8, Roi(1.0, 2.0, 3.0))


def run(refiner: PoseRefiner, points: np.ndarray, visibility: np.ndarray | None = None) -> np.ndarray:
    seen = np.full(points.shape[:2], 0.98) if visibility is None else visibility
    made = [
        refiner.update({"a": pose(p, v)}, n / RATE)["a"].landmarks[:, :2]
        for n, (p, v) in enumerate(zip(points, seen, strict=True))
    ]
    return np.stack(made)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance in body heights."""
    return float(np.linalg.norm(a - b, axis=-1).mean() / 300.0)


def test_what_is_seen_well_is_left_where_it_is():
    truth = walk(45)
    body = [0, *range(11, 17), *range(23, 29)]
    assert distance(run(PoseRefiner(), truth)[3:, body], truth[3:, body]) < 0.025


def test_jitter_of_somebody_who_stands_becomes_less():
    truth = np.repeat(walk(11)[10:], 60, axis=0)
    observed = truth + np.random.default_rng(0).normal(0, 0.012 * 300, truth.shape)
    made = run(PoseRefiner(), observed)
    still = np.zeros((53, 33, 2))
    assert distance(np.diff(made[5:], 2, axis=0), still) < 0.75 * distance(
        np.diff(observed[5:], 2, axis=0), still
    )
    assert distance(made[5:], truth[5:]) < 0.9 * distance(observed[5:], truth[5:])


def test_swapped_legs_are_put_back():
    """For two frames, in the middle of a step, when the feet are far apart."""
    truth = walk(50)
    there = 30 + int(np.linalg.norm(truth[30:45, 27] - truth[30:45, 28], axis=-1).argmax())
    swapped = slice(there, there + 2)
    observed = truth.copy()
    observed[swapped, 23:33] = truth[swapped][:, OTHER[23:33]]
    made = run(PoseRefiner(), observed)
    before = distance(observed[swapped][:, LEGS], truth[swapped][:, LEGS])
    assert distance(made[swapped][:, LEGS], truth[swapped][:, LEGS]) < 0.5 * before


def test_hidden_legs_do_not_collapse():
    """Behind a desk for a fifth of a second BlazePose draws the legs up to the hips."""
    truth = walk(50)
    observed, visibility = truth.copy(), np.full((50, 33), 0.98)
    hidden = slice(30, 33)
    hips = truth[hidden, 23:25].mean(axis=1, keepdims=True)
    observed[hidden, LEGS] += 0.6 * (hips - truth[hidden][:, LEGS])
    visibility[hidden, LEGS] = 0.15
    made = run(PoseRefiner(), observed, visibility)
    before = distance(observed[hidden][:, LEGS], truth[hidden][:, LEGS])
    assert distance(made[hidden][:, LEGS], truth[hidden][:, LEGS]) < 0.6 * before


def test_a_fall_is_not_late():
    """In 0.4 s the body turns by a quarter; the belief is never a frame behind."""
    upright = walk(1)[0]
    angles = np.concatenate([np.zeros(15), np.linspace(0, np.pi / 2, 7)[1:], np.full(8, np.pi / 2)])
    feet = upright[29:33].mean(axis=0)
    turned = [
        (upright - feet) @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + feet for a in angles
    ]
    truth = np.stack(turned)
    made = run(PoseRefiner(), truth)
    joints = [0, 11, 12, 23, 24]
    during = np.arange(15, 21)
    behind = np.linalg.norm(made[during][:, joints] - truth[during - 1][:, joints], axis=-1).mean()
    there = np.linalg.norm(made[during][:, joints] - truth[during][:, joints], axis=-1).mean()
    assert there < 0.4 * behind


@given(size=st.floats(0.15, 6.0), x=st.floats(-500, 2000), y=st.floats(-500, 2000))
@settings(max_examples=15, deadline=None)
def test_same_at_any_size_and_place(size, x, y):
    points = walk(8) + np.random.default_rng(5).normal(0, 3, (8, 33, 2))
    expected = size * run(PoseRefiner(), points) + (x, y)
    made = run(PoseRefiner(), size * points + (x, y))
    np.testing.assert_allclose(made, expected, atol=0.02 * (1 + size))


def test_tracks_together_are_as_each_alone():
    together, alone = PoseRefiner(), {name: PoseRefiner() for name in "abc"}
    random = np.random.default_rng(3)
    paths = {name: walk(12) + random.normal(0, 4, (12, 33, 2)) + 50 * n for n, name in enumerate("abc")}
    for frame in range(12):
        there = [n for n in "cab" if not (n == "b" and frame % 3 == 1) and not (n == "c" and frame < 4)]
        made = together.update({n: pose(paths[n][frame]) for n in there}, frame / RATE)
        assert [*made] == there
        for name in there:
            expected = alone[name].update({name: pose(paths[name][frame])}, frame / RATE)[name]
            np.testing.assert_allclose(made[name].landmarks, expected.landmarks, atol=0.01)


def test_what_changes_sides_does_so_as_a_whole():
    """z, visibility and world of a landmark that was swapped back are those of the other side."""
    truth = walk(40)
    refiner = PoseRefiner()
    for frame in range(32):
        refiner.update({"a": pose(truth[frame])}, frame / RATE)
    there = 32 + int(np.linalg.norm(truth[32:40, 27] - truth[32:40, 28], axis=-1).argmax())
    for frame in range(32, there):
        refiner.update({"a": pose(truth[frame])}, frame / RATE)
    points, numbers = truth[there].copy(), np.arange(33)
    points[23:33] = truth[there][OTHER[23:33]]
    made = refiner.update({"a": pose(points)}, there / RATE)["a"]
    sources = made.world[:, 0].astype(int)
    assert ((sources == numbers) | (sources == OTHER)).all()
    assert (sources[LEGS] == OTHER[LEGS]).any()
    np.testing.assert_array_equal(made.landmarks[:, 2], sources)


def test_confidence_takes_the_place_of_visibility_when_asked():
    truth = walk(20)
    visibility = np.full(33, 0.98)
    plain, sure = PoseRefiner(), PoseRefiner(confidence=True)
    for frame in range(20):
        one = plain.update({"a": pose(truth[frame], visibility)}, frame / RATE)["a"]
        other = sure.update({"a": pose(truth[frame], visibility)}, frame / RATE)["a"]
    assert (one.landmarks[:, 3] == np.float32(0.98)).all()
    np.testing.assert_array_equal(one.landmarks[:, :3], other.landmarks[:, :3])
    assert ((other.landmarks[:, 3] > 0) & (other.landmarks[:, 3] < 1)).all()
    assert len(np.unique(other.landmarks[:, 3])) > 20


def test_score_and_roi_stay():
    made = PoseRefiner().update({"a": pose(walk(1)[0])}, 0.0)["a"]
    assert made.score == 0.8
    assert made.next_roi == Roi(1.0, 2.0, 3.0)
    assert made.landmarks.dtype == made.world.dtype == np.float32


@pytest.mark.parametrize("how", ["gap", "drop"])
def test_a_track_begins_anew(how):
    refiner, new = PoseRefiner(memory=1.0), PoseRefiner()
    truth = walk(20)
    run(refiner, truth)
    if how == "drop":
        refiner.drop(["a", "never seen"])
    time = 19 / RATE + (1.01 if how == "gap" else 0.1)
    elsewhere = pose(truth[0] + 80)
    made, expected = refiner.update({"a": elsewhere}, time), new.update({"a": elsewhere}, 0.0)
    np.testing.assert_array_equal(made["a"].landmarks, expected["a"].landmarks)


def test_a_broken_pose_passes_and_leaves_nothing_behind():
    refiner, truth = PoseRefiner(), walk(20)
    run(refiner, truth)
    broken = pose(np.full((33, 2), np.nan))
    assert refiner.update({"a": broken}, 20 / RATE)["a"] is broken
    made = refiner.update({"a": pose(truth[19])}, 21 / RATE)["a"]
    assert np.isfinite(made.landmarks).all()


def test_nobody():
    assert PoseRefiner().update({}, 1.0) == {}


def test_another_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not a pose refiner"):
        PoseRefiner(MODELS / "person_yolox_nano.onnx")
    with pytest.raises(ModelError, match="no such model file"):
        PoseRefiner(tmp_path / "none.onnx")


def test_the_bundled_model_is_small_and_is_the_one_of_the_card():
    model = (MODELS / "pose_refiner.onnx").read_bytes()
    card = (MODELS / "pose_refiner.md").read_text(encoding="utf-8")
    assert len(model) <= 1_000_000
    assert f"`pose_refiner.onnx`, {len(model)} bytes" in card
    assert hashlib.sha256(model).hexdigest() in card
