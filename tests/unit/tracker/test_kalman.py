"""The box filter: motion, frame rates, doubt."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.kalman import BoxFilter, from_centre, to_centre

BOX = np.array([[10.0, 20.0, 50.0, 120.0]])


def test_centre_and_back_is_the_same_box() -> None:
    assert np.allclose(from_centre(to_centre(BOX)), BOX)


@pytest.mark.parametrize("rate", [5, 10, 25])
def test_learns_the_speed_at_any_frame_rate(rate: int) -> None:
    motion = BoxFilter()
    states = motion.start(BOX)
    for frame in range(1, 3 * rate + 1):
        states = motion.predict(states, 1 / rate)
        states = motion.correct(states, BOX + np.array([60.0, 0, 60.0, 0]) * frame / rate, np.ones(1))
    assert states.rate[0, 0] == pytest.approx(60.0, rel=0.03)


def test_two_short_predictions_equal_a_long_one_in_place_and_variance() -> None:
    motion = BoxFilter()
    states = motion.start(BOX)
    states.rate[0, 0] = 30.0
    once = motion.predict(states, 0.4)
    twice = motion.predict(motion.predict(states, 0.2), 0.2)
    assert np.allclose(once.value[:, :2], twice.value[:, :2])
    assert np.allclose(once.covariance[:, :, :2], twice.covariance[:, :, :2])


def test_a_weak_detection_moves_the_box_less() -> None:
    motion = BoxFilter()
    states = motion.predict(motion.start(BOX), 0.1)
    strong = motion.correct(states, BOX + 10, np.array([0.9])).value[0, 0]
    weak = motion.correct(states, BOX + 10, np.array([0.2])).value[0, 0]
    assert states.value[0, 0] < weak < strong
