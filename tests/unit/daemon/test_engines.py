"""Models of a worker: loaded once for each setting, and let go of when no camera needs them."""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path

import tracker
from daemon.config import CameraConfig
from daemon.engines import Engines


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
