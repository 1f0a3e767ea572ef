"""When pictures of a live stream are left out, and when never."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from daemon.rtsp.lag import Lag

FPS = 10


def play(
    lag: Lag,
    seconds: float,
    *,
    costs: float,
    group: float = 2.0,
    start: float = 0.0,
    held: tuple[float, float] = (-1.0, -1.0),
    clock: float = 1.0,
) -> list[tuple[float, float, bool]]:
    """Time stamp, lag and whether it was skipped, of each picture of a reader that takes `costs` for one.

    Args:
        lag: what is tried.
        seconds: that the stream lasts.
        costs: seconds to decode a picture; none where it is skipped.
        group: seconds from key frame to key frame.
        start: seconds of the first picture.
        held: between which times nothing gets through the network.
        clock: seconds of the camera in one of ours.
    """
    now, found = start, []
    for number in range(round(seconds * FPS)):
        sent = start + number / FPS
        arrives = held[1] if held[0] <= sent < held[1] else sent
        waited = arrives > now
        now = max(now, arrives)
        begins = number % round(group * FPS) == 0
        skipped = lag.skips(5000 + sent * clock, now, begins=begins, waited=waited)
        found.append((sent, now - sent, skipped))
        now += 0.0 if skipped else costs
    return found


@pytest.mark.parametrize("costs", [0.11, 0.15, 0.3])
@pytest.mark.parametrize("group", [0.5, 1.0, 4.0])
def test_who_is_too_slow_stays_within_a_group_of_the_stream(costs: float, group: float) -> None:
    seen = play(Lag(), 120, costs=costs, group=group)
    assert any(skipped for *_, skipped in seen)
    shown = [late for sent, late, skipped in seen if not skipped and sent > 3 * group]
    assert max(shown) < 1.0 + 0.5 + max(1.0, group) + costs


def test_what_is_left_out_had_come_already() -> None:
    """There is never a wait without pictures: whoever skips has the key frame."""
    lag = Lag()
    seen = play(lag, 60, costs=0.15, group=4.0)
    resumed = [late for (*_, before), (_, late, skipped) in pairwise(seen) if before > skipped]
    assert resumed
    assert min(resumed) > 0.0


@pytest.mark.parametrize("clock", [1.0, 0.7, 1.4, 1.0005, 0.9995])
def test_who_is_fast_enough_skips_nothing_whatever_the_clock_says(clock: float) -> None:
    assert not any(skipped for *_, skipped in play(Lag(), 600, costs=0.05, clock=clock))


def test_what_a_network_held_up_is_decoded() -> None:
    seen = play(Lag(), 60, costs=0.004, held=(20.0, 23.0))
    assert max(late for _, late, _ in seen) > 2.9
    assert not any(skipped for *_, skipped in seen)


@pytest.mark.parametrize("group", [1000.0, 15.0])
def test_where_key_frames_are_rare_nothing_is_left_out(group: float) -> None:
    assert not any(skipped for *_, skipped in play(Lag(), 120, costs=0.2, group=group))


def test_time_stamps_that_jump_leave_nothing_out_for_long() -> None:
    """Set back by an hour, everything seems late; then there is nothing more to take in, and it goes on."""
    lag = Lag()
    play(lag, 20, costs=0.05)
    generator = random.Random(3)
    now, skipped = 20.0, 0
    for number in range(600):
        waited = generator.random() < 0.5
        skipped += lag.skips(1000 + number / FPS, now, begins=number % 10 == 0, waited=waited)
        now += 1 / FPS
    assert skipped < 30
