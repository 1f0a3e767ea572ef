"""Which models are in use: names and fingerprints, as alerts and `info` tell them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.detector import bundled_model
from tracker.model_files import sha256_of
from tracker.model_sources import POSE_MODELS
from tracker.store import ModelStore

if TYPE_CHECKING:
    from daemon.config import CameraConfig, PoseConfig

__all__ = ["model_paths", "model_versions"]

_SHORT = 12  # hexadecimal digits of a sha256: as many as `posewatch models` lists


def model_versions(settings: CameraConfig, *, fights: bool) -> dict[str, dict[str, str]]:
    """Name and short sha256 of each model that a camera uses, by what it does. Reads the files.

    Args:
        settings: of the camera.
        fights: whether it watches for fights.
    """
    return {
        kind: _of_mediapipe(settings.pose) if path is None else _of_file(path)
        for kind, path in model_paths(settings, fights=fights).items()
    }


def model_paths(settings: CameraConfig, *, fights: bool) -> dict[str, Path | None]:
    """File of each model that a camera uses, by what it does; None where mediapipe has its own.

    Args:
        settings: of the camera.
        fights: whether it watches for fights.

    Raises:
        ModelError: a pose model is not there yet.
    """
    bundled = Path(str(files("classifier"))) / "models"
    paths = {
        "detector": settings.detect.model or bundled_model(),
        "pose": _pose_path(settings.pose),
        "actions": settings.actions.model or bundled / "actions.onnx",
    }
    if fights:
        paths["fights"] = settings.fights.model or bundled / "fights.onnx"
    return paths


def _of_file(path: Path) -> dict[str, str]:
    return {"name": path.stem, "sha256": sha256_of(path)[:_SHORT]}


def _of_mediapipe(settings: PoseConfig) -> dict[str, str]:
    name = _store_name(settings)
    return {"name": f"mediapipe {name}", "sha256": POSE_MODELS[name].sha256[:_SHORT]}


def _pose_path(settings: PoseConfig) -> Path | None:
    name = _store_name(settings)
    if name not in POSE_MODELS:
        return Path(name)
    return None if settings.backend == "mediapipe" else ModelStore().path(name)


def _store_name(settings: PoseConfig) -> str:
    """The model store's name of a variant; a path stays as it is."""
    name = str(settings.model)
    return f"pose_{name}" if name not in POSE_MODELS and f"pose_{name}" in POSE_MODELS else name
