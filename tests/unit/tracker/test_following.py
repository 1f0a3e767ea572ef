"""Poses that follow people: without detections, beside neighbours, through a fall."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from daemon.capture import FrameReader
from tracker.association import Tracker, TrackState
from tracker.detector import Detector
from tracker.following import PoseFollower
from tracker.matching import buffered_iou
from tracker.pose import Company, Pose, PoseEstimator, Roi
from tracker.pose_pacing import PosePacing

Box = NDArray[np.float32]

sides = st.tuples(st.floats(0, 150), st.floats(0, 100), st.floats(10, 80), st.floats(10, 80))
boxes = sides.map(lambda b: np.array([b[0], b[1], b[0] + b[2], b[1] + b[3]], np.float32))


@given(boxes, boxes)
def test_what_is_hidden_is_the_neighbour_outside_the_own_box(own: Box, other: Box) -> None:
    mask = Company(own, other[None]).hidden((200, 250))
    y, x = np.mgrid[:200, :250]

    def inside(box: Box, margin: float) -> NDArray[np.bool_]:
        left, top, right, bottom = box
        result: NDArray[np.bool_] = (x >= left - margin) & (x <= right + margin)
        result &= (y >= top - margin) & (y <= bottom + margin)
        return result

    assert not mask[inside(own, -1)].any()
    assert not mask[~inside(other, 1)].any()
    assert mask[inside(other, -1) & ~inside(own, 1)].all()


def test_the_mask_turns_with_the_square() -> None:
    roi, own = Roi(100, 100, 80, np.pi / 2), np.array([90, 60, 110, 140], np.float32)
    right = Company(own, np.array([[115, 60, 139, 140]], np.float32))
    mask = right.hidden((256, 256), cv2.invertAffineTransform(roi.to_image(256)))
    rows, columns = np.nonzero(mask)
    assert rows.max() < 128  # what is to the right in the image is above in a crop with the head to the right
    assert np.ptp(columns) > 200


@pytest.fixture(scope="module")
def estimator(pose_model: Path) -> PoseEstimator:
    return PoseEstimator(pose_model)


def test_a_neighbour_in_the_crop_is_not_read(street: Path, estimator: PoseEstimator) -> None:
    """A real walker pasted over one side of another: the pose moves less with the neighbour blanked."""
    errors: dict[bool, list[float]] = {True: [], False: []}
    with FrameReader("street", str(street)) as reader:
        images = [reader.read().image for _ in range(21)][::10]
    for image in images:
        found = Detector(score=0.6).detect(image).boxes.astype(np.float64)
        lone = [box for box in found if (buffered_iou(found, box[None]) > 0).sum() == 1]
        left, top, right, bottom = np.maximum(lone[0], 0).astype(int)
        patch = image[top:bottom, left:right]
        for box in lone[1:]:
            (alone,) = estimator.estimate(image, [Roi.around(box)])
            x, y = int(box[2] - 0.4 * (box[2] - box[0])), int(box[3]) - len(patch)
            inside = y >= 0 and y + len(patch) <= image.shape[0] and x + patch.shape[1] <= image.shape[1]
            if alone.score < 0.9 or not inside:
                continue
            pasted = image.copy()
            pasted[y : y + len(patch), x : x + patch.shape[1]] = patch
            company = Company(box, np.array([[x, y, x + patch.shape[1], y + len(patch)]], np.float32))
            for masked, beside in ((True, [company]), (False, None)):
                (pose,) = estimator.estimate(pasted, [Roi.around(box)], beside)
                errors[masked].append(_error(pose, alone, box))
    assert len(errors[True]) >= 4
    assert np.mean(errors[True]) < 0.8 * np.mean(errors[False])


def _error(pose: Pose, truth: Pose, box: Box) -> float:
    """Mean distance of hips and shoulders in body heights."""
    points = [11, 12, 23, 24]
    step = pose.landmarks[points, :2] - truth.landmarks[points, :2]
    return float(np.linalg.norm(step, axis=1).mean() / (box[3] - box[1]))


def test_people_are_followed_without_detections(street: Path, estimator: PoseEstimator) -> None:
    detector, tracker, follower = Detector(), Tracker("street"), PoseFollower()
    overlaps = []
    with FrameReader("street", str(street)) as reader:
        for number in range(24):
            frame = reader.read()
            expected = tracker.predict(frame.monotonic)
            followed = follower.follow(frame.image, expected, estimator, frame.monotonic)
            detections = detector.detect(frame.image)
            if number < 6 or number % 3 == 0:
                tracks = tracker.update(detections, monotonic=frame.monotonic, captured_at=0.0)
            else:
                moved = {key: one.box for key, one in followed.items()}
                tracks = tracker.follow(moved, monotonic=frame.monotonic)
                for track in tracks:
                    if track.id in followed and track.state is TrackState.CONFIRMED:
                        iou = buffered_iou(track.box[None].astype(float), detections.boxes.astype(float))
                        overlaps.append(iou.max(initial=0.0))
            seen = [track for track in tracks if track.last_monotonic == frame.monotonic]
            poses = follower.estimate(frame.image, seen, estimator, followed)
            assert poses.keys() <= {track.id for track in seen}
    assert len(overlaps) >= 30
    assert np.median(overlaps) > 0.75
    assert np.mean(np.array(overlaps) > 0.5) > 0.9


class _Counting:
    """A pose estimator that counts the squares it reads."""

    def __init__(self, estimator: PoseEstimator) -> None:
        self._estimator, self.min_score, self.squares = estimator, estimator.min_score, 0

    def estimate(
        self,
        image: NDArray[np.uint8],
        rois: Sequence[Roi],
        company: Sequence[Company | None] | None = None,
        steady: Sequence[bool] | None = None,
    ) -> list[Pose]:
        self.squares += len(rois)
        return self._estimator.estimate(image, rois, company, steady)


def test_walkers_are_read_now_and_then_and_found_where_they_are(
    street: Path, estimator: PoseEstimator
) -> None:
    """What was read of people who had rested is as near their boxes as what was read in every frame."""
    detector, counting = Detector(), _Counting(estimator)
    tracker, follower = Tracker("street"), PoseFollower(PosePacing(4.0))
    seen_people = read_people = rested = missed = 0
    with FrameReader("street", str(street)) as reader:
        for _ in range(30):
            frame = reader.read()
            expected = tracker.predict(frame.monotonic)
            followed = follower.follow(frame.image, expected, counting, frame.monotonic)
            tracks = tracker.update(
                detector.detect(frame.image),
                monotonic=frame.monotonic,
                captured_at=0.0,
                poses={key: (one.box, one.likeness) for key, one in followed.items()},
                coasting=follower.resting,
            )
            seen = [
                track
                for track in tracks
                if track.last_monotonic == frame.monotonic and track.state is TrackState.CONFIRMED
            ]
            poses = follower.estimate(frame.image, seen, counting, followed)
            resting = follower.resting & {track.id for track in seen}
            assert resting.isdisjoint(poses)
            seen_people += len(seen)
            read_people += len(poses)
            rested += len(resting)
            missed += len(seen) - len(poses) - len(resting)
    assert rested >= 0.3 * seen_people
    assert missed <= 0.1 * seen_people
    assert counting.squares < 0.85 * seen_people


def test_who_rests_is_read_at_once_where_the_detector_says_otherwise(
    street: Path, estimator: PoseEstimator
) -> None:
    """One box grows wide in a frame in which nobody was due: that person is read, the others are not."""
    detector, tracker, follower = Detector(), Tracker("street"), PoseFollower(PosePacing(4.0))
    with FrameReader("street", str(street)) as reader:
        for _ in range(40):
            frame = reader.read()
            expected = tracker.predict(frame.monotonic)
            followed = follower.follow(frame.image, expected, estimator, frame.monotonic)
            resting = set(follower.resting)
            tracks = tracker.update(
                detector.detect(frame.image),
                monotonic=frame.monotonic,
                captured_at=0.0,
                poses={key: (one.box, one.likeness) for key, one in followed.items()},
            )
            seen = [track for track in tracks if track.id in resting and track.detection_box is not None]
            if frame.index > 15 and len(seen) >= 2:
                break
            everybody = [track for track in tracks if track.last_monotonic == frame.monotonic]
            follower.estimate(frame.image, everybody, estimator, followed)
    assert len(seen) >= 2
    left, top, right, bottom = seen[0].box
    down = seen[0]._replace(box=np.array([left - 20, (top + bottom) / 2, right + 20, bottom], np.float32))
    unseen = seen[1]._replace(detection_box=None)
    counting = _Counting(estimator)
    follower.estimate(frame.image, [down, unseen, *seen[2:]], counting, {})
    assert counting.squares >= 2
    assert follower.resting == {track.id for track in seen[2:]}
