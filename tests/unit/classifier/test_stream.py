"""Windows kept ready sample by sample: what all poses, resampled and described anew, give."""

from __future__ import annotations

import numpy as np
import pytest
from bodies import body, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.features import FEATURE_COUNT, features
from classifier.stream import PoseStream
from classifier.window import MAX_GAP, MIN_SPAN, SAME, resample

RATE, SAMPLES = 15.0, 30


class Plain:
    """The simple way: all poses are kept, and each window is made of them from the beginning."""

    def __init__(self) -> None:
        self.poses: dict[str, list[tuple[float, np.ndarray]]] = {}

    def push(self, poses: dict[str, np.ndarray], monotonic: float) -> None:
        for track, pose in poses.items():
            own = self.poses.setdefault(track, [])
            if not own or monotonic > own[-1][0]:
                own.append((monotonic, pose))

    def window(self, track: str) -> np.ndarray | None:
        own = self.poses.get(track)
        newest = max(poses[-1][0] for poses in self.poses.values())
        if own is None or newest - own[-1][0] > MAX_GAP:
            return None
        times = np.array([time for time, _ in own])
        end = np.floor((times[-1] + SAME) * RATE) / RATE
        landmarks, valid = resample(
            times, np.stack([pose for _, pose in own]), end, rate=RATE, samples=SAMPLES
        )
        if valid.sum() < round(MIN_SPAN * RATE):
            return None
        return features(landmarks[None], valid[None], RATE)[0]


@st.composite
def footage(draw: st.DrawFn) -> list[tuple[float, dict[str, int]]]:
    """Frames of a few seconds at some rate, with jitter and breaks, and who is seen in each."""
    rate, start = draw(st.sampled_from([5.0, 7.3, 10.0, 15.0, 25.0, 30.0])), draw(st.floats(0, 1e6))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    jitter = draw(st.sampled_from([0.0, 0.3]))
    time, frames = start, []
    for _ in range(draw(st.integers(1, 120))):
        time += (1 + jitter * random.uniform(-1, 1)) / rate
        time += random.choice([0.0, 0.3, 0.9, 3.0], p=[0.97, 0.01, 0.01, 0.01])
        seen = {name: int(random.integers(1 << 30)) for name in "abcd" if random.random() < 0.85}
        frames.append((time, seen))
    return frames


@settings(max_examples=60, deadline=None)
@given(footage(), st.integers(1, 9))
def test_streamed_windows_are_those_made_anew(frames, every):
    """Whatever the rate, the gaps, and how often somebody asks."""
    stream, plain = PoseStream(RATE, SAMPLES / RATE), Plain()
    for number, (time, seen) in enumerate(frames):
        poses = {
            name: (
                walk(np.array([time - frames[0][0]]))[0] + np.random.default_rng(seed).normal(0, 3, (33, 4))
            ).astype(np.float32)
            for name, seed in seen.items()
        }
        stream.push_all(poses, time)
        plain.push(poses, time)
        if number % every == 0 and plain.poses:
            found = stream.windows(["d", "nobody", "a", "b", "c"])
            expected = {name: plain.window(name) for name in "dabc"}
            assert list(found.tracks) == [name for name, window in expected.items() if window is not None]
            for name, values in zip(found.tracks, found.values, strict=True):
                np.testing.assert_allclose(values, expected[name], atol=1e-4)


def pushed(times: np.ndarray, track: str = "a", stream: PoseStream | None = None) -> PoseStream:
    stream = stream or PoseStream()
    for time, pose in zip(times.tolist(), walk(times), strict=True):
        stream.push_all({track: pose}, time)
    return stream


def test_a_window_has_the_shape_that_the_model_wants():
    windows = pushed(np.arange(60) / 30).windows(["a"])
    assert windows.values.shape == (1, 30, FEATURE_COUNT)
    assert windows.values.dtype == np.float32
    assert windows.monotonic.tolist() == [59 / 30]


def test_nobody_has_no_window():
    assert PoseStream().windows(["a"]).tracks == ()
    stream = PoseStream()
    stream.push_all({}, 1.0)
    assert stream.windows([]).values.shape == (0, 30, FEATURE_COUNT)


def test_more_people_than_expected_find_room():
    stream = PoseStream()
    names = [f"t{number}" for number in range(100)]
    for time in np.arange(30) / 15:
        stream.push_all({name: body(at=(number, 0)) for number, name in enumerate(names)}, time)
    assert stream.windows(names).tracks == tuple(names)


def test_who_comes_into_a_place_that_is_free_again_starts_anew():
    times = np.arange(60) / 30
    stream = pushed(times)
    stream.drop("a")
    stream.drop("never seen")
    assert stream.windows(["a"]).tracks == ()
    pushed(times[:9] + 2.0, "b", stream)  # 0.3 s
    assert stream.windows(["b"]).tracks == ()
    pushed(times[9:20] + 2.0, "b", stream)
    fresh = pushed(times[:20] + 2.0, "b").windows(["b"]).values
    np.testing.assert_array_equal(stream.windows(["b"]).values, fresh)


def test_a_body_goes_on_under_another_id():
    times = np.arange(60) / 30
    stream = pushed(times)
    pushed(times, "b", stream)
    expected = stream.windows(["a"]).values
    stream.rename({"a": "b", "none": "c"})
    assert stream.windows(["a", "b", "c"]).tracks == ("b",)
    np.testing.assert_array_equal(stream.windows(["b"]).values, expected)


def test_two_bodies_may_change_their_ids():
    times = np.arange(60) / 30
    stream = pushed(times)
    pushed(times * 0.99, "b", stream)
    before = stream.windows(["a", "b"]).values
    stream.rename({"a": "b", "b": "a"})
    np.testing.assert_array_equal(stream.windows(["b", "a"]).values, before)


def test_poses_that_are_not_later_are_dropped():
    times = np.arange(60) / 30
    stream = PoseStream()
    for time, pose in zip(times.tolist(), walk(times), strict=True):
        stream.push_all({"a": pose}, time)
        stream.push_all({"a": body()}, time)
        stream.push_all({"a": body()}, time - 0.5)
    np.testing.assert_array_equal(stream.windows(["a"]).values, pushed(times).windows(["a"]).values)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf, 1e38])
def test_a_pose_that_is_not_finite_leaves_the_others_alone(garbage):
    times = np.arange(60) / 30
    stream = PoseStream()
    for number, (time, pose) in enumerate(zip(times.tolist(), walk(times), strict=True)):
        stream.push_all({"a": np.full_like(pose, garbage) if number == 30 else pose, "b": pose}, time)
    found = stream.windows(["a", "b"]).values
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[1], pushed(times, "b").windows(["b"]).values[0])


@pytest.mark.parametrize("shape", [(33, 3), (32, 4), (1, 33, 4)])
def test_landmarks_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="33, 4"):
        PoseStream().push_all({"a": np.zeros(shape, np.float32)}, 0.0)


@pytest.mark.parametrize("options", [{"rate": 0.0}, {"seconds": -1.0}])
def test_settings_must_make_sense(options):
    with pytest.raises(ValueError, match="above 0"):
        PoseStream(**options)
