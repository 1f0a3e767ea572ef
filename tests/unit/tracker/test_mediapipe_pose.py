"""The mediapipe backend against the ONNX one and against mediapipe's own subgraph, on real people.

Needs the extra `mediapipe`; skips without it.
"""

from __future__ import annotations

import importlib.util
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from daemon.capture import FrameReader
from tracker.association import Tracker
from tracker.detector import Detector
from tracker.following import PoseFollower
from tracker.mediapipe_pose import MediapipePoseEstimator, check_mediapipe
from tracker.pose import Company, Pose, PoseBackend, PoseEstimator, Roi
from tracker.runtime import ModelError

if importlib.util.find_spec("mediapipe") is None:
    pytest.skip("mediapipe is not installed: pip install 'posewatch[mediapipe]'", allow_module_level=True)


@pytest.fixture(scope="module")
def onnx(pose_model: Path) -> PoseEstimator:
    return PoseEstimator(pose_model)


@pytest.fixture(scope="module")
def estimator() -> MediapipePoseEstimator:
    return MediapipePoseEstimator()


@pytest.fixture(scope="module")
def unrefined() -> MediapipePoseEstimator:
    return MediapipePoseEstimator(refine=False)


@pytest.fixture(scope="module")
def picture(street: Path) -> np.ndarray:
    with FrameReader("street", str(street)) as reader:
        return reader.read().image


@pytest.fixture(scope="module")
def rois(picture: np.ndarray, onnx: PoseEstimator) -> list[Roi]:
    """The squares of everybody who can be read, turned with the body."""
    boxes = Detector(score=0.5).detect(picture).boxes
    poses = onnx.estimate(picture, [Roi.around(box) for box in boxes])
    found = [pose.next_roi for pose in poses if pose.score > 0.8 and pose.next_roi is not None]
    assert len(found) >= 3
    return found


def errors(poses: list[Pose], reference: list[Pose]) -> np.ndarray:
    """Distances (N, 33) of landmarks in % of the body's height."""
    heights = [np.ptp(pose.landmarks[:, :2], axis=0).max() for pose in reference]
    distances = [
        np.linalg.norm(a.landmarks[:, :2] - b.landmarks[:, :2], axis=1)
        for a, b in zip(poses, reference, strict=True)
    ]
    return np.array(distances) / np.array(heights)[:, None] * 100


def turned(rois: list[Roi]) -> list[Roi]:
    return [Roi(roi.x, roi.y, roi.side, roi.angle + 0.4) for roi in rois]


@pytest.mark.parametrize("change", [list, turned])
def test_without_refinement_it_is_the_onnx_backend(
    picture: np.ndarray,
    rois: list[Roi],
    onnx: PoseEstimator,
    unrefined: MediapipePoseEstimator,
    change: Callable[[list[Roi]], list[Roi]],
) -> None:
    squares = change(rois)
    ours, theirs = onnx.estimate(picture, squares), unrefined.estimate(picture, squares)
    wrong = errors(theirs, ours)
    assert np.median(wrong) < 0.1
    assert np.percentile(wrong, 95) < 0.5
    for a, b in zip(theirs, ours, strict=True):
        assert a.score == pytest.approx(b.score, abs=0.02)
        np.testing.assert_allclose(a.world, b.world, atol=0.02)
        np.testing.assert_allclose(a.landmarks[:, 2:], b.landmarks[:, 2:], atol=5)
        np.testing.assert_allclose(a.landmarks[:, 3], b.landmarks[:, 3], atol=0.05)
        assert a.next_roi is not None
        assert b.next_roi is not None
        assert a.next_roi.side == pytest.approx(b.next_roi.side, rel=0.02)
        assert a.next_roi.angle == pytest.approx(b.next_roi.angle, abs=0.02)


def test_it_blanks_neighbours_as_the_onnx_backend_does(
    picture: np.ndarray, rois: list[Roi], onnx: PoseEstimator, unrefined: MediapipePoseEstimator
) -> None:
    """Half of everybody's square is said to be a neighbour's."""
    company = []
    for roi in rois:
        left, top, bottom = roi.x - roi.side / 2, roi.y - roi.side / 2, roi.y + roi.side / 2
        own = np.array([roi.x, top, roi.x + roi.side / 2, bottom])
        company.append(Company(own, np.array([[left, top, roi.x, bottom]])))
    plain = onnx.estimate(picture, rois)
    ours, theirs = onnx.estimate(picture, rois, company), unrefined.estimate(picture, rois, company)
    assert np.median(errors(ours, plain)) > 2.0  # half a body is another pose
    assert np.median(errors(theirs, ours)) < 0.5 * np.median(errors(ours, plain))
    again = unrefined.estimate(picture, rois)
    assert np.median(errors(again, plain)) < 0.1  # the picture itself is as it was


def test_refinement_moves_landmarks_a_little(
    picture: np.ndarray, rois: list[Roi], onnx: PoseEstimator, estimator: MediapipePoseEstimator
) -> None:
    wrong = errors(estimator.estimate(picture, rois), onnx.estimate(picture, rois))
    assert 0.1 < np.median(wrong) < 2.0


def test_it_is_mediapipes_own_subgraph(
    picture: np.ndarray, rois: list[Roi], estimator: MediapipePoseEstimator
) -> None:
    import mediapipe
    from mediapipe.framework.formats import rect_pb2
    from mediapipe.python import packet_creator, packet_getter
    from mediapipe.python._framework_bindings import resource_util

    resource_util.set_resource_dir(str(Path(mediapipe.__file__).parents[1]))
    graph = mediapipe.CalculatorGraph(
        graph_config="""
        input_stream: "image" input_stream: "roi"
        node {
          calculator: "PoseLandmarkByRoiCpu"
          input_stream: "IMAGE:image" input_stream: "ROI:roi"
          output_stream: "LANDMARKS:landmarks" output_stream: "WORLD_LANDMARKS:world"
        }"""
    )
    outputs: dict[str, object] = {}
    for stream in ("landmarks", "world"):
        graph.observe_output_stream(stream, outputs.__setitem__)
    graph.start_run()
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    image = packet_creator.create_image_frame(rgb, image_format=mediapipe.ImageFormat.SRGB)
    height, width = picture.shape[:2]
    poses = estimator.estimate(picture, rois)
    assert max(abs(roi.angle) for roi in rois) > 0.02
    for timestamp, (roi, pose) in enumerate(zip(rois, poses, strict=True)):
        rectangle = rect_pb2.NormalizedRect(
            x_center=roi.x / width,
            y_center=roi.y / height,
            width=roi.side / width,
            height=roi.side / height,
            rotation=roi.angle,
        )
        graph.add_packet_to_input_stream("image", image.at(timestamp))
        graph.add_packet_to_input_stream("roi", packet_creator.create_proto(rectangle).at(timestamp))
        graph.wait_until_idle()
        own = packet_getter.get_proto(outputs["landmarks"]).landmark
        expected = [(p.x * width, p.y * height, p.z * width, p.visibility) for p in own]
        np.testing.assert_allclose(pose.landmarks, expected, atol=0.03)
        metres = packet_getter.get_proto(outputs["world"]).landmark
        np.testing.assert_allclose(pose.world, [(p.x, p.y, p.z) for p in metres], atol=1e-4)
    graph.close()


def test_nobody_is_found_in_an_empty_picture(estimator: MediapipePoseEstimator) -> None:
    (pose,) = estimator.estimate(np.full((480, 640, 3), 110, np.uint8), [Roi(320, 240, 400)])
    assert pose.score < 0.1
    assert pose.landmarks.shape == (33, 4)  # a weak pose is one, too


@pytest.mark.parametrize(
    "roi", [Roi(-5000, -5000, 100), Roi(100, 100, 1e4), Roi(100, 100, 2), Roi(1e7, 3, 2, 50)]
)
def test_squares_beyond_the_image_hold_nobody(
    picture: np.ndarray, rois: list[Roi], estimator: MediapipePoseEstimator, roi: Roi
) -> None:
    before, nobody, after = estimator.estimate(picture, [rois[0], roi, rois[0]])
    assert nobody.score < 0.5
    np.testing.assert_array_equal(before.landmarks, after.landmarks)


def test_no_square_costs_no_call(picture: np.ndarray, estimator: MediapipePoseEstimator) -> None:
    assert estimator.estimate(picture, []) == []


def test_all_the_work_is_done_by_whichever_thread_calls(
    picture: np.ndarray, rois: list[Roi], estimator: MediapipePoseEstimator
) -> None:
    expected = estimator.estimate(picture, rois)
    found: list[Pose] = []
    seconds: list[float] = []

    def work() -> None:
        whole, own = time.process_time(), time.thread_time()
        for _ in range(5):
            found[:] = estimator.estimate(picture, rois)
        seconds.extend([time.thread_time() - own, time.process_time() - whole])

    worker = threading.Thread(target=work)
    worker.start()
    worker.join(60)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.landmarks, b.landmarks)
    assert seconds[0] > 0.9 * seconds[1]


def followed(clip: Path, backend: PoseBackend, frames: int = 20) -> list[dict[str, Pose]]:
    detector, tracker, follower = Detector(), Tracker("street"), PoseFollower()
    poses = []
    with FrameReader("street", str(clip)) as reader:
        for _ in range(frames):
            frame = reader.read()
            tracks = tracker.update(
                detector.detect(frame.image), monotonic=frame.monotonic, captured_at=frame.captured_at
            )
            seen = [track for track in tracks if track.last_monotonic == frame.monotonic]
            poses.append(follower.estimate(frame.image, seen, backend))
    return poses


def test_it_follows_people_as_the_onnx_backend_does(
    street: Path, onnx: PoseEstimator, estimator: MediapipePoseEstimator
) -> None:
    ours, theirs = followed(street, onnx), followed(street, estimator)
    common = [(a[track], b[track]) for a, b in zip(theirs, ours, strict=True) for track in a if track in b]
    assert sum(map(len, ours)) > 60
    assert len(common) > 0.9 * sum(map(len, ours))
    assert len(common) > 0.9 * sum(map(len, theirs))
    assert np.median(errors([a for a, _ in common], [b for _, b in common])) < 2.0


def test_who_is_turned_by_a_quarter_is_read_with_the_head_to_the_side(
    picture: np.ndarray, rois: list[Roi], estimator: MediapipePoseEstimator
) -> None:
    lying = np.ascontiguousarray(np.rot90(picture))  # counter-clockwise: heads to the left
    last = picture.shape[1] - 1
    squares = [Roi(roi.y, last - roi.x, roi.side, roi.angle - math.pi / 2) for roi in rois]
    upright, found = estimator.estimate(picture, rois), estimator.estimate(lying, squares)
    for a, b in zip(found, upright, strict=True):
        expected = np.stack([b.landmarks[:, 1], last - b.landmarks[:, 0]], axis=1)
        assert a.score == pytest.approx(b.score, abs=0.05)
        height = np.ptp(b.landmarks[:, 1])
        assert np.median(np.linalg.norm(a.landmarks[:, :2] - expected, axis=1)) < 0.01 * height
        np.testing.assert_allclose(a.world[:, 0], b.world[:, 1], atol=0.1)


def test_a_network_that_is_not_here_is_never_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path))
    with pytest.raises(ModelError, match="posewatch models fetch pose_lite"):
        MediapipePoseEstimator(variant="lite")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ModelError, match="choose full, lite or heavy"):
        MediapipePoseEstimator(variant="huge")


def test_a_damaged_network_of_the_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "pose_lite.tflite").write_bytes(b"TFL3" * 1000)
    with pytest.raises(ModelError, match="posewatch models fetch pose_lite"):
        MediapipePoseEstimator(variant="lite")


def test_a_network_of_the_store_is_used(picture: np.ndarray, rois: list[Roi]) -> None:
    from tracker.store import ModelStore, StoreError

    try:
        lite = ModelStore().fetch("pose_lite", print)
    except StoreError as error:
        pytest.skip(f"lite network not available: {error}")
    ours = PoseEstimator(lite).estimate(picture, rois)
    theirs = MediapipePoseEstimator(variant="lite", refine=False).estimate(picture, rois)
    assert np.median(errors(theirs, ours)) < 0.1


def test_the_installed_version_is_the_one_that_reports_nothing() -> None:
    check_mediapipe()
