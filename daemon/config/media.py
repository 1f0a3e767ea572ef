"""Pictures and clips of alerts: how they look, where they go, how long they are kept."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from daemon.config.base import ConfigModel, Duration
from daemon.config.sizes import ByteSize

__all__ = ["ClipsConfig", "SnapshotsConfig", "Style"]

Style: TypeAlias = Literal["skeleton", "blur", "full", "none"]
"""What of the camera's picture is shown: nothing, patches of colour, all of it; `none` is no picture."""

_STYLE = (
    "skeleton: skeletons on a blank scene; blur: on a scene in which nobody and nothing can be made out; "
    "full: the camera's picture; none: {nothing}."
)


class SnapshotsConfig(ConfigModel):
    """A picture with each alert."""

    style: Style = Field(default="skeleton", title="Style", description=_STYLE.format(nothing="no snapshots"))
    publish: bool = Field(
        default=True, title="Publish", description="Send it to PREFIX/CAMERA/snapshot/RULE as well."
    )
    retain: bool = Field(
        default=False, title="Retain", description="The broker keeps the last one of each rule."
    )
    width: int = Field(
        default=1280, title="Width", description="Wider pictures are made smaller, in px.", ge=160, le=7680
    )
    quality: int = Field(default=85, title="Quality", description="Of the JPEG.", ge=30, le=100)
    keep: Duration = Field(
        default=30 * 86400.0, title="Keep", description="Older ones are removed.", ge=60, le=3650 * 86400
    )
    max_size: ByteSize = Field(
        default=500_000_000,
        title="Most space",
        description="Of one camera's snapshots; above it the oldest are removed.",
        ge=1_000_000,
    )


class ClipsConfig(ConfigModel):
    """A short video around each alert."""

    enabled: bool = Field(
        default=False, title="Enabled", description="Record clips; a rule may differ with its own `clip`."
    )
    style: Style = Field(default="blur", title="Style", description=_STYLE.format(nothing="no clips"))
    before: Duration = Field(
        default=5.0, title="Before", description="How much is shown from before the alert.", ge=0, le=60
    )
    after: Duration = Field(
        default=10.0, title="After", description="How much is shown from after it.", ge=1, le=300
    )
    longest: Duration = Field(
        default=60.0,
        title="Longest",
        description="Further alerts make a clip longer up to this; then the next one begins.",
        ge=5,
        le=900,
    )
    fps: float = Field(default=5.0, title="Frames a second", description="Of the clip.", ge=0.5, le=30)
    width: int = Field(
        default=1280, title="Width", description="Wider pictures are made smaller, in px.", ge=160, le=3840
    )
    buffer: ByteSize = Field(
        default=32_000_000,
        title="Buffer",
        description="Memory for what was before; when it is full, less than `before` is shown.",
        ge=100_000,
        le=2_000_000_000,
    )
    keep: Duration = Field(
        default=14 * 86400.0, title="Keep", description="Older ones are removed.", ge=60, le=3650 * 86400
    )
    max_size: ByteSize = Field(
        default=1_000_000_000,
        title="Most space",
        description="Of one camera's clips; above it the oldest are removed.",
        ge=1_000_000,
    )
