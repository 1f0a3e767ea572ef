"""Rotated squares, and poses of real people with the real network."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.capture import FrameReader
from tracker.association import Tracker
from tracker.detector import Detector
from tracker.following import PoseFollower
from tracker.landmarks import CONNECTIONS, LANDMARKS, Landmark
from tracker.pose import Pose, PoseEstimator, Roi
from tracker.runtime import ModelError

rois = st.builds(
    Roi,
    st.floats(-500, 3000),
    st.floats(-500, 3000),
    st.floats(2, 2000),
    st.floats(-2 * math.pi, 2 * math.pi),
)


@given(rois)
def test_the_middle_of_the_crop_is_the_middle_of_the_square(roi: Roi) -> None:
    middle = roi.to_image(256) @ [128, 128, 1]
    np.testing.assert_allclose(middle, [roi.x, roi.y], atol=1e-6)


@given(rois)
def test_the_map_turns_and_scales_but_never_mirrors_or_shears(roi: Roi) -> None:
    linear = roi.to_image(256)[:, :2]
    scale = roi.side / 256
    np.testing.assert_allclose(linear @ linear.T, np.eye(2) * scale**2, atol=1e-9 * max(1, scale**2))
    assert np.linalg.det(linear) > 0


@pytest.mark.parametrize(
    ("angle", "up"),
    [
        (0.0, (0, -50)),  # upright: the top of the crop is above
        (math.pi / 2, (50, 0)),  # head to the right
        (-math.pi / 2, (-50, 0)),  # head to the left
        (math.pi, (0, 50)),  # upside down
    ],
)
def test_the_angle_says_where_the_head_is(angle: float, up: tuple[float, float]) -> None:
    top = Roi(200, 100, 100, angle).to_image(256) @ [128, 0, 1]
    np.testing.assert_allclose(top, np.add((200, 100), up), atol=1e-9)


def test_a_square_around_a_box_holds_all_of_it() -> None:
    roi = Roi.around(np.array([10, 20, 50, 220], np.float32))
    assert (roi.x, roi.y, roi.angle) == (30, 120, 0.0)
    assert roi.side == 250


def test_every_landmark_is_part_of_the_skeleton_once() -> None:
    assert {point for pair in CONNECTIONS for point in pair} == set(range(LANDMARKS))
    assert len(set(map(frozenset, CONNECTIONS))) == len(CONNECTIONS)


def test_another_network_is_refused() -> None:
    from tracker.detector import bundled_model

    with pytest.raises(ModelError, match="models fetch pose_full"):
        PoseEstimator(bundled_model())


@pytest.fixture(scope="module")
def estimator(pose_model: Path) -> PoseEstimator:
    return PoseEstimator(pose_model)


@pytest.fixture(scope="module")
def picture(street: Path) -> np.ndarray:
    with FrameReader("street", str(street)) as reader:
        return reader.read().image


@pytest.fixture(scope="module")
def walker(picture: np.ndarray, estimator: PoseEstimator) -> tuple[Roi, Pose]:
    """The person whose pose is surest, with the square that the first pose led to."""
    boxes = Detector(score=0.5).detect(picture).boxes
    poses = estimator.estimate(picture, [Roi.around(box) for box in boxes])
    roi = max(poses, key=lambda pose: pose.score).next_roi
    assert roi is not None
    return roi, estimator.estimate(picture, [roi])[0]


def test_a_walking_person_is_upright_from_head_to_foot(walker: tuple[Roi, Pose]) -> None:
    _, pose = walker
    heights = pose.landmarks[[Landmark.NOSE, Landmark.LEFT_HIP, Landmark.LEFT_KNEE, Landmark.LEFT_ANKLE], 1]
    assert pose.score > 0.9
    assert (np.diff(heights) > 0).all()
    assert 0.9 < np.ptp(pose.world[:, 1]) < 2.2  # metres


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_picture_gives_a_turned_pose(
    picture: np.ndarray, estimator: PoseEstimator, walker: tuple[Roi, Pose], turns: int
) -> None:
    roi, upright = walker
    # The picture is turned by quarters counter-clockwise, the square with it.
    turned = np.ascontiguousarray(np.rot90(picture, turns))
    x, y, angle = roi.x, roi.y, roi.angle
    height, width = picture.shape[:2]
    expected = upright.landmarks[:, :2].copy()
    for _ in range(turns):
        x, y, angle = y, width - x, angle - math.pi / 2
        expected = np.stack([expected[:, 1], width - expected[:, 0]], axis=1)
        height, width = width, height
    found = estimator.estimate(turned, [Roi(x, y, roi.side, angle)])[0]
    # Sampling starts at another corner of each pixel, and hidden hands are guesses: hence not exact.
    distances = np.linalg.norm(found.landmarks[:, :2] - expected, axis=1) / roi.side
    assert np.median(distances) < 0.02
    assert np.percentile(distances, 90) < 0.06
    assert found.next_roi is not None
    assert math.cos(found.next_roi.angle - angle) > 0.95  # the head stays the head


def test_nobody_is_found_in_an_empty_picture(estimator: PoseEstimator) -> None:
    grey = np.full((480, 640, 3), 128, np.uint8)
    assert estimator.estimate(grey, [Roi(320, 240, 300)])[0].score < estimator.min_score


def test_no_square_costs_no_call(estimator: PoseEstimator, picture: np.ndarray) -> None:
    assert estimator.estimate(picture, []) == []


def test_many_squares_give_what_one_gives(
    estimator: PoseEstimator, picture: np.ndarray, walker: tuple[Roi, Pose]
) -> None:
    roi, alone = walker
    many = estimator.estimate(picture, [roi] * 20)  # more than one batch
    assert len(many) == 20
    for pose in many:
        np.testing.assert_allclose(pose.landmarks[:, :2], alone.landmarks[:, :2], atol=0.1)


def test_poses_stay_on_their_tracks(street: Path, estimator: PoseEstimator) -> None:
    detector, tracker, follower = Detector(), Tracker("street"), PoseFollower()
    seen_people = with_pose = inside = 0
    with FrameReader("street", str(street)) as reader:
        for _ in range(30):
            frame = reader.read()
            tracks = tracker.update(
                detector.detect(frame.image), monotonic=frame.monotonic, captured_at=frame.captured_at
            )
            seen = [track for track in tracks if track.last_monotonic == frame.monotonic]
            poses = follower.estimate(frame.image, seen, estimator)
            assert set(poses) <= {track.id for track in seen}
            for track in seen:
                seen_people += 1
                if track.id in poses:
                    with_pose += 1
                    hips = poses[track.id].landmarks[[Landmark.LEFT_HIP, Landmark.RIGHT_HIP], :2].mean(axis=0)
                    left, top, right, bottom = track.box
                    inside += bool(left <= hips[0] <= right and top <= hips[1] <= bottom)
            follower.drop([track.id for track in tracks if track.state.value == "removed"])
    assert with_pose >= 0.85 * seen_people
    assert inside >= 0.95 * with_pose


def test_a_person_who_lies_is_read_head_to_foot(picture: np.ndarray, estimator: PoseEstimator) -> None:
    """The street turned by a quarter: everybody lies, and nothing says to which side."""
    lying = cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE)  # heads to the right
    boxes = Detector(score=0.5).detect(picture).boxes
    height = picture.shape[0]
    turned = [np.array([height - b, left, height - t, right], np.float32) for left, t, right, b in boxes]
    tracker = Tracker("lying", confirm_hits=1)
    from tracker.detector import Detections

    tracks = tracker.update(
        Detections(np.stack(turned), np.ones(len(turned), np.float32)), monotonic=0.0, captured_at=0.0
    )
    poses = PoseFollower().estimate(lying, tracks, estimator).values()
    assert len(poses) >= 0.7 * len(turned)
    heads_right = [
        pose.landmarks[Landmark.NOSE, 0] > pose.landmarks[[Landmark.LEFT_HIP, Landmark.RIGHT_HIP], 0].mean()
        for pose in poses
    ]
    assert np.mean(heads_right) >= 0.7
