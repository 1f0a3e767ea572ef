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
