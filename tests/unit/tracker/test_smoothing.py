"""One-Euro on poses: steadier at rest, prompt in motion, the same at any size, place and turn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.pose import Pose, Roi
from tracker.smoothing import OneEuro

ROI = Roi(1.0, 2.0, 3.0)


def pose(points: np.ndarray, world: np.ndarray | None = None) -> Pose:
    """Landmarks at points (33, 2) with z and visibility that tell each apart."""
    landmarks = np.empty((33, 4), np.float32)
    landmarks[:, :2] = points
    landmarks[:, 2], landmarks[:, 3] = np.arange(33), np.linspace(0, 1, 33)
    return Pose(landmarks, np.zeros((33, 3), np.float32) if world is None else world, 0.9, ROI)


def standing(height: float = 100.0) -> np.ndarray:
    """(33, 2) points of a box of that height."""
    points = np.random.default_rng(1).uniform((0.3, 0.0), (0.7, 1.0), (33, 2))
    points[0], points[32] = (0.5, 0.0), (0.5, 1.0)
    return points * height


def noisy(frames: int, height: float = 100.0, share: float = 0.01) -> np.ndarray:
    return standing(height) + np.random.default_rng(2).normal(0, share * height, (frames, 33, 2))


def filtered(filter_: OneEuro, points: np.ndarray, interval: float = 1 / 30) -> np.ndarray:
    made = [filter_.update({"a": pose(p)}, n * interval)["a"].landmarks[:, :2] for n, p in enumerate(points)]
    return np.stack(made)


def jitter(points: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(points, 2, axis=0), axis=-1).mean())


def test_who_stands_still_stays():
    made = filtered(OneEuro(), np.repeat(standing()[None], 20, axis=0))
    np.testing.assert_allclose(made, np.repeat(standing()[None], 20, axis=0), atol=1e-3)


def test_jitter_becomes_less_and_the_place_stays():
    points = noisy(90)
    made = filtered(OneEuro(cutoff=0.5, beta=0.5), points)
    assert jitter(made) < 0.3 * jitter(points)
    assert np.abs(made[30:].mean(axis=0) - standing()).max() < 1.0


def test_higher_beta_follows_a_fast_motion_sooner():
    """A fall: within 0.4 s the body is a body height lower."""
    fall = standing()[None] + np.clip(np.arange(30) / 12, 0, 1)[:, None, None] * (0.0, 100.0)
    late = {
        beta: np.abs(filtered(OneEuro(cutoff=1.0, beta=beta), fall) - fall)[6:12].mean()
        for beta in (0.0, 5.0, 40.0)
    }
    assert late[0.0] > 2 * late[5.0] > 4 * late[40.0]
    assert late[40.0] < 2.0


@given(
    size=st.floats(0.1, 20.0),
    x=st.floats(-1e3, 1e3),
    y=st.floats(-1e3, 1e3),
    turns=st.integers(0, 3),
)
@settings(max_examples=25, deadline=None)
def test_same_at_any_size_place_and_quarter_turn(size, x, y, turns):
    points = noisy(12) + np.arange(12)[:, None, None] * (2.0, 0.0)
    cosine, sine = round(np.cos(turns * np.pi / 2)), round(np.sin(turns * np.pi / 2))
    turn = np.array([[cosine, -sine], [sine, cosine]])
    expected = size * filtered(OneEuro(), points) @ turn.T + (x, y)
    made = filtered(OneEuro(), size * points @ turn.T + (x, y))
    np.testing.assert_allclose(made, expected, atol=2e-3 * (1 + size))


def test_time_between_frames_counts():
    """After the same time, a tenth of the frames has come as far."""
    step = np.concatenate([standing()[None], np.repeat(standing()[None] + 10, 60, axis=0)])
    often = filtered(OneEuro(cutoff=0.5, beta=0.0), step, interval=0.01)[50]
    seldom = filtered(OneEuro(cutoff=0.5, beta=0.0), step[:6], interval=0.1)[5]
    share_often, share_seldom = (often - standing()).mean() / 10, (seldom - standing()).mean() / 10
    assert 0.7 < share_seldom < share_often < 0.85  # 1 - exp(-2 pi 0.5 0.5) = 0.79


def test_tracks_together_are_as_each_alone():
    together, alone = OneEuro(), {name: OneEuro() for name in "abc"}
    random = np.random.default_rng(3)
    for frame in range(12):
        # b is away in some frames, c comes later.
        there = [n for n in "abc" if not (n == "b" and frame % 3 == 1) and not (n == "c" and frame < 4)]
        poses = {n: pose(standing(50.0 * (1 + "abc".index(n))) + random.normal(0, 2, (33, 2))) for n in there}
        made = together.update(poses, frame / 10)
        assert [*made] == there
        for name, one in poses.items():
            expected = alone[name].update({name: one}, frame / 10)[name]
            np.testing.assert_allclose(made[name].landmarks, expected.landmarks, rtol=1e-6)


def test_world_landmarks_are_filtered_and_the_rest_stays():
    filter_ = OneEuro(cutoff=0.5, beta=0.0)
    random = np.random.default_rng(4)
    world = random.normal(0, 0.5, (1, 33, 3)) + random.normal(0, 0.02, (60, 33, 3))
    made = [
        filter_.update({"a": pose(standing(), metres.astype(np.float32))}, n / 30)["a"]
        for n, metres in enumerate(world)
    ]
    assert jitter(np.stack([one.world for one in made])) < 0.3 * jitter(world)
    assert made[-1].score == 0.9
    assert made[-1].next_roi == ROI
    np.testing.assert_array_equal(made[-1].landmarks[:, 3], np.linspace(0, 1, 33, dtype=np.float32))
    assert made[-1].landmarks.dtype == made[-1].world.dtype == np.float32


@pytest.mark.parametrize("how", ["gap", "drop", "same time"])
def test_a_track_begins_anew(how):
    filter_ = OneEuro(memory=1.0)
    filter_.update({"a": pose(standing())}, 5.0)
    if how == "drop":
        filter_.drop(["a", "never seen"])
    elsewhere = standing() + 40
    made = filter_.update({"a": pose(elsewhere)}, {"gap": 6.01, "drop": 5.1, "same time": 5.0}[how])
    np.testing.assert_allclose(made["a"].landmarks[:, :2], elsewhere, rtol=1e-6)
    kept = OneEuro(memory=1.0)
    kept.update({"a": pose(standing())}, 5.0)
    assert np.abs(kept.update({"a": pose(elsewhere)}, 5.1)["a"].landmarks[:, :2] - elsewhere).max() > 1


def test_a_broken_pose_leaves_nothing_behind():
    filter_ = OneEuro()
    filter_.update({"a": pose(standing())}, 0.0)
    filter_.update({"a": pose(np.full((33, 2), np.nan))}, 0.1)
    made = filter_.update({"a": pose(standing() + 40)}, 0.2)["a"]
    np.testing.assert_allclose(made.landmarks[:, :2], standing() + 40, rtol=1e-6)


def test_nobody():
    assert OneEuro().update({}, 1.0) == {}


@pytest.mark.parametrize("wrong", [{"cutoff": 0.0}, {"beta": -1.0}, {"speed_cutoff": 0.0}, {"memory": 0.0}])
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="above 0"):
        OneEuro(**wrong)
