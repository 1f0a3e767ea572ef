"""Noticing that a camera is covered, turned or blinded."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from daemon.config.base import ConfigModel, Duration

__all__ = ["TamperConfig"]


class TamperConfig(ConfigModel):
    """Whether the camera still shows what it should, see docs/tamper.md."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True, populate_by_name=True
    )

    enabled: bool = Field(
        default=True, title="Enabled", description="false says nothing about whether the view is there."
    )
    for_: Duration = Field(
        default=5.0,
        alias="for",
        title="For",
        description="Time for which the view must be gone; whoever stands before the lens for less is none.",
        ge=0.5,
        le=3600.0,
    )
    clear: Duration = Field(
        default=2.0,
        title="Clear after",
        description="Time for which the view must be back.",
        ge=0.2,
        le=3600.0,
    )
    learn: Duration = Field(
        default=5.0,
        title="Learn",
        description="Time in which a view is learned that is not known: at the start, or switched on.",
        ge=1.0,
        le=3600.0,
    )
    accept: Duration | None = Field(
        default=3600.0,
        title="Accept after",
        description="Time after which another view is taken for the right one; null: never, until the camera "
        "is switched off and on.",
        ge=10.0,
        le=2592000.0,
    )
    dark: bool = Field(
        default=False,
        title="Dark is covered",
        description="true where it is never dark (always lit, or infrared light): then black means covered.",
    )
