"""Times of frames, from clean, missing and broken presentation times."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.reconnect import Backoff
from daemon.timeline import FileTimeline, LiveTimeline


@pytest.mark.parametrize(
    ("pts", "expected"),
    [
        ([5.0, 5.1, 5.2], [0.0, 0.1, 0.2]),  # counted from the first frame
        ([0.0, 0.1, 0.5], [0.0, 0.1, 0.5]),  # gaps are real
        ([None, None, None], [0.0, 0.1, 0.2]),  # no times: the rate
        ([0.0, 0.0, 0.0], [0.0, 0.1, 0.2]),  # all the same
        ([0.0, 0.1, None, 0.3], [0.0, 0.1, 0.2, 0.3]),
        ([0.0, 0.1, 7000.0, 7000.1], [0.0, 0.1, 0.2, 0.3]),  # a jump
        ([3.0, 3.1, 0.0, 0.1], [0.0, 0.1, 0.2, 0.3]),  # starts again
    ],
)
def test_file_times(pts: list[float | None], expected: list[float]) -> None:
    timeline = FileTimeline(10.0)
    assert [timeline.seconds(value) for value in pts] == pytest.approx(expected)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=2))
def test_file_times_always_grow(pts: list[float | None]) -> None:
    timeline = FileTimeline(25.0)
    times = [timeline.seconds(value) for value in pts]
    assert times[0] == 0.0
    assert all(b > a for a, b in pairwise(times))


def test_live_times_have_the_cameras_spacing_not_the_networks_jitter() -> None:
    generator = random.Random(1)
    timeline = LiveTimeline()
    pts = [n / 15 for n in range(300)]
    times = [timeline.monotonic(value, 1000 + value + generator.uniform(0.0, 0.08)) for value in pts]
    steps = np.diff(times[100:])
    assert np.abs(steps - 1 / 15).max() < 0.005  # arrivals jitter by 80 ms
    assert abs(times[-1] - (1000 + pts[-1])) < 0.02


def test_live_times_follow_a_slow_camera_clock_and_survive_a_jump() -> None:
    timeline = LiveTimeline()
    for n in range(15 * 600):  # ten minutes with a clock that loses a second in a thousand
        arrival = n / 15
        when = timeline.monotonic(arrival * 0.999, arrival)
    assert when == pytest.approx(arrival, abs=0.05)
    assert timeline.monotonic(5.0, arrival + 0.1) == pytest.approx(arrival + 0.1, abs=0.01)


def test_backoff_doubles_to_its_limit_with_jitter_and_starts_again() -> None:
    backoff = Backoff(1.0, 8.0, generator=random.Random(7))
    waits = [backoff.next() for _ in range(6)]
    for wait, longest in zip(waits, [1, 2, 4, 8, 8, 8], strict=True):
        assert longest / 2 <= wait <= longest
    assert len({round(wait, 6) for wait in waits[3:]}) == 3  # not in step
    backoff.reset()
    assert backoff.next() <= 1.0
