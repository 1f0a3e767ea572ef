"""The figures as JSON, for `posewatch status`: no credentials, no folders of the machine, no pictures."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from daemon.figures import CameraFigures, ServiceFigures
from daemon.health.stats import stage_milliseconds

__all__ = ["picture_of"]

_FOLDERS = re.compile(r"(?<![\w.~/-])~?/(?:[^\s/:'\"]+/)+")


def picture_of(figures: ServiceFigures, now: float, mask: Callable[[str], str]) -> dict[str, Any]:
    """Everything that `posewatch status` shows.

    Args:
        figures: of the service.
        now: UTC epoch seconds, so that who reads it can say how long ago something was.
        mask: hides credentials in texts.
    """
    picture = asdict(figures)
    picture["cameras"] = [_camera(camera) for camera in figures.cameras]
    picture["time"] = now
    picture["healthy"] = not figures.hung
    picture["overloaded"] = list(figures.overloaded)
    for key, value in (("storage_reason", figures.storage_reason), ("config", figures.config.error)):
        text = None if value is None else _FOLDERS.sub("", mask(value))
        if key == "config":
            picture["config"]["error"] = text
        else:
            picture[key] = text
    return picture


def _camera(camera: CameraFigures) -> dict[str, Any]:
    row = asdict(camera)
    del row["latency"]
    row["stages_ms"] = stage_milliseconds(camera)
    return row
