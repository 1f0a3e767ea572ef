"""The whole configuration."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, PrivateAttr, field_validator, model_validator

from daemon.config.actions import ActionsConfig
from daemon.config.base import ConfigModel, Duration, Name
from daemon.config.camera import CameraConfig
from daemon.config.detect import DetectConfig
from daemon.config.fights import FightsConfig
from daemon.config.filters import FiltersConfig
from daemon.config.health import HealthConfig
from daemon.config.home_assistant import HomeAssistantConfig
from daemon.config.media import ClipsConfig, SnapshotsConfig
from daemon.config.mqtt import MqttConfig
from daemon.config.pose import PoseConfig
from daemon.config.references import UnknownNamesError, unknown_names
from daemon.config.rules import DEFAULT_RULES, Rule
from daemon.config.secrets import HiddenValue, secrets_of
from daemon.config.storage import StorageConfig
from daemon.config.system import LogConfig, PerformanceConfig
from daemon.config.tamper import TamperConfig
from daemon.config.track import TrackConfig

__all__ = ["Config"]


class Config(ConfigModel):
    """posewatch.yaml; its sections from `detect` to `rules` hold for cameras without their own."""

    mqtt: MqttConfig = Field(default_factory=MqttConfig, title="MQTT", description="The broker.")
    home_assistant: HomeAssistantConfig = Field(
        default_factory=HomeAssistantConfig, title="Home Assistant", description="MQTT discovery."
    )
    storage: StorageConfig = Field(
        default_factory=StorageConfig, title="Storage", description="What is kept on disk."
    )
    detect: DetectConfig = Field(
        default_factory=DetectConfig, title="Detection", description="Finding people."
    )
    filters: FiltersConfig = Field(
        default_factory=FiltersConfig, title="Filters", description="Which detections are taken for people."
    )
    track: TrackConfig = Field(default_factory=TrackConfig, title="Tracking", description="Following people.")
    pose: PoseConfig = Field(default_factory=PoseConfig, title="Pose", description="Reading poses.")
    actions: ActionsConfig = Field(
        default_factory=ActionsConfig, title="Actions", description="Naming actions."
    )
    fights: FightsConfig = Field(
        default_factory=FightsConfig, title="Fights", description="Watching for fights."
    )
    tamper: TamperConfig = Field(
        default_factory=TamperConfig,
        title="Tampering",
        description="Noticing that a camera is covered, turned or blinded.",
    )
    snapshots: SnapshotsConfig = Field(
        default_factory=SnapshotsConfig, title="Snapshots", description="The picture of an alert."
    )
    clips: ClipsConfig = Field(
        default_factory=ClipsConfig, title="Clips", description="The short video of an alert."
    )
    rules: dict[Name, Rule] = Field(
        default_factory=lambda: dict(DEFAULT_RULES),
        title="Rules",
        description="When to alert, by name; falls, lying and fights when left out, none with {}.",
    )
    profiles: tuple[Name, ...] = Field(
        default=(),
        title="Profiles",
        description="Such as home, away, night, for rules that name some; the first is in use until another "
        "is chosen.",
    )
    cameras: dict[Name, CameraConfig] = Field(title="Cameras", description="The cameras, by name.")
    performance: PerformanceConfig = Field(
        default_factory=PerformanceConfig, title="Performance", description="How many cores it uses."
    )
    health: HealthConfig = Field(
        default_factory=HealthConfig, title="Health", description="Health and metrics over HTTP."
    )
    log: LogConfig = Field(default_factory=LogConfig, title="Log", description="Log lines.")
    stats_interval: Duration = Field(
        default=30.0,
        title="Statistics interval",
        description="Time between two messages on PREFIX/stats.",
        ge=1,
        le=86400,
    )

    _hidden: frozenset[HiddenValue] = PrivateAttr(default=frozenset())

    def hide(self, values: Iterable[HiddenValue]) -> None:
        """Remembers what came from secrets and variables, for `secrets`."""
        self._hidden = frozenset(values)

    @property
    def secrets(self) -> frozenset[str]:
        """Everything that no log line may show, see `daemon.config.secrets`."""
        return secrets_of(self.mqtt, self.cameras, self._names(), self._hidden)

    def _names(self) -> set[str]:
        """What is part of topics and lines anyway."""
        names = {*self.cameras, *self.rules, *self.profiles, self.mqtt.prefix, self.mqtt.client_id}
        for camera in self.cameras.values():
            names |= {*camera.rules, *camera.zones}
        return names

    @model_validator(mode="after")
    def _names_are_known(self) -> Config:
        problems = unknown_names(self.profiles, self.rules, self.cameras)
        if problems:
            raise UnknownNamesError(problems)
        return self

    @field_validator("profiles")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("names a profile twice: keep one")
        return value

    @field_validator("cameras")
    @classmethod
    def _not_empty(cls, value: dict[str, CameraConfig]) -> dict[str, CameraConfig]:
        if not value:
            raise ValueError("add at least one camera, such as `door: {url: rtsp://192.168.1.20/stream}`")
        return value
