"""Following people from frame to frame."""

from __future__ import annotations

from pydantic import Field, model_validator

from daemon.config.base import ConfigModel, Duration

__all__ = ["TrackConfig"]


class TrackConfig(ConfigModel):
    """The tracker."""

    high_score: float = Field(
        default=0.5,
        title="Strong detection",
        description="Detections from this score are matched first.",
        ge=0.05,
        le=0.99,
    )
    low_score: float = Field(
        default=0.1,
        title="Weak detection",
        description="Detections from this score may continue a track.",
        ge=0.01,
        le=0.99,
    )
    new_score: float = Field(
        default=0.5,
        title="New track",
        description="A detection needs this score to start a track.",
        ge=0.05,
        le=0.99,
    )
    confirm_hits: int = Field(
        default=3,
        title="Hits to confirm",
        description="Frames with a match before a track counts as a person.",
        ge=1,
        le=30,
    )
    sure_score: float = Field(
        default=0.62,
        title="Sure detection",
        description="Mean score from which those hits are enough; others count after `doubt`.",
        ge=0.0,
        le=0.99,
    )
    doubt: Duration = Field(
        default=5.0,
        title="Doubt",
        description="How long somebody who is seen weakly must stay to count as a person.",
        ge=0.0,
        le=60,
    )
    lost: Duration = Field(
        default=4.0,
        title="Lost after",
        description="A person who is hidden, or out of the picture, for longer gets a new id.",
        ge=0.1,
        le=60,
    )

    @model_validator(mode="after")
    def _order(self) -> TrackConfig:
        if self.low_score > self.high_score:
            raise ValueError(f"low_score {self.low_score:g} must not be above high_score {self.high_score:g}")
        return self
