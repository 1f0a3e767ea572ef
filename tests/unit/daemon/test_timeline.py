"""Times of frames, from clean, missing and broken presentation times."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.reconnect import Backoff, Patience
from daemon.source_types import Reason
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


@pytest.mark.parametrize("rate", [1.001, 1.0, 0.999, 1.0002])
def test_live_times_follow_a_clock_that_drifts_for_a_day(rate: float) -> None:
    """Off by 86 s in the end: every time stays within a tenth of a second of the truth."""
    generator = random.Random(3)
    timeline = LiveTimeline()
    worst = 0.0
    for n in range(24 * 3600 * 4):
        captured = n / 4
        when = timeline.monotonic(captured * rate, captured + generator.uniform(0.0, 0.06))
        worst = max(worst, abs(when - captured))
    assert worst < 0.1


def test_a_network_that_hangs_and_catches_up_changes_no_time() -> None:
    timeline = LiveTimeline()
    times = []
    for n in range(450):
        captured = n / 15
        late = 12.0 - captured if 10.5 < captured < 12.0 else 0.0  # all of 1.5 s come at once
        times.append(timeline.monotonic(captured + 77, captured + late))
    np.testing.assert_allclose(times, np.arange(450) / 15, atol=0.02)


def test_a_clock_that_stands_still_is_not_used() -> None:
    timeline = LiveTimeline()
    times = [timeline.monotonic(5.0, n / 15) for n in range(150)]
    np.testing.assert_allclose(times, np.arange(150) / 15, atol=1e-6)


@pytest.mark.parametrize("rate", [0.3, 0.7, 1.5, 10.0])
def test_a_clock_with_the_wrong_unit_lags_two_seconds_at_most(rate: float) -> None:
    timeline = LiveTimeline()
    times = [timeline.monotonic(n / 15 * rate, n / 15) for n in range(900)]
    assert all(b > a for a, b in pairwise(times))
    assert all(n / 15 - 2.001 <= when <= n / 15 + 0.1 for n, when in enumerate(times))


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.floats(-1e5, 1e5)), st.floats(0.005, 6.0)), min_size=2, max_size=60
    )
)
def test_live_times_grow_and_stay_near_the_arrival_whatever_the_camera_says(
    frames: list[tuple[float | None, float]],
) -> None:
    timeline = LiveTimeline()
    arrival, before = 1000.0, float("-inf")
    for pts, step in frames:
        arrival += step
        when = timeline.monotonic(pts, arrival)
        assert when > before
        assert arrival - 2.001 <= when <= arrival + 1e-6
        before = when


def test_a_refused_password_is_tried_more_and_more_seldom() -> None:
    patience = Patience(Backoff(1.0, 8.0, generator=random.Random(7)), 300.0)
    waits = [patience.after(Reason.AUTH) for _ in range(6)]
    assert waits[0] <= 1.0
    assert waits[1:] == [10.0, 30.0, 60.0, 300.0, 300.0]  # a camera that starts may refuse the right one, too
    assert patience.after(Reason.NETWORK) <= 8.0  # not even there: other waits, and counted anew
    assert patience.after(Reason.AUTH) <= 8.0
    short = Patience(Backoff(0.1, 1.0), 2.0)
    assert max(short.after(Reason.AUTH) for _ in range(6)) == 2.0  # as it is set


def test_a_stream_that_lasted_makes_the_next_wait_short() -> None:
    patience = Patience(Backoff(1.0, 8.0, generator=random.Random(7)), 300.0)
    assert max(patience.after(Reason.NETWORK, streamed=1.0) for _ in range(6)) > 3.0
    assert patience.after(Reason.NETWORK, streamed=60.0) <= 1.0


def test_backoff_doubles_to_its_limit_with_jitter_and_starts_again() -> None:
    backoff = Backoff(1.0, 8.0, generator=random.Random(7))
    waits = [backoff.next() for _ in range(6)]
    for wait, longest in zip(waits, [1, 2, 4, 8, 8, 8], strict=True):
        assert longest / 2 <= wait <= longest
    assert len({round(wait, 6) for wait in waits[3:]}) == 3  # not in step
    backoff.reset()
    assert backoff.next() <= 1.0
