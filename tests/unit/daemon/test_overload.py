"""When there is too little time for a camera's frames, and when not any more."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from daemon.overload import CameraLoad, OverloadWatch


def run(watch: OverloadWatch, shares: list[float], *, fps: float = 10.0, start: float = 0.0) -> list[bool]:
    """Half a second for each share of the frames that is processed; what it says after each."""
    said, done, lost = [], 0.0, 0.0
    for number, share in enumerate(shares):
        done += share * fps / 2
        lost += (1.0 - share) * fps / 2
        watch.update(round(done), round(lost), start + number / 2)
        said.append(watch.overloaded)
    return said


def test_a_camera_whose_frames_are_half_lost_is_overloaded_after_some_seconds() -> None:
    said = run(OverloadWatch(), [0.5] * 60)
    first = said.index(True)
    assert 10.0 <= first / 2 <= 16.0
    assert all(said[first:])


def test_it_is_over_when_nearly_everything_is_processed_for_a_while() -> None:
    said = run(OverloadWatch(), [0.3] * 40 + [1.0] * 60)
    assert said[39]
    over = said.index(False, 40)
    assert 20 <= over - 40 <= 32  # ten seconds, and those that are still in view


def test_between_the_two_limits_it_stays_as_it_was() -> None:
    assert not any(run(OverloadWatch(), [0.9] * 100))
    assert all(run(OverloadWatch(), [0.3] * 40 + [0.9] * 100)[40:])


def test_a_short_burst_is_none() -> None:
    assert not any(run(OverloadWatch(), ([1.0] * 30 + [0.0] * 6) * 4 + [1.0] * 20))


def test_without_pictures_there_is_no_overload() -> None:
    watch = OverloadWatch()
    run(watch, [0.3] * 40)
    assert watch.overloaded
    for number in range(20):
        watch.update(60, 140, 20.0 + number / 2)
    assert not watch.overloaded
    assert watch.share is None


def test_too_few_frames_say_nothing() -> None:
    assert not any(run(OverloadWatch(), [0.0] * 100, fps=0.5))


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=200), st.floats(0.1, 60.0))
def test_whatever_comes_it_does_not_flicker(shares: list[float], fps: float) -> None:
    """Ten seconds at least lie between two changes, as long as pictures come."""
    said = run(OverloadWatch(), shares, fps=fps)
    changes = [place for place in range(1, len(said)) if said[place] != said[place - 1]]
    steady = [b - a for a, b in pairwise(changes) if fps > 4.0]
    assert all(gap / 2 >= 10.0 for gap in steady)


def test_frames_that_are_lost_on_purpose_are_no_overload() -> None:
    load = CameraLoad()
    for number in range(80):
        load.sample(5 * number, number, 4 * number, number / 2, judged=True)
    assert load.overloaded
    assert (load.received.rate, load.processed.rate, load.share) == (10.0, 2.0, 0.2)
    for number in range(80, 200):
        load.sample(5 * number, number, 4 * number, number / 2, judged=False)
        assert not load.overloaded
    load.sample(1000, 300, 700, 100.0, judged=True)
    assert load.share is None  # what was lost meanwhile does not count
