"""From recordings to windows for training: cutting, splitting by group, augmenting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bodies import body, fall, recording, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.features import GROUPS, features
from classifier.training.augment import MIRROR, augment
from classifier.training.split import split_takes
from classifier.training.windows import Take, cut, takes_of
from classifier.window import PoseWindows
from tracker.landmarks import Landmark

TIMES = np.arange(90) / 30


# --- cutting --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [10.0, 15.0, 25.0, 30.0])
def test_training_sees_the_windows_of_the_daemon(rate):
    """A window cut from a recording is the one that the daemon would have had at that time."""
    times = np.arange(int(4 * rate)) / rate
    [take] = takes_of([recording(walk(times), "walking", rate=rate)], ["walking"])
    choice = np.zeros(len(take.ends), np.int64)
    made = cut([take], choice, take.ends, rate=15.0, samples=30)
    live, seen = PoseWindows(15.0, 2.0), 0
    for time, pose in zip(take.times, take.pixels, strict=True):
        live.push("a", pose, None, time)
        for row in np.flatnonzero(np.abs(take.ends - time) < 1e-9):
            window = live.window("a")
            assert window is not None
            np.testing.assert_allclose(made.landmarks[row], window.landmarks, atol=1e-4)
            np.testing.assert_array_equal(made.valid[row], window.valid)
            seen += 1
    assert seen == len(take.ends)
    assert np.diff(take.ends).max() <= 0.2 + 1.01 / rate


@pytest.mark.parametrize(
    ("frames", "labelled_from", "first"),
    [
        (90, 0, 0.6),  # the first window is as short as the daemon's shortest
        (90, 45, 1.5),  # what leads in belongs to no window's end
        (19, 0, 0.6),  # just long enough
        (18, 0, None),  # too short for any window
        (90, 90, None),  # the label never holds
    ],
)
def test_where_the_first_window_ends(frames, labelled_from, first):
    take = recording(walk(TIMES[:frames]), "walking", labelled_from=labelled_from)
    found = takes_of([take], ["walking"])
    assert [one.ends[0] for one in found] == ([] if first is None else [pytest.approx(first)])


def test_takes_of_other_labels_are_left_out():
    takes = takes_of([recording(walk(TIMES), name) for name in ("a", "b", "c")], ["c", "a"])
    assert [take.label for take in takes] == [1, 0]


def test_windows_end_with_a_pose_never_in_a_gap():
    frames = np.concatenate([np.arange(40), np.arange(80, 130)])
    [gapped] = takes_of([replace(recording(walk(TIMES), "walking"), frames=frames)], ["walking"])
    assert np.isin(gapped.ends, gapped.times).all()
    assert (np.diff(gapped.ends) > 0).all()


def test_a_faster_take_goes_twice_as_far_in_the_same_window():
    [take] = takes_of([recording(walk(TIMES), "walking")], ["walking"])
    end = np.array([2.9])
    one, two = (
        cut([take], np.zeros(1, np.int64), end, rate=15, samples=15, speeds=np.array([speed]))
        for speed in (1.0, 2.0)
    )
    way = [made.landmarks[0, -1, 23, 0] - made.landmarks[0, 0, 23, 0] for made in (one, two)]
    assert way[1] == pytest.approx(2 * way[0], rel=1e-3)
    assert two.valid.all()
    assert one.labels.tolist() == [0]


def test_no_windows_at_all():
    made = cut([], np.empty(0, np.int64), np.empty(0), rate=15, samples=30)
    assert made.landmarks.shape == (0, 30, 33, 4)
    assert len(made.labels) == 0


# --- splitting ------------------------------------------------------------------------------------------


def take(label: int, group: str, windows: int = 10) -> Take:
    return Take(np.zeros(1), np.zeros((1, 33, 4), np.float32), label, group, np.arange(windows, dtype=float))


@settings(max_examples=12)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, 30)), min_size=1, max_size=25),
    st.integers(0, 5),
)
def test_every_take_is_on_one_side_and_groups_stay_whole(parts, seed):
    takes = [take(label, f"g{group}", windows) for label, group, windows in parts]
    split = split_takes(takes, 4, seed=seed)
    assert sorted([*split.train, *split.validation, *split.test]) == list(range(len(takes)))
    if len({one.group for one in takes}) >= 4:
        sides = [{takes[n].group for n in side} for side in (split.train, split.validation, split.test)]
        assert not sides[0] & sides[1]
        assert not sides[0] & sides[2]
        assert not sides[1] & sides[2]


def test_shares_are_near_what_was_asked_for_in_every_class():
    takes = [take(label, f"person{person}") for person in range(20) for label in range(3)]
    split = split_takes(takes, 3, seed=1, test_share=0.2)
    for label in range(3):
        counts = [sum(takes[n].label == label for n in side) for side in (split.train, split.test)]
        assert counts[0] >= 12
        assert 2 <= counts[1] <= 6


def test_a_class_of_one_group_is_trained_on():
    takes = [take(0, f"g{n}") for n in range(8)] + [take(1, "g0"), take(1, "g0")]
    split = split_takes(takes, 2, seed=3)
    assert {8, 9} <= set(split.train)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [3, 4, 6, 9])
def test_few_groups_are_split_by_take_with_every_class_on_every_side(count, seed):
    takes = [take(label, "me") for label in (0, 1) for _ in range(count)]
    split = split_takes(takes, 2, seed=seed)
    for side in (split.train, split.validation, split.test):
        assert {takes[n].label for n in side} == {0, 1}


def test_the_split_depends_on_the_seed_alone():
    takes = [take(n % 3, f"g{n % 11}", n % 7 + 1) for n in range(60)]
    assert split_takes(takes, 3, seed=4) == split_takes(takes, 3, seed=4)
    assert any(split_takes(takes, 3, seed=4) != split_takes(takes, 3, seed=seed) for seed in range(5, 9))


# --- augmenting -----------------------------------------------------------------------------------------


def windows(count: int) -> tuple[np.ndarray, np.ndarray]:
    times = np.arange(30) / 15
    made = [walk(times), fall(times, 0.5), np.stack([body()] * 30)]
    return np.stack([made[n % 3] for n in range(count)]), np.ones((count, 30), bool)


def test_the_mirror_swaps_left_and_right_and_nothing_else():
    names = [landmark.name for landmark in Landmark]
    swapped = [name.replace("LEFT", "?").replace("RIGHT", "LEFT").replace("?", "RIGHT") for name in names]
    assert [names[place] for place in MIRROR] == swapped
    np.testing.assert_array_equal(MIRROR[MIRROR], np.arange(33))


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(0, 0.1))
def test_augmented_windows_are_windows(seed, noise):
    landmarks, valid = windows(12)
    valid[3, :11] = False
    landmarks[3, :11] = 0
    before = landmarks.copy()
    result, kept = augment(landmarks, valid, np.random.default_rng(seed), noise=noise)
    np.testing.assert_array_equal(landmarks, before)  # the originals stay
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert not (kept & ~valid).any()  # never a sample that was not there
    assert kept[:, -1].all()  # the window still ends with a pose
    assert (kept.sum(axis=1) >= 7).all()
    assert not result[~kept].any()
    assert ((result[..., 3] >= 0) & (result[..., 3] <= 1)).all()


def test_augmenting_keeps_what_tells_the_labels_apart():
    """Who stands still stands, who lies still lies: the torso keeps its direction within 25 degrees."""
    random = np.random.default_rng(0)
    for turn, direction in ((0, (0.0, -1.0)), (90, (1.0, 0.0)), (-90, (-1.0, 0.0))):
        still = np.stack([np.stack([body(turn=turn)] * 30)] * 64)
        result, kept = augment(still, np.ones((64, 30), bool), random)
        torso = features(result, kept)[kept][:, GROUPS["direction"][:2]]
        length = np.linalg.norm(torso, axis=1)  # less than 1 where hips are hardly visible
        torso = torso[length > 0.1] / length[length > 0.1, None]
        assert len(torso) > 1500
        along = np.abs(torso @ np.array(direction)) if direction[0] else torso @ np.array(direction)
        assert np.quantile(along, 0.02) > np.cos(np.radians(25)), turn


def test_half_of_the_windows_are_mirrored():
    landmarks, valid = windows(300)
    landmarks[:] = body()[None, None]
    result, kept = augment(landmarks, valid, np.random.default_rng(1), noise=0.0)
    left_is_right = result[..., 11, 0] > result[..., 12, 0]
    share = left_is_right[kept].mean()
    assert share == pytest.approx(1.0)  # a mirrored person faces the camera, too
    assert 0.35 < (result[:, -1, 0, 0] > 0).mean() < 0.65  # and stands on the other side


def test_the_same_seed_gives_the_same_windows():
    first, second = (augment(*windows(9), np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
