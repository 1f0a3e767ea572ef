"""Poses that are shown in frames in which they were not read."""

from __future__ import annotations

import numpy as np

from tracker.carrying import PoseCarrier
from tracker.pose import Pose, Roi
from tracker.tracks import Track, TrackState


def _track(x: float, key: str = "a") -> Track:
    box = np.array([x, 100, x + 60, 260], np.float32)
    still = np.zeros(2, np.float32)
    return Track(key, 1, TrackState.CONFIRMED, box, None, still, 0.8, 0, 0, 0, 9, False, 0)


def _pose(x: float) -> Pose:
    landmarks = np.random.default_rng(5).uniform([0, 100, 0, 0], [60, 260, 1, 1], (33, 4)).astype(np.float32)
    landmarks[:, 0] += x
    return Pose(landmarks, landmarks[:, :3].copy(), 0.9, Roi(x, 180, 200))


def test_a_pose_goes_with_the_box_while_its_person_rests() -> None:
    carrier, pose = PoseCarrier(), _pose(100)
    assert carrier.update([_track(100)], {"a": pose}, set(), 1.0) == {"a": pose}
    shown = carrier.update([_track(112)], {}, {"a"}, 1.1)["a"]
    assert shown.moved
    assert not pose.moved
    np.testing.assert_allclose(shown.landmarks[:, 0], pose.landmarks[:, 0] + 12, atol=1e-3)
    np.testing.assert_allclose(shown.landmarks[:, 1:], pose.landmarks[:, 1:], atol=1e-3)
    assert (shown.score, shown.next_roi) == (0.9, None)
    # The next one moves from where it was read, so that nothing adds up.
    again = carrier.update([_track(124)], {}, {"a"}, 1.2)["a"]
    np.testing.assert_allclose(again.landmarks[:, 0], pose.landmarks[:, 0] + 24, atol=1e-3)


def test_whose_pose_was_looked_for_in_vain_has_none() -> None:
    carrier = PoseCarrier()
    carrier.update([_track(100)], {"a": _pose(100)}, set(), 1.0)
    assert carrier.update([_track(100)], {}, set(), 1.1) == {}


def test_an_old_pose_is_not_carried_on() -> None:
    carrier = PoseCarrier()
    carrier.update([_track(100)], {"a": _pose(100)}, set(), 1.0)
    assert carrier.update([_track(100)], {}, {"a"}, 1.6) == {}


def test_poses_go_with_the_name_and_are_forgotten() -> None:
    carrier = PoseCarrier()
    carrier.update([_track(100)], {"a": _pose(100)}, set(), 1.0)
    carrier.rename({"a": "b"})
    assert set(carrier.update([_track(100), _track(100, "b")], {}, {"a", "b"}, 1.1)) == {"b"}
    carrier.drop(["b"])
    assert carrier.update([_track(100, "b")], {}, {"b"}, 1.2) == {}
