"""The state directory: messages that wait for the broker, and the history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from daemon.config.base import ConfigModel, Duration, resolve_path
from daemon.config.sizes import ByteSize

__all__ = ["StorageConfig"]

_Folder: TypeAlias = Annotated[Path, AfterValidator(resolve_path)]
_DAY = 86400.0


class StorageConfig(ConfigModel):
    """What is kept on disk, and for how long."""

    path: _Folder | None = Field(
        default=None,
        title="State directory",
        description="Folder of the database, snapshots and clips; $STATE_DIRECTORY (systemd), else "
        "posewatch in $XDG_STATE_HOME or ~/.local/state when left out. One daemon for each.",
    )
    max_messages: int = Field(
        default=100_000,
        title="Most messages",
        description="That wait for the broker; above it the oldest updates and images are dropped first.",
        ge=100,
        le=10_000_000,
    )
    max_age: Duration = Field(
        default=7 * _DAY,
        title="Longest wait",
        description="Messages that have waited for the broker for longer are dropped.",
        ge=60,
        le=3650 * _DAY,
    )
    max_size: ByteSize = Field(
        default=256_000_000,
        title="Most space",
        description="Of the database; above it the oldest history goes first, then the oldest updates and "
        "images that wait.",
        ge=1_000_000,
    )
    history: Duration = Field(
        default=30 * _DAY,
        title="History",
        description="How long alerts, actions and events stay to be listed by `posewatch events`.",
        ge=0,
        le=3650 * _DAY,
    )
