"""Object keypoint similarity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.landmarks import Landmark
from tracker.oks import object_keypoint_similarity

BODY = np.concatenate(
    [np.random.default_rng(3).uniform(0, [60, 160, 10], (33, 3)), np.ones((33, 1))], axis=1
).astype(np.float32)
AREA = 60.0 * 160.0


def _shifted(x: float, y: float = 0.0) -> np.ndarray:
    return BODY + np.array([x, y, 0, 0], np.float32)


def test_the_same_pose_is_one_and_one_elsewhere_is_nothing() -> None:
    assert object_keypoint_similarity(BODY, BODY, AREA) == 1.0
    assert object_keypoint_similarity(BODY, _shifted(500), AREA) < 1e-6


def test_it_is_cocos_formula() -> None:
    """Only the left shoulder is off, by 10 px: exp(-d^2 / (2 s^2 k^2)) with COCO's sigma of 0.079."""
    other = BODY.copy()
    other[Landmark.LEFT_SHOULDER, 0] += 10
    one = np.exp(-(10.0**2) / (2 * AREA * 0.53 * (2 * 0.079) ** 2))
    assert object_keypoint_similarity(BODY, other, AREA) == pytest.approx((16 + one) / 17)


@given(st.floats(0.5, 60), st.floats(1.01, 3))
def test_farther_is_less_alike_and_size_does_not_matter(step: float, times: float) -> None:
    near = object_keypoint_similarity(BODY, _shifted(step), AREA)
    assert object_keypoint_similarity(BODY, _shifted(step * times), AREA) < near
    scale = np.array([2, 2, 1, 1], np.float32)
    double = object_keypoint_similarity(BODY * scale, _shifted(step) * scale, 4 * AREA)
    assert double == pytest.approx(near, abs=1e-3)


def test_what_only_one_of_them_shows_does_not_count() -> None:
    other = _shifted(0)
    other[Landmark.LEFT_WRIST] = (900, 900, 0, 0.1)
    assert object_keypoint_similarity(BODY, other, AREA) == 1.0
    hidden = _shifted(0)
    hidden[3:, 3] = 0.0  # three of COCO's keypoints are left
    assert object_keypoint_similarity(BODY, hidden, AREA) == 0.0
