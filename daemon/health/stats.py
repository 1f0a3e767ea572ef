"""The statistics message: the same figures as the metrics, for those who listen to MQTT."""

from __future__ import annotations

from typing import Any

from daemon.figures import CameraFigures, ServiceFigures
from daemon.timing import in_order

__all__ = ["stage_milliseconds", "stats_payload"]


def stats_payload(figures: ServiceFigures) -> dict[str, Any]:
    """The payload of `stats`; counts are since the start."""
    process, mqtt = figures.process, figures.mqtt
    return {
        "cpu": process.cpu,
        "rss": process.rss,
        "threads": process.threads,
        "files": process.files,
        "workers": {"count": figures.workers, "busy": figures.workers_busy, "load": figures.load},
        "providers": dict(figures.providers),
        "hung": list(figures.hung),
        "overloaded": bool(figures.overloaded),
        "queue": mqtt.queued,
        "mqtt": {"connected": mqtt.connected, "queued": mqtt.queued, "dropped": mqtt.dropped},
        "storage": {"state": figures.storage_state, "reason": figures.storage_reason},
        "config": {"state": figures.config.state, "reloads": figures.config.reloads},
        "commands_ignored": mqtt.commands_ignored,
        "cameras": {camera.name: _camera(camera) for camera in figures.cameras},
    }


def stage_milliseconds(camera: CameraFigures) -> dict[str, float]:
    """Mean milliseconds a processed frame by stage, in the order of a frame's way; none before the first."""
    if not camera.frames_processed:
        return {}
    stages, frames = camera.stages, camera.frames_processed
    return {name: round(1000.0 * stages[name].seconds / frames, 3) for name in in_order(stages)}


def _camera(camera: CameraFigures) -> dict[str, Any]:
    return {
        "fps_in": camera.fps_in,
        "fps_processed": camera.fps_processed,
        "dropped": camera.frames_dropped,
        "damaged": camera.frames_damaged,
        "errors": camera.errors,
        "reconnects": camera.reconnects,
        "restarts": camera.restarts,
        "people": camera.people,
        "tamper": camera.tamper,
        "overloaded": camera.overloaded,
        "latency_ms": dict(camera.latency_ms),
        "stages_ms": stage_milliseconds(camera),
    }
