"""Two tracks on one body: the younger one ends, after a while, and only then."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.duplicates import DuplicateFinder
from tracker.pose import Pose
from tracker.tracks import Track, TrackState

WHOLE = (100.0, 100.0, 160.0, 260.0)
UPPER = (102.0, 100.0, 158.0, 190.0)
BESIDE = (150.0, 100.0, 210.0, 260.0)


def _track(number: int, box: tuple[float, ...]) -> Track:
    corners = np.array(box, np.float32)
    still = np.zeros(2, np.float32)
    return Track(f"t{number}", number, TrackState.CONFIRMED, corners, None, still, 0.8, 0, 0, 0, 9, False, 0)


def _pose(x: float = 0.0) -> Pose:
    landmarks = (
        np.random.default_rng(5).uniform([100, 100, 0, 1], [160, 260, 1, 1], (33, 4)).astype(np.float32)
    )
    landmarks[:, 0] += x
    return Pose(landmarks, landmarks[:, :3], 0.9)


def _ended(box: tuple[float, ...], shift: float, seconds: float = 2.0) -> list[tuple[float, str]]:
    """What the finder ends of an old track on a whole body and a younger one, at 10 frames a second."""
    finder, ended = DuplicateFinder(), []
    tracks = [_track(2, box), _track(1, WHOLE)]
    poses = {"t1": _pose(), "t2": _pose(shift)}
    for n in range(round(seconds * 10)):
        for key in finder.update(tracks, poses, n / 10):
            ended.append((n / 10, key))
            tracks = [track for track in tracks if track.id != key]
    return ended


def test_the_younger_of_two_tracks_with_one_pose_ends_once() -> None:
    ((at, key),) = _ended(UPPER, 3.0)
    assert key == "t2"
    assert at == pytest.approx(0.8, abs=0.11)


@pytest.mark.parametrize(
    ("box", "shift"),
    [
        (UPPER, 60.0),  # somebody behind, with a pose of their own
        (BESIDE, 0.0),  # boxes that share little
    ],
)
def test_two_people_stay_two(box: tuple[float, ...], shift: float) -> None:
    assert _ended(box, shift) == []


def test_a_moment_is_not_enough_and_does_not_add_up() -> None:
    finder = DuplicateFinder()
    tracks = [_track(1, WHOLE), _track(2, UPPER)]
    for n in range(40):
        shift = 60.0 if n % 6 == 0 else 0.0  # apart every 0.6 s
        assert finder.update(tracks, {"t1": _pose(), "t2": _pose(shift)}, n / 10) == {}


def test_without_a_pose_nobody_ends() -> None:
    finder = DuplicateFinder()
    assert not any(
        finder.update([_track(1, WHOLE), _track(2, UPPER)], {"t1": _pose()}, n / 10) for n in range(30)
    )
