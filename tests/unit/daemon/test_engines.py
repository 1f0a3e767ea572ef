"""Models of a worker: loaded once for each setting, and let go of when no camera needs them."""

from __future__ import annotations

import weakref
from pathlib import Path

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
