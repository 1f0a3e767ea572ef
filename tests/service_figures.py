"""Figures of a service as tests want them."""

from __future__ import annotations

from typing import Any

from daemon.figures import (
    CameraFigures,
    ConfigFigures,
    MqttFigures,
    ProcessFigures,
    ServiceFigures,
    StageFigures,
)
from daemon.timing import LatencyMeter

__all__ = ["camera_figures", "service_figures"]

STARTED = 1_795_700_000.0  # UTC epoch seconds


def camera_figures(name: str = "door", **changes: Any) -> CameraFigures:
    """A camera that has been streaming for a while."""
    meter = LatencyMeter()
    for index in range(1, 101):
        meter.add(index / 500)
    stages = {
        stage: StageFigures(seconds, calls)
        for stage, seconds, calls in (
            ("report", 0.03, 150),
            ("detect", 1.8, 150),
            ("track", 0.06, 150),
            ("pose", 1.2, 140),
            ("action", 0.3, 50),
        )
    }
    values: dict[str, Any] = {
        "name": name,
        "enabled": True,
        "state": "streaming",
        "reason": None,
        "since": STARTED + 5,
        "tamper": None,
        "overloaded": False,
        "fps_in": 15.1,
        "fps_processed": 14.9,
        "frames_in": 160,
        "frames_processed": 150,
        "frames_dropped": 9,
        "frames_damaged": 1,
        "reconnects": 2,
        "errors": 3,
        "restarts": 4,
        "latency": meter.histogram(),
        "latency_ms": meter.percentiles(),
        "stages": stages,
        "people": 2,
        "alerts": (),
        "models": {
            "detector": {"name": "person_yolox_nano", "sha256": "f9ff752af05e"},
            "pose": {"name": "pose_full", "sha256": "80ded69084ae"},
        },
        "frame_age": 0.06,
    }
    return CameraFigures(**{**values, **changes})


def service_figures(*cameras: CameraFigures, **changes: Any) -> ServiceFigures:
    """A service that is well; with one camera where none is given."""
    values: dict[str, Any] = {
        "version": "0.1.0",
        "started_at": STARTED,
        "ready": True,
        "hung": (),
        "workers": 2,
        "providers": {"detector": "cpu", "pose": "cpu"},
        "workers_busy": 1,
        "load": 0.62,
        "storage_state": "ok",
        "storage_reason": None,
        "profile": None,
        "config": ConfigFigures("ok", None, STARTED, 0),
        "mqtt": MqttFigures(True, True, 0, 0, 0),
        "process": ProcessFigures(0.42, 340_770_816, 23, 41),
        "cameras": cameras or (camera_figures(),),
    }
    return ServiceFigures(**{**values, **changes})
