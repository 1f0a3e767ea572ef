"""One camera: where its pictures come from, and its effective settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from daemon.config.actions import ActionsConfig
from daemon.config.base import ConfigModel, Duration, Name, resolve_path
from daemon.config.detect import DetectConfig
from daemon.config.fights import FightsConfig
from daemon.config.filters import FiltersConfig
from daemon.config.media import ClipsConfig, SnapshotsConfig
from daemon.config.pose import PoseConfig
from daemon.config.rules import DEFAULT_RULES, Rule
from daemon.config.tamper import TamperConfig
from daemon.config.track import TrackConfig
from daemon.config.zones import Mask, Zone

__all__ = ["CameraConfig", "ReconnectConfig"]

_SCHEMES = ("rtsp", "rtsps", "http", "https", "file")


class ReconnectConfig(ConfigModel):
    """Waiting between two attempts: doubled each time, with jitter, from min to max."""

    min: Duration = Field(
        default=1.0, title="First wait", description="Before the second attempt.", ge=0.05, le=3600
    )
    max: Duration = Field(
        default=60.0, title="Longest wait", description="However long a camera is away.", ge=0.05, le=3600
    )
    refused: Duration = Field(
        default=300.0,
        title="Wait after refusals",
        description="From the fifth refused password in a row: cameras lock who tries too often.",
        ge=0.05,
        le=86400,
    )

    @model_validator(mode="after")
    def _order(self) -> ReconnectConfig:
        if self.min > self.max:
            raise ValueError("min must not be above max")
        return self


class CameraConfig(ConfigModel):
    """A camera with everything that applies to it: the global settings with its own on top."""

    url: str = Field(
        title="Source",
        min_length=1,
        repr=False,
        description="rtsp://host/path, a video file, or a webcam (/dev/video0, or its number).",
    )
    username: str | None = Field(
        default=None, title="User", description="Of the camera, where it is not part of the URL.", repr=False
    )
    password: SecretStr | None = Field(
        default=None, title="Password", description="Of the camera; `!secret NAME` keeps it out of this file."
    )
    enabled: bool = Field(default=True, title="Enabled", description="false leaves the camera alone.")
    transport: Literal["tcp", "udp"] = Field(
        default="tcp",
        title="RTSP transport",
        description="udp only where a camera knows nothing else: it loses packets.",
    )
    reader: Literal["auto", "ffmpeg"] = Field(
        default="auto",
        title="RTSP reader",
        description="ffmpeg only where pictures are missing otherwise: it does not notice lost packets.",
    )
    fps: float = Field(
        default=15.0,
        title="Most frames a second",
        description="Frames above this rate are not processed.",
        ge=0.2,
        le=120,
    )
    open_timeout: Duration = Field(
        default=10.0, title="Open timeout", description="To connect and get the first data.", ge=0.2, le=300
    )
    read_timeout: Duration = Field(
        default=10.0,
        title="Read timeout",
        description="Without a picture for this long the camera is stalled.",
        ge=0.2,
        le=300,
    )
    reconnect: ReconnectConfig = Field(
        default_factory=ReconnectConfig, title="Reconnect", description="Waiting between two attempts."
    )
    loop: bool = Field(default=False, title="Loop", description="Files: start again at the end.")
    realtime: bool = Field(
        default=True, title="Real time", description="Files: play at their own rate, as a camera would."
    )
    publish_tracks: bool = Field(
        default=False,
        title="Publish tracks",
        description="One message a processed frame with every box and pose.",
    )
    zones: dict[Name, Zone] = Field(
        default_factory=dict, title="Zones", description="Named polygons in 0..1 of the image."
    )
    masks: dict[Name, Mask] = Field(
        default_factory=dict,
        title="Masks",
        description="Polygons; people whose feet are in one are not looked at.",
    )
    privacy_masks: dict[Name, Mask] = Field(
        default_factory=dict,
        title="Privacy masks",
        description="Polygons that are black in every picture and clip.",
    )
    filters: FiltersConfig = Field(
        default_factory=FiltersConfig, title="Filters", description="What differs from the global `filters`."
    )
    detect: DetectConfig = Field(
        default_factory=DetectConfig, title="Detection", description="What differs from the global `detect`."
    )
    track: TrackConfig = Field(
        default_factory=TrackConfig, title="Tracking", description="What differs from the global `track`."
    )
    pose: PoseConfig = Field(
        default_factory=PoseConfig, title="Pose", description="What differs from the global `pose`."
    )
    actions: ActionsConfig = Field(
        default_factory=ActionsConfig, title="Actions", description="What differs from the global `actions`."
    )
    fights: FightsConfig = Field(
        default_factory=FightsConfig, title="Fights", description="What differs from the global `fights`."
    )
    tamper: TamperConfig = Field(
        default_factory=TamperConfig, title="Tampering", description="What differs from the global `tamper`."
    )
    snapshots: SnapshotsConfig = Field(
        default_factory=SnapshotsConfig,
        title="Snapshots",
        description="What differs from the global `snapshots`.",
    )
    clips: ClipsConfig = Field(
        default_factory=ClipsConfig, title="Clips", description="What differs from the global `clips`."
    )
    rules: dict[Name, Rule] = Field(
        default_factory=lambda: dict(DEFAULT_RULES),
        title="Rules",
        description="Rules of this camera only, or changes to global ones.",
    )

    @field_validator("url", mode="before")
    @classmethod
    def _source(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)  # a webcam's number
        if not isinstance(value, str) or value.isdecimal():
            return value
        scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*)://", value)
        if scheme is None:
            return str(resolve_path(Path(value), info)) if value else value
        if scheme[1].lower() not in _SCHEMES:
            raise ValueError(f"{scheme[1]}:// is not supported: use rtsp://, a file or a webcam")
        if scheme[1].lower() == "file":
            return value[len("file://") :]
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            raise ValueError(
                "is not a valid URL: %-encode special characters, or use username and password"
            ) from None
        if not parts.hostname or port == 0:
            raise ValueError("is not a valid URL: the host is missing")
        return value

    @model_validator(mode="after")
    def _whole(self) -> CameraConfig:
        if self.password is not None and self.username is None:
            raise ValueError("password needs username")
        if self.username is not None and "://" not in self.url:
            raise ValueError("username is for network cameras only")
        return self

    @property
    def source(self) -> str:
        """What to open: the URL with the credentials in it. Never log it unmasked."""
        if self.username is None:
            return self.url
        scheme, rest = self.url.split("://", 1)
        authority, slash, path = rest.partition("/")
        host = authority.rpartition("@")[2]
        login = quote(self.username, safe="")
        if self.password is not None:
            login += ":" + quote(self.password.get_secret_value(), safe="")
        return f"{scheme}://{login}@{host}{slash}{path}"
