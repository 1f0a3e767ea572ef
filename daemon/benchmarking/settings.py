"""The settings that are compared: as configured, every economy switched off, one pose model or another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.config import CameraConfig

__all__ = ["VARIANTS", "variant"]

# What switches off each economy: everybody is detected and read in every frame by the full model.
_UNHURRIED: Mapping[str, Mapping[str, Any]] = {
    "detect": {"every": 1, "pause": 0.0, "idle": 0.0},
    "pose": {"model": "full", "steady_rate": 0.0},
    "fights": {"calm": 0.0},
}

VARIANTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "defaults": {},
    "unhurried": _UNHURRIED,
    "full": {"pose": {"model": "full"}},
    "lite": {"pose": {"model": "lite"}},
}
"""What each differs in from the configuration, by section."""


def variant(name: str, base: CameraConfig | str) -> CameraConfig:
    """Settings of a camera, changed as `name` says.

    Args:
        name: one of `VARIANTS`.
        base: the settings as configured, or the source of a camera with none of its own.

    Raises:
        pydantic.ValidationError: `VARIANTS` names a setting that there is not.
    """
    settings = CameraConfig(url=base) if isinstance(base, str) else base
    changed = {}
    for section, values in VARIANTS[name].items():
        model = getattr(settings, section)
        changed[section] = type(model).model_validate({**model.model_dump(), **values})
    return settings.model_copy(update=changed)
