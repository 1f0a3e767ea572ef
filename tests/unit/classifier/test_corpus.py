"""Made-up motions and cameras of the corpus: bodies keep their bones, feet the floor, pictures their edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.training.corpus.activities import daily_activity, made_fall, scenes_of
from classifier.training.corpus.body import RATE
from classifier.training.corpus.camera import close_camera, random_camera, see, steep_camera
from classifier.training.corpus.gait import stride
from classifier.training.corpus.motions import hands_before, hold
from classifier.training.corpus.poses import floor_seat, kneel, lie, plank, squat, way

BONES = ((11, 13), (13, 15), (12, 14), (14, 16), (23, 25), (25, 27), (24, 26), (26, 28))
HEAD, SHOULDERS, HIPS, KNEES, ANKLES = [0], [11, 12], [23, 24], [25, 26], [27, 28]


def standing() -> np.ndarray:
    """(33, 3) somebody 1.75 m tall who faces +z."""
    pose = np.zeros((33, 3))
    pose[:11] = (0.0, 1.62, 0.1)
    pose[[7, 8]] = (0.075, 1.65, 0.0), (-0.075, 1.65, 0.0)
    joints = {
        11: (0.19, 1.43, 0.0),
        13: (0.22, 1.13, 0.0),
        15: (0.23, 0.87, 0.02),
        17: (0.23, 0.79, 0.02),
        19: (0.23, 0.78, 0.03),
        21: (0.22, 0.82, 0.05),
        23: (0.1, 0.93, 0.0),
        25: (0.1, 0.5, 0.02),
        27: (0.1, 0.08, 0.0),
        29: (0.1, 0.03, -0.04),
        31: (0.1, 0.03, 0.16),
    }
    for left, (x, y, z) in joints.items():
        pose[left], pose[left + 1] = (x, y, z), (-x, y, z)
    return pose


def lengths(body: np.ndarray) -> np.ndarray:
    """(..., 8) lengths of arms and legs in m."""
    return np.stack([np.linalg.norm(body[..., a, :] - body[..., b, :], axis=-1) for a, b in BONES], axis=-1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_bones_keep_their_lengths_on_the_way_from_pose_to_pose(seed):
    random = np.random.default_rng(seed)
    poses = [make(standing(), random) for make in (squat, kneel, floor_seat)]
    for first, last in ((standing(), poses[0]), (poses[0], poses[1]), (poses[1], poses[2])):
        body = way(first, last, np.linspace(0, 1, 9))
        np.testing.assert_allclose(body[0], first, atol=1e-6)
        np.testing.assert_allclose(body[-1], last, atol=1e-6)
        low = np.minimum(lengths(first), lengths(last)) - 1e-6
        high = np.maximum(lengths(first), lengths(last)) + 1e-6
        assert ((lengths(body) >= low) & (lengths(body) <= high)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_poses_are_what_they_are_called(seed):
    random, pose = np.random.default_rng(seed), standing()

    def height(body: np.ndarray, points: list[int]) -> float:
        return float(body[points, 1].mean())

    assert 0.1 < height(squat(pose, random), HIPS) < 0.75
    kneeling = kneel(pose, random)
    assert height(kneeling, KNEES) < 0.1 < 0.3 < height(kneeling, HIPS) < 0.6
    assert height(floor_seat(pose, random), HIPS) < 0.15 < 0.45 < height(floor_seat(pose, random), SHOULDERS)
    bed = lie(pose, random, height=0.5)
    assert bed[:, 1].min() >= 0.5
    assert bed[[0, 11, 12, 23, 24], 1].mean() < 0.9
    assert height(lie(pose, random), HEAD) < 0.45
    high, low = plank(pose, low=False), plank(pose, low=True)
    assert height(low, SHOULDERS) < height(high, SHOULDERS) < 0.7
    for body in (kneeling, bed, high, low):
        assert body[:, 1].min() >= 0.0


def test_hands_are_held_before_the_body():
    for seed in range(20):
        body = hands_before(standing()[None], np.random.default_rng(seed))
        np.testing.assert_allclose(lengths(body), lengths(standing()[None]), rtol=1e-9)
        held = body[0, [15, 16], 2] > 0.1
        assert held.any() or (body[0, [15, 16]] == standing()[[15, 16]]).all()
        assert (body[0, 23:] == standing()[23:]).all()


@pytest.mark.parametrize(("running", "slowest", "fastest"), [(False, 0.4, 2.2), (True, 0.0, 5.0)])
def test_walkers_and_runners_move_forward_on_the_floor(running, slowest, fastest):
    for seed in range(12):
        body = stride(standing(), 3.0, np.random.default_rng(seed), running=running)
        hips = body[:, HIPS].mean(axis=1)
        way_gone = np.linalg.norm(np.diff(hips[:, [0, 2]], axis=0), axis=1).sum() / (len(body) / RATE)
        assert slowest <= way_gone <= fastest
        feet = body[:, 27:33, 1].min(axis=1)
        assert feet.min() >= -1e-9
        assert feet.max() > 0.02 if running else feet.max() < 1e-6  # only who runs leaves the floor
        assert (body[:, 0, 1] > 1.2).all()
        bones = lengths(body)[:, 4:]
        np.testing.assert_allclose(bones, np.broadcast_to(bones[:1], bones.shape), rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_the_parts_of_an_activity_follow_each_other(seed):
    random = np.random.default_rng(seed)
    for activity in (daily_activity(standing(), random), made_fall(standing(), random)):
        for label, first, last in activity.actions:
            assert label
            assert 0 <= first < last <= len(activity.body)
        for scene in scenes_of(activity, "somebody", 1):
            assert 0 <= scene.labelled_from < len(scene.body)
        assert np.isfinite(activity.body).all()


def test_a_fall_comes_down_faster_than_who_goes_to_bed():
    def fastest(body: np.ndarray) -> float:
        heights = body[:, 0, 1]
        return float((heights[:-9] - heights[9:]).max() / 0.3)  # m/s over 0.3 s

    falls, beds = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        falls.append(fastest(made_fall(standing(), random).body))
        activity = daily_activity(standing(), random)
        if activity.name == "to bed":
            beds.append(fastest(activity.body))
    assert np.median(falls) > 1.4 * np.median(beds)


@pytest.mark.parametrize("make", [random_camera, steep_camera])
def test_cameras_have_the_person_in_their_picture(make):
    inside = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        body = hold(standing(), 1.0, random)
        camera = make(body, random)
        pixels, depth = camera.project(body)
        assert depth.min() > 0.3
        inside.append(((pixels >= 0) & (pixels < [camera.width, camera.height])).all(axis=-1).mean())
    assert np.mean(inside) > 0.75


def test_a_close_camera_sees_the_face_and_says_that_it_does_not_see_the_legs():
    for seed in range(30):
        random = np.random.default_rng(seed)
        body = hold(standing(), 1.0, random)
        camera = close_camera(body, random)
        facing = (camera.position - body[0, 0]) @ np.array([0.0, 0.0, 1.0])
        assert facing > 0.0
        landmarks, seen = see(body, camera, random)
        assert seen.all()
        outside = landmarks[..., 1] > 1.3
        assert (landmarks[..., 3][outside] < 0.1).mean() > 0.95
        assert landmarks[:, ANKLES, 3].max() < 0.5
        assert landmarks[:, HEAD, 3].min() > 0.5
