"""What the model sees: the person, not the place, the size or the camera's rate; but always gravity."""

from __future__ import annotations

import numpy as np
import pytest
from bodies import body, fall, walk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from classifier.features import FEATURE_COUNT, GROUPS, POINTS, features
from tracker.landmarks import MIRROR

TIMES = np.arange(30) / 15
POINT_COUNT = len(POINTS)
TORSO = GROUPS["direction"][:2]  # from hips to shoulders
HIP_SPEED = GROUPS["body speed"][2:4]
ANGLES = GROUPS["angle"].start


def seen(landmarks: np.ndarray, valid: np.ndarray | None = None, rate: float = 15.0) -> np.ndarray:
    """Features (T, F) of one window."""
    valid = np.ones(len(landmarks), bool) if valid is None else valid
    return features(landmarks[None].astype(np.float32), valid[None], rate)[0]


@settings(max_examples=60)
@given(
    arrays.arrays(np.float32, (2, 4, 33, 4), elements=st.floats(width=32), fill=st.just(1.0)),
    arrays.arrays(np.bool_, (2, 4)),
)
def test_any_input_gives_finite_features(landmarks, valid):
    """Not a number, infinite, a million bodies away: the model still gets numbers in its range."""
    with np.errstate(all="raise", under="ignore"):
        result = features(landmarks, valid)
    assert result.shape == (2, 4, FEATURE_COUNT)
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert np.abs(result).max(initial=0.0) <= 5.0
    assert not result[~valid].any()


@settings(max_examples=40)
@given(st.sets(st.integers(0, 29)), st.floats(-1e6, 1e6, width=32))
def test_what_is_not_valid_has_no_influence(gone, garbage):
    valid = ~np.isin(np.arange(30), sorted(gone))
    clean, dirty = walk(TIMES), walk(TIMES)
    clean[~valid], dirty[~valid] = 0.0, garbage
    np.testing.assert_array_equal(seen(dirty, valid), seen(clean, valid))
    assert not seen(clean, valid)[~valid].any()


def test_a_sample_that_is_not_finite_counts_as_not_valid():
    poses, valid = walk(TIMES), np.ones(30, bool)
    poses[7, 25, 1] = np.nan
    valid[7] = False
    np.testing.assert_array_equal(seen(poses), seen(walk(TIMES), valid))


@settings(max_examples=30)
@given(st.floats(-2000, 2000), st.floats(-2000, 2000), st.floats(0.15, 6.0))
def test_place_and_size_do_not_matter(x, y, scale):
    """From 30 px to 1200 px high, anywhere in or beside the image."""
    poses = walk(TIMES)
    moved = poses.copy()
    moved[..., :3] *= scale
    moved[..., :2] += (x, y)
    np.testing.assert_allclose(seen(moved), seen(poses), atol=0.02)


@pytest.mark.parametrize("poses", [walk(TIMES), fall(TIMES, 0.6), walk(TIMES)[::-1]])
def test_the_mirror_image_has_mirrored_features(poses):
    mirrored = poses[:, MIRROR].copy()
    mirrored[..., 0] = 640 - mirrored[..., 0]
    swap = [0, *(number + 1 if number % 2 else number - 1 for number in range(1, POINT_COUNT))]
    expected = seen(poses).copy()
    for name in ("position", "speed"):
        expected[:, GROUPS[name]] = _flip(expected[:, GROUPS[name]], swap)
    for name in ("visibility", "depth"):
        expected[:, GROUPS[name]] = expected[:, GROUPS[name]][:, swap]
    body_speed, direction, angle = (GROUPS[name] for name in ("body speed", "direction", "angle"))
    for column in (*body_speed[::2], *direction[::2], GROUPS["travel"][0]):  # what is x
        expected[:, column] *= -1
    expected[:, direction[2:]] = expected[:, [*direction[4:], *direction[2:4]]]  # forearms
    expected[:, angle] = expected[
        :, [column ^ 1 if angle.start % 2 == 0 else ((column - 1) ^ 1) + 1 for column in angle]
    ]
    np.testing.assert_allclose(seen(mirrored), expected, atol=1e-3)


def _flip(points: np.ndarray, swap: list[int]) -> np.ndarray:
    shaped = points.reshape(len(points), POINT_COUNT, 2)[:, swap] * (-1, 1)
    return shaped.reshape(len(points), -1)


@pytest.mark.parametrize(
    ("turn", "direction"),
    [
        (0, (0, -1)),  # stands
        (90, (1, 0)),  # lies, head to the right
        (-90, (-1, 0)),  # lies, head to the left
        (180, (0, 1)),  # hangs upside down
    ],
)
def test_gravity_is_kept(turn, direction):
    still = np.stack([body(turn=turn)] * 30)
    np.testing.assert_allclose(seen(still)[:, TORSO], np.tile(direction, (30, 1)), atol=1e-3)


def test_lying_differs_from_standing():
    standing, lying = (seen(np.stack([body(turn=turn)] * 30)) for turn in (0, 90))
    assert np.abs(standing - lying).max() > 1.0
    assert np.abs(standing - lying).mean() > 0.1


@pytest.mark.parametrize(("joint", "column"), [("knee", 0), ("hip", 2), ("elbow", 4)])
@pytest.mark.parametrize("side", [0, 1])
def test_a_bent_limb_is_told_by_its_own_angle(joint, column, side):
    """Cosine 0 at a right angle, -1 where the limb is straight; the other side and the other joints stay."""
    middle, below = {"knee": (25, (27,)), "hip": (23, (25, 27)), "elbow": (13, (15,))}[joint]
    pose = body()
    before = seen(np.stack([pose] * 3))[0]
    for landmark in below:  # a quarter turn of all that hangs on the joint
        x, y = pose[landmark + side, :2] - pose[middle + side, :2]
        pose[landmark + side, :2] = pose[middle + side, :2] + np.array([-y, x])
    after = seen(np.stack([pose] * 3))[0]
    assert before[ANGLES + column + side] < -0.9
    assert after[ANGLES + column + side] == pytest.approx(0.0, abs=0.2)
    others = [ANGLES + n for n in range(6) if n != column + side]
    np.testing.assert_allclose(after[others], before[others], atol=0.01)


@pytest.mark.parametrize("rate", [10.0, 15.0, 30.0])
def test_speed_is_in_body_lengths_a_second(rate):
    """Steady motion: the same number whatever the rate of the window."""
    times = np.arange(int(2 * rate)) / rate
    steady = np.stack([body(200, (100 + 150 * t, 240 + 30 * t)) for t in times])
    scale = (
        max(1.2 * 0.24, 0.3, 1.1 * 0.25, 1.15 * 0.23, 1.9 * 0.12) * 200
    )  # the torso is the longest measure
    speed = seen(steady, rate=rate)[2:, HIP_SPEED]
    np.testing.assert_allclose(speed, np.tile([150 / scale, 30 / scale], (len(speed), 1)) * 0.25, rtol=0.02)


def test_no_speed_beside_a_gap():
    valid = np.ones(30, bool)
    valid[10:20] = False
    speed = seen(walk(TIMES), valid)[:, HIP_SPEED]
    assert not speed[[0, 1, 20, 21]].any()
    assert (speed[[2, 9, 22, 29], 0] > 0.1).all()


def test_what_is_outside_of_the_picture_does_not_count():
    """A webcam shows head and arms; where the rest is guessed to be makes no difference, nor its size."""
    poses = walk(TIMES)
    poses[:, 23:, 3] = 0.01
    elsewhere = poses.copy()
    elsewhere[:, 23:, :3] += np.random.default_rng(1).normal(0, 80, (30, 10, 3))
    np.testing.assert_array_equal(seen(elsewhere), seen(poses))
    np.testing.assert_allclose(
        seen(poses)[:, GROUPS["position"][:6]], seen(walk(TIMES))[:, GROUPS["position"][:6]], rtol=0.25
    )


def test_windows_of_a_batch_are_seen_one_by_one():
    poses = np.stack([walk(TIMES), fall(TIMES, 0.5), walk(TIMES, 90.0)])
    valid = np.ones((3, 30), bool)
    valid[1, :7] = False
    together = features(poses, valid)
    for row in range(3):
        np.testing.assert_allclose(together[row], seen(poses[row], valid[row]), atol=1e-6)


def test_inputs_are_left_alone():
    poses, valid = walk(TIMES)[None], np.ones((1, 30), bool)
    poses[0, 3] = np.inf
    before = poses.copy(), valid.copy()
    features(poses, valid)
    np.testing.assert_array_equal(poses, before[0])
    np.testing.assert_array_equal(valid, before[1])
