"""A take from its countdown to its end: whose it is, how long it is, and that nobody else is in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_scenes import HEIGHT, RATE, WIDTH, person, scene

from daemon.recording.frames import StreamClock
from daemon.recording.series import Series, SeriesLog
from daemon.recording.session import Phase, TakeSession, TakeSettings
from tracker.tracks import TrackState

SMALL, LARGE = (50, 200, 110, 380), (300, 40, 480, 460)


def run(session: TakeSession, frames, *, end: str = "the source ended") -> TakeSession:
    """Feeds scenes, made by a function of the time, until the take is done or `frames` are over."""
    for index, make in enumerate(frames):
        session.add(index, make(index / RATE))
        if session.phase is Phase.DONE:
            return session
    session.finish(end)
    return session


def only(session: TakeSession) -> Series:
    (series,) = session.results()
    return series


def alone(number: int = 1, box=LARGE):
    return lambda t: scene(t, person(number, t, box))


def nobody(t: float):
    return scene(t)


# --- whose take it is -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("people", "chosen"),
    [
        (lambda t: [person(1, t, SMALL), person(2, t, LARGE)], 2),
        (lambda t: [person(1, t, SMALL), person(2, t, LARGE, state=TrackState.LOST, seen=False)], 1),
        # The larger one is only seen in every ninth frame.
        (lambda t: [person(1, t, SMALL), person(2, t, LARGE, seen=round(t * RATE) % 9 == 0)], 1),
        # The larger one is a guess: next to no joint is visible.
        (lambda t: [person(1, t, SMALL), person(2, t, LARGE, visibility=0.1)], 1),
    ],
)
def test_the_most_prominent_person_is_recorded(people, chosen):
    session = run(TakeSession(TakeSettings(seconds=3)), [lambda t: scene(t, *people(t))] * 50)
    assert only(session).number == chosen


def test_whoever_comes_in_later_is_not_recorded_however_large():
    frames = [alone(1, SMALL)] * 15 + [lambda t: scene(t, person(1, t, SMALL), person(2, t, LARGE))] * 40
    series = only(run(TakeSession(TakeSettings(seconds=4)), frames))
    assert series.number == 1
    assert series.seconds == pytest.approx(4.0)
    assert {tuple(box) for box in np.stack(series.boxes).tolist()} == {SMALL}


def test_a_take_begins_with_the_person_and_not_with_the_choice():
    session = run(TakeSession(TakeSettings(seconds=2)), [nobody] * 7 + [alone()] * 60)
    assert only(session).times[0] == pytest.approx(0.7)
    assert only(session).seconds == pytest.approx(2.0)


def test_a_track_that_was_asked_for_is_waited_for():
    both = [lambda t: scene(t, person(1, t, LARGE), person(3, t, SMALL))] * 40
    session = TakeSession(TakeSettings(seconds=2, track=3))
    series = only(run(session, [alone(1)] * 20 + both))
    assert (series.number, series.times[0]) == (3, pytest.approx(2.0))


@pytest.mark.parametrize("when", [5, 14])
def test_a_person_can_be_chosen_before_the_take(when):
    """During the countdown, and while nobody has been chosen yet."""
    session = TakeSession(TakeSettings(countdown=1, seconds=2))
    for index in range(60):
        if index == when:
            session.want(3)
        people = [person(3, index / RATE, SMALL)] + ([person(1, index / RATE, LARGE)] if index > 11 else [])
        session.add(index, scene(index / RATE, *(people if index > 5 or when < 10 else people[:0])))
    assert only(session).number == 3


def test_nobody_is_changed_while_the_take_runs():
    both = lambda t: scene(t, person(1, t, LARGE), person(3, t, SMALL))  # noqa: E731
    session = TakeSession(TakeSettings(seconds=3))
    for index in range(60):
        session.add(index, both(index / RATE))
        if index == 20:
            session.want(3)
    assert only(session).number == 1


def test_everyone_has_a_series():
    frames = [lambda t: scene(t, person(1, t, LARGE), person(2, t, SMALL))] * 20 + [alone(1)] * 40
    session = run(TakeSession(TakeSettings(seconds=4, everyone=True)), frames)
    assert {one.number: round(one.seconds, 3) for one in session.results()} == {1: 4.0, 2: 1.9}
    assert session.chosen is None


# --- how long it is -------------------------------------------------------------------------------------


def test_the_countdown_is_in_the_time_of_the_stream():
    session = TakeSession(TakeSettings(countdown=3, seconds=1))
    left = []
    for index in range(60):
        session.add(index, alone()(100 + index / RATE))
        if session.phase is Phase.COUNTDOWN:
            left.append(session.remaining)
    assert left == pytest.approx([3 - n / RATE for n in range(30)])
    assert only(session).times[0] == pytest.approx(103.0)
    assert only(session).seconds == pytest.approx(1.0)
    assert (session.phase, session.ended, session.recorded) == (Phase.DONE, "", pytest.approx(1.0))


@pytest.mark.parametrize(
    ("settings_", "count"),
    [
        (TakeSettings(seconds=2), 21),
        (TakeSettings(frames=13), 13),
        (TakeSettings(seconds=2, frames=13), 13),
        (TakeSettings(seconds=1, frames=13), 11),
        (TakeSettings(seconds=0.8), 9),  # shorter than the second before the choice
        (TakeSettings(frames=7), 7),
        (TakeSettings(), 90),
    ],
)
def test_seconds_and_frames_end_a_take(settings_, count):
    assert len(only(run(TakeSession(settings_), [alone()] * 90)).times) == count


def test_what_there_is_until_a_stop_is_kept():
    session = run(TakeSession(TakeSettings(seconds=9)), [alone()] * 17, end="stopped")
    assert len(only(session).times) == 17
    assert session.ended == "stopped"


@pytest.mark.parametrize(
    ("settings_", "end", "early"),
    [
        (TakeSettings(), "the source ended", ""),  # all of it was wanted
        (TakeSettings(seconds=9), "the source ended", "the source ended"),
        (TakeSettings(frames=99), "the source ended", "the source ended"),
        (TakeSettings(), "stopped", "stopped"),
        (TakeSettings(seconds=1), "stopped", ""),
    ],
)
def test_why_a_take_is_short(settings_, end, early):
    assert run(TakeSession(settings_), [alone()] * 17, end=end).early == early


def test_a_stop_before_the_choice_still_chooses():
    session = run(TakeSession(TakeSettings(seconds=9)), [alone()] * 8, end="stopped")
    assert len(only(session).times) == 8


# --- when the person is lost ----------------------------------------------------------------------------


def gone(t: float):
    return scene(t, person(1, t, LARGE, state=TrackState.LOST, seen=False))


def test_a_short_loss_is_a_gap_and_a_long_one_the_end():
    session = run(TakeSession(TakeSettings()), [alone()] * 20 + [gone] * 15 + [alone()] * 20 + [gone] * 99)
    series = only(session)
    assert [round(t * RATE) for t in series.times] == [*range(20), *range(35, 55)]
    assert session.ended == "the person was out of sight for 2 s"
    assert session.frames[-1][0] == 75


def test_frames_without_a_pose_are_gaps():
    blind = [lambda t: scene(t, person(1, t, LARGE, posed=False))] * 5
    series = only(run(TakeSession(TakeSettings()), [alone()] * 20 + blind + [alone()] * 10))
    assert series.indices == [*range(20), *range(25, 35)]


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (lambda t: scene(t, person(1, t, state=TrackState.REMOVED, seen=False)), "left the picture"),
        (lambda t: scene(t, person(7, t, LARGE), cut=True), "changed to another scene"),
        (lambda t: scene(t, person(1, t, LARGE), size=(320, 240)), "changed its size"),
    ],
)
def test_what_comes_after_is_of_somebody_else(last, why):
    session = run(TakeSession(TakeSettings()), [alone()] * 20 + [last] * 30)
    assert len(only(session).times) == 20
    assert why in session.ended


def test_a_glimpse_of_somebody_does_not_use_up_the_take():
    left = [lambda t: scene(t, person(1, t, state=TrackState.REMOVED, seen=False))]
    glimpse = [alone(1)] * 4 + left
    session = run(TakeSession(TakeSettings(seconds=2, track=1)), glimpse + [nobody] * 20 + [alone(1)] * 40)
    assert only(session).times[0] == pytest.approx(2.5)


# --- never two people in one take -----------------------------------------------------------------------


def crossing(t: float):
    """Two bodies walk towards each other, meet at 3 s and go on; both names stay on their side."""
    shift = 60 * t
    return scene(
        t,
        person(1, t, (100 + shift, 100, 200 + shift, 400)),
        person(2, t, (460 - shift, 90, 560 - shift, 400)),
    )


def test_a_take_ends_before_the_meeting_at_which_the_name_went_over():
    swap = [
        lambda t: scene(
            t,
            person(1, t, (200, 90, 300, 400), was=2),
            person(2, t, (400, 100, 500, 400), was=1),
            renamed={1: 2, 2: 1},
        )
    ]
    session = TakeSession(TakeSettings(track=1))
    run(session, [crossing] * 45 + swap + [alone(1)] * 20)
    series = only(session)
    assert "went over to another body" in session.ended
    # The boxes share 20 % from 200 - 100 + 0.2 * 100 px on: at 260 + 60 t = 440 - 60 t + 20.
    assert series.times[-1] < 2.4
    assert series.times[-1] > 2.0
    assert not any(series.met)


def test_a_body_that_gets_the_name_of_somebody_lost_is_the_same_body():
    rename = [lambda t: scene(t, person(1, t, LARGE, was=5), renamed={5: 1})]
    session = run(TakeSession(TakeSettings(seconds=5)), [alone(5)] * 20 + rename + [alone(1)] * 60)
    series = only(session)
    assert (series.number, series.seconds, len(series.times)) == (1, pytest.approx(5.0), 51)


def test_somebody_who_was_lost_and_found_under_a_new_name_goes_on():
    log = SeriesLog(lost=4.0)
    frames = [alone(1)] * 10 + [gone] * 5
    frames += [lambda t: scene(t, person(1, t, state=TrackState.LOST, seen=False), person(2, t, LARGE))] * 5
    frames += [lambda t: scene(t, person(1, t, LARGE, was=2), renamed={2: 1})] + [alone(1)] * 5
    for index, make in enumerate(frames):
        log.add(index, make(index / RATE))
    (series,) = log.series
    assert series.number == 1
    assert series.indices == [*range(10), *range(15, 26)]


def test_without_a_body_of_its_own_any_more_a_name_is_another_person():
    """Track 1 is still seen when another body, far away, gets its name."""
    both = [lambda t: scene(t, person(1, t, SMALL), person(2, t, LARGE))] * 20
    rename = [lambda t: scene(t, person(1, t, LARGE, was=2), renamed={2: 1})]
    session = run(TakeSession(TakeSettings(track=1)), both + rename + [alone(1, LARGE)] * 20)
    assert {tuple(box) for box in np.stack(only(session).boxes).tolist()} == {SMALL}
    assert session.ended == "the name of track 1 went to another body"


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=5, max_size=60))
def test_a_series_never_holds_two_bodies(steps):
    """Bodies stand in places of their own; names are given to them anew at any time."""
    places = [(100 * n, 100, 100 * n + 60, 400) for n in range(6)]
    names = list(range(6))
    log = SeriesLog(lost=2.0)
    for index, (other, swap) in enumerate(steps):
        t = index / RATE
        renamed = {}
        if swap and other:
            renamed = {names[0]: names[other], names[other]: names[0]}
            names[0], names[other] = names[other], names[0]
        people = [
            person(number, t, places[body]) for body, number in enumerate(names) if body != other or swap
        ]
        log.add(index, scene(t, *people, renamed=renamed))
    for series in log.series:
        assert len({tuple(box) for box in np.stack(series.boxes).tolist()}) == 1
        assert (np.diff(series.times) > 0).all()


# --- when there is nothing ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings_", "frames", "why"),
    [
        (
            TakeSettings(),
            [nobody] * 30,
            "nobody was seen (the source ended): is a whole person in the picture",
        ),
        (TakeSettings(track=4), [alone(1)] * 30, "track 4 was not seen (the source ended): seen were 1"),
        (TakeSettings(track=4), [nobody] * 30, "track 4 was not seen (the source ended): nobody was seen"),
        (TakeSettings(countdown=9), [alone()] * 30, "the take did not begin (the source ended)"),
        (TakeSettings(patience=1), [nobody] * 30, "nobody was seen (waited for 1 s)"),
        (TakeSettings(), [alone()] * 3, "nobody was seen for 0.6 s without a break"),
        (TakeSettings(), [], "the take did not begin"),
        (TakeSettings(everyone=True), [nobody] * 30, "nobody was seen"),
    ],
)
def test_why_there_is_nothing(settings_, frames, why):
    session = run(TakeSession(settings_), frames)
    assert session.results() == []
    assert session.problem().startswith(why)


def test_waiting_takes_no_memory():
    session = TakeSession(TakeSettings(track=9))
    for index in range(500):
        session.add(index, scene(index / RATE, person(1, index / RATE, SMALL), person(2, index / RATE)))
    assert len(session.frames) == 1
    assert session._log.series == []


def test_landmarks_are_shares_of_the_image():
    series = only(run(TakeSession(TakeSettings()), [alone()] * 10))
    expected = alone()(0.0).people[0].pose.landmarks / (WIDTH, HEIGHT, WIDTH, 1)
    np.testing.assert_allclose(series.landmarks[0], expected, rtol=1e-6)


def test_a_pose_that_could_not_be_read_again_is_left_out():
    wild = [lambda t: scene(t, person(1, t, (0, 0, 99 * WIDTH, 100)))]
    series = only(run(TakeSession(TakeSettings()), [alone()] * 10 + wild + [alone()] * 10))
    assert series.indices == [*range(10), *range(11, 21)]


# --- the time of a stream -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "steps"),
    [
        # (camera's clock, arrival)
        ([(5.0, 100.0), (5.1, 100.0), (5.2, 100.01), (5.3, 100.3)], [0.1, 0.1, 0.1]),  # a burst at the start
        ([(5.0, 100.0), (5.5, 100.1), (5.6, 100.9)], [0.5, 0.1]),  # a lost frame; late ones
        ([(5.0, 100.0), (905.0, 100.2), (905.1, 100.3)], [0.2, 0.1]),  # the camera's clock was set
        ([(5.0, 100.0), (1.0, 100.2), (1.1, 100.3)], [0.2, 0.1]),
        ([(None, 100.0), (None, 100.2), (None, 100.5)], [0.2, 0.3]),  # a webcam
        ([(None, 100.0), (None, 100.0)], [0.001]),
    ],
)
def test_frames_keep_the_spacing_of_the_camera(frames, steps):
    clock = StreamClock()
    times = [clock.seconds(pts, arrival) for pts, arrival in frames]
    assert times[0] == frames[0][1]
    assert np.diff(times) == pytest.approx(steps, abs=1e-6)
