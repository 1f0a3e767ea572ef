"""Which models are in use: names and fingerprints, as alerts and `info` tell them."""

from __future__ import annotations

from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.detector import bundled_model
from tracker.model_files import sha256_of
from tracker.model_sources import POSE_MODELS
from tracker.runtime import MissingModelError
from tracker.store import ModelStore

if TYPE_CHECKING:
    from daemon.config import CameraConfig, PoseConfig

__all__ = ["model_versions"]

_SHORT = 12  # hexadecimal digits of a sha256: as many as `posewatch models` lists


def model_versions(settings: CameraConfig, *, fights: bool) -> dict[str, dict[str, str]]:
    """Name and short sha256 of each model that a camera uses, by what it does. Reads the files.

    Args:
        settings: of the camera.
        fights: whether it watches for fights.
    """
    bundled = Path(str(files("classifier"))) / "models"
    versions = {
        "detector": _of_file(settings.detect.model or bundled_model()),
        "pose": _of_pose(settings.pose),
        "actions": _of_file(settings.actions.model or bundled / "actions.onnx"),
    }
    if settings.pose.model == "auto" and settings.pose.backend == "onnx":
        with suppress(MissingModelError):  # then the full one reads everybody
            versions["pose_lite"] = _of_file(ModelStore().path("pose_lite"))
    if fights:
        versions["fights"] = _of_file(settings.fights.model or bundled / "fights.onnx")
    return versions


def _of_file(path: Path) -> dict[str, str]:
    return {"name": path.stem, "sha256": sha256_of(path)[:_SHORT]}


def _of_pose(settings: PoseConfig) -> dict[str, str]:
    name = "full" if settings.model == "auto" else str(settings.model)
    if name not in POSE_MODELS and f"pose_{name}" in POSE_MODELS:
        name = f"pose_{name}"
    if name not in POSE_MODELS:
        return _of_file(Path(name))
    if settings.backend == "mediapipe":
        return {"name": f"mediapipe {name}", "sha256": POSE_MODELS[name].sha256[:_SHORT]}
    return _of_file(ModelStore().path(name))
