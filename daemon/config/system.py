"""The process itself: workers and log."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from daemon.config.base import ConfigModel

__all__ = ["LogConfig", "PerformanceConfig"]


class PerformanceConfig(ConfigModel):
    """Use of the machine."""

    workers: int | None = Field(
        default=None,
        title="Workers",
        description="Frames processed at the same time; one a core when left out.",
        ge=1,
        le=256,
    )


class LogConfig(ConfigModel):
    """Log lines on standard error (the journal under systemd)."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", title="Level", description="Least severe lines to write."
    )
    format: Literal["text", "json"] = Field(
        default="text", title="Format", description="Lines for people (key=value), or JSON objects."
    )
    repeats: int = Field(
        default=10,
        title="Repeats",
        description="Lines of the same event of the same camera in a minute; further ones are counted, and "
        "told in one line. Alerts always have their line.",
        ge=1,
        le=10000,
    )
