"""Which model files of the user's a camera takes, and whether they are still what was loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from daemon.config import CameraConfig

__all__ = ["Stamp", "model_files", "stamp_of"]

Stamp: TypeAlias = tuple[int, int, int] | None
"""Inode, bytes and time of change of a file; None where there is none."""


def model_files(camera: CameraConfig) -> list[tuple[str, str]]:
    """Kind and path of what does not come with the package or from the store."""
    from tracker.model_sources import POSE_MODELS

    found = []
    if camera.detect.model is not None:
        found.append(("detect", str(camera.detect.model)))
    pose = str(camera.pose.model)
    if camera.pose.backend == "onnx" and pose != "auto" and f"pose_{pose}" not in POSE_MODELS:
        found.append(("pose", pose))
    if camera.actions.model is not None:
        found.append(("actions", str(camera.actions.model)))
    if camera.fights.model is not None:
        found.append(("fights", str(camera.fights.model)))
    return found


def stamp_of(path: str) -> Stamp:
    """What tells a file from the one that takes its place."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
