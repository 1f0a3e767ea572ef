"""Messages about the service itself: what it is, how its cameras, its disk and its switches are."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from daemon.capture import CameraStatus
from daemon.config import Config
from daemon.evidence import ModelVersions
from daemon.figures import ConfigFigures, ServiceFigures
from daemon.health.stats import stats_payload
from daemon.messages import Message, Payload
from daemon.storage.disk import StorageStatus
from daemon.topics import Topics

__all__ = ["camera_status", "config_state", "info", "profile_state", "stats", "storage_state", "switch_state"]


def info(
    topics: Topics,
    config: Config,
    started_at: float,
    models: ModelVersions,
    providers: Mapping[str, str],
) -> Message:
    """Version, start (UTC epoch seconds), cameras, the models of the first one, and what runs them."""
    payload = {
        "version": version("posewatch"),
        "started_at": round(started_at, 3),
        "cameras": list(config.cameras),
        "models": {kind: dict(model) for kind, model in models.items()},
        "providers": dict(providers),
    }
    return _state(topics.info(), payload)


def config_state(topics: Topics, figures: ConfigFigures, since: float) -> Message:
    """Whether the configuration file was accepted when it was loaded last; since when, UTC epoch seconds."""
    payload = {
        "state": figures.state,
        "error": figures.error,
        "loaded_at": round(figures.loaded_at, 3),
        "since": round(since, 3),
    }
    return _state(topics.config(), payload)


def stats(topics: Topics, figures: ServiceFigures) -> Message:
    """Load and rates."""
    return Message(topics.stats(), stats_payload(figures), qos=0, retain=False)


def camera_status(topics: Topics, camera: str, status: CameraStatus) -> Message:
    """Whether a camera gives pictures, and why not."""
    payload = {
        "state": status.state.value,
        "reason": status.reason.value if status.reason else None,
        "since": round(status.since, 3),
        "fps": status.fps,
        "overloaded": status.overloaded,
    }
    return _state(topics.camera_status(camera), payload)


def storage_state(topics: Topics, status: StorageStatus, dropped: int) -> Message:
    """Whether messages are safe on disk, and how many had to be dropped since the start."""
    payload = {
        "state": status.state,
        "reason": status.reason,
        "since": round(status.since, 3),
        "dropped": dropped,
    }
    return _state(topics.storage(), payload)


def switch_state(topics: Topics, camera: str, switch: str, on: bool) -> Message:
    """How a switch of a camera is."""
    return _state(topics.switch_state(camera, switch), "ON" if on else "OFF")


def profile_state(topics: Topics, profile: str) -> Message:
    """Which profile is in use."""
    return _state(topics.profile_state(), profile)


def _state(topic: str, payload: Payload) -> Message:
    return Message(topic, payload, qos=1, retain=True)
