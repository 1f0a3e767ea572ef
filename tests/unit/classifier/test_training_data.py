"""From recordings to windows for training: cutting, splitting by group, augmenting."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from bodies import body, fall, recording, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.training.augment import augment, mirror, turn
from classifier.training.settings import Augmentation
from classifier.training.split import Units, fold_units, split_units, units_of
from classifier.training.windows import Take, cut, takes_of, time_blocks
from classifier.window import PoseWindows
from tracker.landmarks import CONNECTIONS, MIRROR, Landmark

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


@settings(max_examples=25)
@given(st.integers(1, 6), st.floats(0.0, 1.0), st.integers(40, 300))
def test_blocks_of_time_share_no_pose(count, gap, frames):
    poses = walk(np.arange(frames) / 30)
    [take] = takes_of([recording(poses, "walking")], ["walking"])
    blocks = time_blocks(take, count, gap=gap)
    seen = [time for block in blocks for time in block.times.tolist()]
    assert seen == sorted(set(seen))
    for before, after in pairwise(blocks):
        assert after.times[0] - before.times[-1] >= gap - 1 / 30 - 1e-6
    for block in blocks:
        assert block.ends[0] >= block.times[0] + 0.6 - 1e-6  # a window needs no pose of the block before
        assert np.isin(block.ends, block.times).all()


# --- splitting ------------------------------------------------------------------------------------------


def take(label: int, group: str, windows: int = 10) -> Take:
    return Take(np.zeros(1), np.zeros((1, 33, 4), np.float32), label, group, np.arange(windows, dtype=float))


PARTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, 30)), min_size=2, max_size=25)


def whole(takes: list[Take]) -> Units:
    return Units(takes, [one.group for one in takes])


@settings(max_examples=12)
@given(PARTS, st.integers(0, 5))
def test_every_take_is_on_one_side_and_groups_stay_whole(parts, seed):
    takes = [take(label, f"g{group}", windows) for label, group, windows in parts]
    split = split_units(whole(takes), 4, seed=seed)
    sides = (split.train, split.validation, split.test)
    assert sorted(number for side in sides for number in side) == list(range(len(takes)))
    groups = [{takes[n].group for n in side} for side in sides]
    assert sum(map(len, groups)) == len({one.group for one in takes})


@settings(max_examples=12)
@given(PARTS, st.integers(2, 6), st.integers(0, 5))
def test_every_take_is_in_one_fold_and_groups_stay_whole(parts, count, seed):
    takes = [take(label, f"g{group}", windows) for label, group, windows in parts]
    folds = fold_units(whole(takes), 4, count, seed=seed)
    assert sorted(number for fold in folds for number in fold) == list(range(len(takes)))
    groups = [{takes[n].group for n in fold} for fold in folds]
    assert len(folds) == min(count, len({one.group for one in takes}))
    assert sum(map(len, groups)) == len({one.group for one in takes})


def test_folds_have_each_class_alike():
    takes = [take(label, f"person{person}") for person in range(10) for label in range(3)]
    for fold in fold_units(whole(takes), 3, 5, seed=2):
        assert Counter(takes[n].label for n in fold) == {0: 2, 1: 2, 2: 2}


def test_a_class_of_two_people_is_never_in_one_fold_alone():
    """Else it would be tested without ever having been learned."""
    takes = [take(0, f"g{n}") for n in range(8)] + [take(1, "g2"), take(1, "g5")]
    for seed in range(6):
        folds = fold_units(whole(takes), 2, 3, seed=seed)
        assert sum(any(takes[n].label == 1 for n in fold) for fold in folds) == 2


def test_shares_are_near_what_was_asked_for_in_every_class():
    takes = [take(label, f"person{person}") for person in range(20) for label in range(3)]
    split = split_units(whole(takes), 3, seed=1, test_share=0.2)
    for label in range(3):
        counts = [sum(takes[n].label == label for n in side) for side in (split.train, split.test)]
        assert counts[0] >= 12
        assert 2 <= counts[1] <= 6


def test_a_class_of_one_group_is_trained_on():
    takes = [take(0, f"g{n}") for n in range(8)] + [take(1, "g0"), take(1, "g0")]
    split = split_units(whole(takes), 2, seed=3)
    assert {8, 9} <= set(split.train)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [3, 4, 6, 9])
def test_takes_of_one_person_are_split_by_take_with_every_class_on_every_side(count, seed):
    takes = [take(label, "me") for label in (0, 1) for _ in range(count)]
    units = units_of(takes, 2)
    assert units.by_take == (0, 1)
    split = split_units(units, 2, seed=seed)
    for side in (split.train, split.validation, split.test):
        assert {units.takes[n].label for n in side} == {0, 1}


def test_what_is_held_out_as_a_whole():
    """People where a class has several; takes where it has one person; blocks of time of a single take."""
    recordings = [recording(walk(np.arange(300) / 30), "walk", group) for group in ("ann", "bob")]
    recordings += [recording(walk(TIMES), "wave", "ann")] * 2
    recordings += [recording(walk(np.arange(600) / 30), "sit", "bob")]
    units = units_of(takes_of(recordings, ["walk", "wave", "sit"]), 3)
    assert (units.by_take, units.by_time) == ((1,), (2,))
    assert units.names[:4] == ["ann", "bob", "ann take 1", "ann take 2"]
    assert units.names[4:] == [f"bob block {number}" for number in range(1, 6)]
    assert all(unit.label == 2 for unit in units.takes[4:])


@pytest.mark.parametrize(("seconds", "blocks"), [(20, 5), (4, 4), (2.5, 2), (1.0, 1)])
def test_a_short_take_has_fewer_blocks(seconds, blocks):
    """A class must not vanish because its only take is short."""
    [take] = takes_of([recording(walk(np.arange(int(30 * seconds)) / 30), "walk", "ann")], ["walk"])
    units = units_of([take], 1)
    assert units.names == [f"ann block {number}" for number in range(1, blocks + 1)]
    assert all(len(unit.ends) for unit in units.takes)


def test_the_split_depends_on_the_seed_alone():
    takes = whole([take(n % 3, f"g{n % 11}", n % 7 + 1) for n in range(60)])
    assert split_units(takes, 3, seed=4) == split_units(takes, 3, seed=4)
    assert any(split_units(takes, 3, seed=4) != split_units(takes, 3, seed=seed) for seed in range(5, 9))


# --- augmenting -----------------------------------------------------------------------------------------


OFF = {one.name: 0.0 for one in fields(Augmentation)}


def windows(count: int) -> tuple[np.ndarray, np.ndarray]:
    times = np.arange(30) / 15
    made = [walk(times), fall(times, 0.5), np.stack([body()] * 30)]
    return np.stack([made[n % 3] for n in range(count)]), np.ones((count, 30), bool)


def test_the_mirror_swaps_left_and_right_and_nothing_else():
    names = [landmark.name for landmark in Landmark]
    swapped = [name.replace("LEFT", "?").replace("RIGHT", "LEFT").replace("?", "RIGHT") for name in names]
    assert [names[place] for place in MIRROR] == swapped
    np.testing.assert_array_equal(MIRROR[MIRROR], np.arange(33))


def bodies(count: int, seed: int) -> np.ndarray:
    """(N, 4, 33, 4): anything that has four numbers a landmark."""
    return np.random.default_rng(seed).uniform(-300, 300, (count, 4, 33, 4)).astype(np.float32)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_mirrored_twice_is_as_before(seed):
    poses = bodies(3, seed)
    np.testing.assert_array_equal(mirror(mirror(poses)), poses)
    np.testing.assert_array_equal(mirror(poses)[..., 11, 1:], poses[..., 12, 1:])


@settings(max_examples=30)
@given(st.integers(0, 1000), st.floats(-1.0, 1.0), st.floats(-0.7, 0.7))
def test_a_turn_of_the_camera_keeps_the_lengths_of_bones(seed, yaw, pitch):
    poses, valid = bodies(2, seed), np.ones((2, 4), bool)
    angles = [np.full(2, angle) for angle in (yaw, pitch)]
    turned = turn(poses, valid, *angles, np.zeros(2))
    ends = np.array(CONNECTIONS)

    def lengths(values: np.ndarray) -> np.ndarray:
        return np.linalg.norm(values[:, :, ends[:, 0], :3] - values[:, :, ends[:, 1], :3], axis=-1)

    np.testing.assert_allclose(lengths(turned), lengths(poses), rtol=1e-3, atol=0.1)
    np.testing.assert_array_equal(turned[..., 3], poses[..., 3])
    back = turn(turned, valid, np.zeros(2), -angles[1], np.zeros(2))
    back = turn(back, valid, -angles[0], np.zeros(2), np.zeros(2))
    np.testing.assert_allclose(back, poses, atol=0.05)


def test_a_near_camera_enlarges_what_is_nearer():
    poses, valid = np.stack([body()] * 4)[None].astype(np.float32), np.ones((1, 4), bool)
    poses[..., 16, 2] = -100.0  # the right hand reaches towards the camera
    poses[..., 15, 2] = 100.0
    zero = np.zeros(1)
    seen = turn(poses, valid, zero, zero, np.full(1, 0.3))
    middle = poses[0, 0, 23:25, 0].mean()
    near, far = (abs(seen[0, 0, hand, 0] - middle) / abs(poses[0, 0, hand, 0] - middle) for hand in (16, 15))
    assert near > 1.2
    assert far < 0.8
    np.testing.assert_allclose(seen[..., 23, :2], poses[..., 23, :2], atol=1e-3)


def test_a_crop_hides_what_is_below_a_line_and_nothing_above():
    landmarks, valid = windows(60)
    landmarks[:] = body()[None, None]
    result, _, _ = augment(landmarks, valid, np.random.default_rng(2), Augmentation(**{**OFF, "crop": 1.0}))
    hidden = result[:, -1, :, 3] < 0.1
    for heights, below in zip(landmarks[:, -1, :, 1], hidden, strict=True):
        assert heights[below].min(initial=np.inf) > heights[~below].max()
    assert 0.6 < hidden[:, 27].mean() <= 1.0  # ankles nearly always
    assert not hidden[:, 0].any()  # the head never


def test_doubt_changes_the_visibility_of_what_is_hardly_seen_only():
    landmarks, valid = windows(40)
    landmarks[:, :, 23:, 3] = 0.05
    result, _, _ = augment(landmarks, valid, np.random.default_rng(2), Augmentation(**{**OFF, "doubt": 1.0}))
    np.testing.assert_allclose(result[:, :, :23, 3], landmarks[:, :, :23, 3])
    assert 0.4 < result[:, -1, 23:, 3].mean() < 0.6
    assert (np.ptp(result[:, :, 23:, 3], axis=1) == 0).all()  # for a whole window


def test_no_augmentation_changes_nothing():
    landmarks, valid = windows(6)
    result, kept, _ = augment(landmarks, valid, np.random.default_rng(3), Augmentation.none())
    np.testing.assert_allclose(result, landmarks, rtol=1e-5, atol=1e-2)
    np.testing.assert_array_equal(kept, valid)


def test_the_mirror_swaps_left_and_right_labels_and_leaves_lone_sides_alone():
    """0 and 1 are each other's mirror image, 2 is its own, 3 has none."""
    landmarks, valid = windows(400)
    landmarks[:] = body(at=(500.0, 240.0))[None, None]
    labels, strength = np.arange(400) % 4, Augmentation(**{**OFF, "mirror": 1.0})
    mirrors = np.array([1, 0, 2, -1])
    result, _, found = augment(
        landmarks, valid, np.random.default_rng(0), strength, labels=labels, mirrors=mirrors
    )
    np.testing.assert_array_equal(found, np.array([1, 0, 2, 3])[labels])
    mirrored = result[:, -1, 0, 0] < 0
    np.testing.assert_array_equal(mirrored, labels != 3)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(0, 0.1))
def test_augmented_windows_are_windows(seed, noise):
    landmarks, valid = windows(12)
    valid[3, :11] = False
    landmarks[3, :11] = 0
    before = landmarks.copy()
    strength = Augmentation(noise=noise)
    result, kept, _ = augment(landmarks, valid, np.random.default_rng(seed), strength)
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
    for angle, direction in ((0, (0.0, -1.0)), (90, (1.0, 0.0)), (-90, (-1.0, 0.0))):
        still = np.stack([np.stack([body(turn=angle)] * 30)] * 64)
        result, kept, _ = augment(still, np.ones((64, 30), bool), random)
        torso = (result[..., 11:13, :2].mean(axis=2) - result[..., 23:25, :2].mean(axis=2))[kept]
        torso /= np.linalg.norm(torso, axis=-1, keepdims=True)
        along = np.abs(torso @ np.array(direction)) if direction[0] else torso @ np.array(direction)
        assert np.quantile(along, 0.02) > np.cos(np.radians(25)), angle


def test_half_of_the_windows_are_mirrored():
    landmarks, valid = windows(300)
    landmarks[:] = body()[None, None]
    result, kept, _ = augment(landmarks, valid, np.random.default_rng(1), Augmentation(noise=0.0))
    left_is_right = result[..., 11, 0] > result[..., 12, 0]
    share = left_is_right[kept].mean()
    assert share == pytest.approx(1.0)  # a mirrored person faces the camera, too
    assert 0.35 < (result[:, -1, 0, 0] > 0).mean() < 0.65  # and stands on the other side


def test_the_same_seed_gives_the_same_windows():
    first, second = (augment(*windows(9), np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
