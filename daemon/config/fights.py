"""Watching for fights."""

from __future__ import annotations

from pydantic import Field

from daemon.config.base import ConfigModel, ExistingPath

__all__ = ["FightsConfig"]


class FightsConfig(ConfigModel):
    """What looks for fights, where a rule of type `fight` asks for it."""

    model: ExistingPath | None = Field(
        default=None,
        title="Model",
        description="ONNX file with its _look.onnx beside it; the bundled one when left out.",
    )
    places: int = Field(
        default=2,
        title="Places",
        description="At most this many parts of the picture are watched at a time; each takes time.",
        ge=1,
        le=8,
    )
