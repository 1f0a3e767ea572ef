"""`pose.smoothing` and `detect.every` in the whole pipeline, on real footage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daemon.capture import FrameReader
from daemon.config import Config
from daemon.engines import Engines
from daemon.pipeline import CameraPipeline
from daemon.topics import Topics
from tracker.detector import Detections, Detector

Walk = dict[int, list[np.ndarray]]


def _poses(street: Path, frames: int = 30, **settings: object) -> Walk:
    """Landmarks (33, 2) of confirmed people by track id; everybody is detected and read in each frame."""
    pose = settings.setdefault("pose", {})
    assert isinstance(pose, dict)
    pose["steady_rate"] = 0
    settings.setdefault("detect", {"every": 1})  # else what is read tells when the detector runs
    config = Config.model_validate({"cameras": {"street": {"url": str(street), **settings}}})
    pipeline = CameraPipeline("street", config.cameras["street"], Topics("posewatch"))
    engines, found = Engines(), Walk()
    with FrameReader("street", str(street)) as reader:
        for _ in range(frames):
            for person in pipeline.process(reader.read(), engines).scene.confirmed:
                if person.pose is not None:
                    found.setdefault(person.track.number, []).append(person.pose.landmarks[:, :2])
    return found


def _jitter(found: Walk) -> float:
    """Mean acceleration in px a frame^2."""
    moves = [np.diff(np.stack(poses), 2, axis=0) for poses in found.values() if len(poses) >= 10]
    return float(np.mean([np.linalg.norm(move, axis=-1).mean() for move in moves]))


@pytest.fixture(scope="module")
def plain(street: Path, pose_model: Path) -> Walk:
    assert pose_model.is_file()
    return _poses(street)


@pytest.mark.parametrize(("smoothing", "least", "most"), [("one_euro", 0.2, 0.85), ("refine", 0.3, 0.98)])
def test_smoothed_landmarks_are_steadier_and_where_they_were(
    street: Path, plain: Walk, smoothing: str, least: float, most: float
) -> None:
    steady = _poses(street, pose={"smoothing": smoothing})
    assert steady.keys() == plain.keys()
    assert least < _jitter(steady) / _jitter(plain) < most
    for number, poses in plain.items():
        assert len(steady[number]) == len(poses)
        height = np.ptp(np.stack(poses)[:, :, 1], axis=1).mean()
        away = np.linalg.norm(np.stack(steady[number]) - np.stack(poses), axis=-1)
        assert np.median(away) < 0.05 * height


def test_fewer_detections_follow_the_same_people(
    street: Path, plain: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, detect = [], Detector.detect

    def counted(self: Detector, image: np.ndarray) -> Detections:
        calls.append(image.shape)
        return detect(self, image)

    monkeypatch.setattr(Detector, "detect", counted)
    sparing = _poses(street, detect={"every": 3})
    assert 10 <= len(calls) <= 30
    # Everybody who was followed for long is, under the same number, for nearly as long.
    for number, poses in plain.items():
        if len(poses) >= 15:
            assert len(sparing[number]) >= 0.85 * len(poses)
