"""Watching for fights."""

from __future__ import annotations

from pydantic import Field

from daemon.config.base import ConfigModel, Duration, ExistingPath

__all__ = ["FightsConfig"]


class FightsConfig(ConfigModel):
    """What looks for fights, where a rule of type `fight` asks for it."""

    model: ExistingPath | None = Field(
        default=None,
        title="Model",
        description="ONNX file with its _look.onnx beside it; the bundled one when left out.",
    )
    calm: Duration = Field(
        default=0.35,
        title="Calm",
        description="Time from one look to the next while the score is below `wake`; the detector's own runs "
        "count as looks. 0s always looks eight times a second.",
        ge=0.0,
        le=0.5,
    )
    wake: float = Field(
        default=0.4,
        title="Wake",
        description="Score from which it is looked at eight times a second, and below which nothing is a "
        "fight: keep it below the rules' `min_score`. Lower takes more time.",
        ge=0.0,
        le=1.0,
    )
