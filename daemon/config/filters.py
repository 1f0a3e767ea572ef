"""Which detections are taken for people at all."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, model_validator

from daemon.config.base import ConfigModel

__all__ = ["FiltersConfig"]

_Share: TypeAlias = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class FiltersConfig(ConfigModel):
    """Detections outside these limits are dropped before anything else sees them.

    Sizes are those of the box, as a share of the image and kept inside it.
    """

    min_score: _Share = Field(
        default=0.0, title="Least score", description="Weak detections also hold tracks: keep this low."
    )
    min_area: _Share = Field(default=0.0, title="Least area", description="Share of the image's area.")
    max_area: _Share = Field(default=1.0, title="Largest area", description="Share of the image's area.")
    min_width: _Share = Field(default=0.0, title="Least width", description="Share of the image's width.")
    max_width: _Share = Field(default=1.0, title="Largest width", description="Share of the image's width.")
    min_height: _Share = Field(default=0.0, title="Least height", description="Share of the image's height.")
    max_height: _Share = Field(
        default=1.0, title="Largest height", description="Share of the image's height."
    )

    @model_validator(mode="after")
    def _order(self) -> FiltersConfig:
        for what in ("area", "width", "height"):
            least, most = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if least > most:
                raise ValueError(f"min_{what} {least:g} must not be above max_{what} {most:g}")
        return self

    @property
    def drops_something(self) -> bool:
        """Whether any limit is set."""
        return self != FiltersConfig()
