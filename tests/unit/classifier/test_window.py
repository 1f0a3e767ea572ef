"""Windows are seconds: whatever the frame rate, the same motion gives the same window."""

from __future__ import annotations

import numpy as np
import pytest
from bodies import body, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.window import MAX_GAP, PoseWindow, PoseWindows, resample

RATE, SAMPLES = 15.0, 30


def windows_of(times, landmarks, track="a", **options) -> PoseWindows:
    windows = PoseWindows(**options)
    for time, pose in zip(times, landmarks, strict=True):
        windows.push(track, pose, None, float(time))
    return windows


def only(windows: PoseWindows, track="a") -> PoseWindow:
    window = windows.window(track)
    assert window is not None
    return window


@st.composite
def frame_times(draw):
    """Three seconds of frames at 5 to 30 fps, each up to a third of a period late, some lost."""
    rate = draw(st.floats(5, 30))
    count = int(3 * rate)
    jitter = draw(st.lists(st.floats(0, 0.33), min_size=count, max_size=count))
    lost = draw(st.sets(st.integers(1, count - 2), max_size=count // 6))
    times = (np.arange(count) + jitter) / rate
    return np.delete(times, sorted(lost)) + draw(st.floats(0, 1e7))


@settings(max_examples=60)
@given(
    frame_times(),
    st.lists(st.tuples(st.floats(0.1, 1.5), st.floats(0, 60), st.floats(0, 6)), min_size=1, max_size=3),
)
def test_any_frame_rate_gives_the_window_of_the_motion(times, waves):
    """A motion of slow waves in px, seen at odd times, against the motion itself at 15 Hz.

    Linear interpolation between poses `gap` apart is at most gap^2 / 8 times the acceleration off.
    """

    def motion(t):
        value = sum(size * np.sin(2 * np.pi * hertz * (t - times[0]) + phase) for hertz, size, phase in waves)
        return np.broadcast_to(np.asarray(value)[:, None, None], (len(t), 33, 4)).astype(np.float32)

    window = only(windows_of(times, motion(times)))
    assert window.monotonic == times[-1]
    grid = times[-1] - np.arange(SAMPLES)[::-1] / RATE
    gap = np.diff(times).max()
    acceleration = sum(size * (2 * np.pi * hertz) ** 2 for hertz, size, _ in waves)
    np.testing.assert_array_equal(window.valid, grid >= times[0] - 1e-6 if gap <= MAX_GAP else window.valid)
    error = np.abs(window.landmarks - motion(grid))[window.valid].max()
    assert error <= gap**2 / 8 * acceleration + 1e-3


@pytest.mark.parametrize("uptime", [0.0, 3e5 + 0.1, 1e7 + 0.3, 1e8 + 0.7])
def test_uptime_changes_nothing(uptime):
    """Poses on the grid, with gaps: floats lose digits after years, the window does not change."""
    for first in range(16, 40):
        times = np.delete(np.arange(45) / RATE, range(first, min(first + 8, 44)))
        early, late = (resample(times + shift, walk(times), times[-1] + shift, rate=RATE, samples=SAMPLES)
                       for shift in (0.0, uptime))  # fmt: skip
        np.testing.assert_array_equal(late[1], early[1])
        np.testing.assert_allclose(late[0], early[0], atol=0.01)
    # Half a second is bridged, however it is rounded.
    for tenth in range(100):
        times = np.array([0.0, 0.5]) + tenth / 10 + uptime
        assert resample(times, walk(times - uptime), times[-1], rate=10, samples=6)[1].all()


@pytest.mark.parametrize(
    ("times", "valid"),
    [
        # every pose is there
        ([0.0, 0.1, 0.2, 0.3, 0.4], [1, 1, 1, 1, 1]),
        # before the first pose nothing is known
        ([0.2, 0.3, 0.4], [0, 0, 1, 1, 1]),
        # half a second is bridged (the grid is 0.1 s here)
        ([-0.1, 0.4], [1, 1, 1, 1, 1]),
        # more is not; the poses at its ends count by themselves
        ([-0.5, 0.1, 0.7], [0, 1, 0, 0, 0]),
        ([-0.6, 0.0, 0.3, 0.4], [1, 1, 1, 1, 1]),
        ([0.4], [0, 0, 0, 0, 1]),
    ],
)
def test_gaps_are_invalid(times, valid):
    poses = np.stack([body()] * len(times))
    landmarks, found = resample(np.array(times), poses, 0.4, rate=10, samples=5)
    assert found.tolist() == [bool(one) for one in valid]
    assert not landmarks[~found].any()
    np.testing.assert_allclose(landmarks[found], np.stack([body()] * sum(valid)), rtol=1e-6)


def test_the_order_of_samples_is_the_order_of_time():
    times = np.arange(45) / RATE
    window = only(windows_of(times, walk(times)))
    assert (np.diff(window.landmarks[:, 0, 0]) > 0).all()
    np.testing.assert_array_equal(window.landmarks[-1], walk(times)[-1])


def test_poses_that_are_not_later_are_dropped():
    times = np.arange(30) / RATE
    clean = only(windows_of(times, walk(times)))
    windows = PoseWindows()
    for time, pose in zip(times, walk(times), strict=True):
        windows.push("a", pose, None, time)
        windows.push("a", body(), None, time)  # the same time again
        windows.push("a", body(), None, time - 0.5)  # out of order
    np.testing.assert_array_equal(only(windows).landmarks, clean.landmarks)


def test_tracks_do_not_touch_each_other():
    times = np.arange(30) / RATE
    alone = only(windows_of(times, walk(times)))
    windows = PoseWindows()
    for time, pose in zip(times, walk(times), strict=True):
        windows.push("b", body(), None, time - 0.01)
        windows.push("a", pose, None, time)
    np.testing.assert_array_equal(only(windows).landmarks, alone.landmarks)
    assert only(windows, "b").track == "b"


@pytest.mark.parametrize(
    ("times", "exists"),
    [
        (np.arange(0, 0.55, 0.1), False),  # too short
        (np.arange(0, 0.65, 0.1), True),
        (np.arange(0, 0.65, 0.2), True),  # 5 fps
        (np.arange(0, 4.1, 1.0), False),  # single poses, a second apart
        # hidden for a while: what is left of the time before still counts ...
        (np.concatenate([np.arange(0, 1.0, 0.1), [1.8, 1.9]]), True),
        # ... until there is too little of it, and too little since
        (np.concatenate([np.arange(0, 1.0, 0.1), [2.7, 2.8]]), False),
        (np.concatenate([np.arange(0, 1.0, 0.1), np.arange(2.7, 3.4, 0.1)]), True),
    ],
)
def test_a_window_needs_poses(times, exists):
    windows = windows_of(times, [body()] * len(times))
    assert (windows.window("a") is not None) == exists


def test_no_window_of_somebody_whose_poses_have_stopped():
    times = np.arange(30) / RATE
    windows = windows_of(times, walk(times))
    windows.push("b", body(), None, times[-1] + 0.45)
    assert windows.window("a") is not None
    windows.push("b", body(), None, times[-1] + 0.55)
    assert windows.window("a") is None


def test_nobody_and_the_dropped_have_no_window():
    times = np.arange(30) / RATE
    windows = windows_of(times, walk(times))
    assert windows.window("b") is None
    windows.drop("a")
    windows.drop("b")
    assert windows.window("a") is None


def test_a_window_shorter_than_the_usual_start_exists_once_it_is_full():
    windows = windows_of(np.arange(0, 0.41, 0.1), [body()] * 5, seconds=0.4)
    assert only(windows).valid.all()


def test_old_poses_are_forgotten():
    """Ten minutes at 30 fps hold no more than the last two seconds do."""
    times = np.arange(18000) / 30
    windows = windows_of(times, [body()] * len(times))
    assert len(windows._tracks["a"].times) <= 2 * 30 + 2


@pytest.mark.parametrize("shape", [(33, 3), (32, 4), (1, 33, 4)])
def test_landmarks_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="33, 4"):
        PoseWindows().push("a", np.zeros(shape, np.float32), None, 0.0)


@pytest.mark.parametrize("options", [{"rate": 0.0}, {"seconds": -1.0}])
def test_settings_must_make_sense(options):
    with pytest.raises(ValueError, match="above 0"):
        PoseWindows(**options)
