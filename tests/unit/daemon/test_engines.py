"""Models of a worker: loaded once for each setting, and let go of when no camera needs them."""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path

import pytest

import tracker
from daemon.config import CameraConfig, PoseConfig
from daemon.engines import Engines
from tracker.pose import PoseEstimator
from tracker.pose_choice import ChosenPoseEstimator
from tracker.store import ModelStore


def camera(**detect: object) -> CameraConfig:
    return CameraConfig.model_validate({"url": "rtsp://10.0.0.1/", "detect": detect})


def test_what_no_camera_needs_is_let_go_of(pose_model: Path) -> None:
    assert pose_model.is_file()
    engines, kept, gone = Engines(), camera(), camera(score=0.3)
    for settings in (kept, gone):
        engines.load(settings, fights=True)
    stays, goes = engines.detector(kept.detect), engines.detector(gone.detect)
    fights = weakref.ref(engines.fights(kept.fights))
    assert stays is not goes
    there = weakref.ref(goes)
    del goes
    engines.keep([(kept, False)])
    assert there() is None
    assert fights() is None
    assert engines.detector(kept.detect) is stays


def test_a_model_file_that_another_one_took_the_place_of_is_noticed(pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    mine, ours = tmp_path / "mine.onnx", Path(tracker.__file__).parent / "models" / "person_yolox_nano.onnx"
    shutil.copy(ours, mine)
    engines, settings = Engines(), camera(model=str(mine))
    before = engines.load(settings, fights=False)["detector"]["sha256"]
    assert engines.replaced_files() == set()
    new = tmp_path / "new"
    new.write_bytes(ours.read_bytes() + b"\x72\x00")  # an empty field that ONNX ignores
    new.replace(mine)
    assert engines.replaced_files() == {str(mine)}
    others = Engines()
    assert others.load(settings, fights=False)["detector"]["sha256"] != before
    engines.keep([(camera(), False)])
    assert engines.replaced_files() == set()


def _store_with(names: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model store that has these pose networks only."""
    there, target = ModelStore().folder, folder / "posewatch" / "models"
    target.mkdir(parents=True)
    for name in names:
        for path in there.glob(f"{name}.*"):
            shutil.copy(path, target)
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


def test_without_the_light_network_the_full_one_reads_everybody(
    pose_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert pose_model.is_file()
    _store_with(("pose_full",), tmp_path, monkeypatch)
    engines = Engines()
    versions = engines.load(camera(), fights=False)
    assert isinstance(engines.estimator(camera().pose), PoseEstimator)
    assert [one.message for one in caplog.records if "pose_lite" in one.message] == [
        "pose_lite_missing using=pose_full; posewatch models fetch pose_lite"
    ]
    assert "pose_lite" not in versions
    assert versions["pose"]["name"] == "pose_full"


def test_both_networks_are_loaded_where_both_are_there(pose_model: Path) -> None:
    assert pose_model.is_file()
    if not (ModelStore().folder / "pose_lite.onnx").is_file():
        pytest.skip("pose_lite is not there: run `posewatch models fetch pose_lite`")
    engines = Engines()
    versions = engines.load(camera(), fights=False)
    assert isinstance(engines.estimator(camera().pose), ChosenPoseEstimator)
    assert (versions["pose"]["name"], versions["pose_lite"]["name"]) == ("pose_full", "pose_lite")
    settings = camera().model_copy(update={"pose": PoseConfig(model="full")})
    assert "pose_lite" not in engines.load(settings, fights=False)
