"""The configuration: models that validate one YAML file, and its errors by file, line and key."""

from __future__ import annotations

from daemon.config.actions import ActionsConfig, LabelConfig, LabelSettings
from daemon.config.camera import CameraConfig, ReconnectConfig
from daemon.config.detect import DetectConfig
from daemon.config.errors import ConfigError
from daemon.config.fights import FightsConfig
from daemon.config.filters import FiltersConfig
from daemon.config.health import HealthConfig
from daemon.config.home_assistant import HomeAssistantConfig
from daemon.config.loading import load_config, load_section
from daemon.config.media import ClipsConfig, SnapshotsConfig, Style
from daemon.config.mqtt import MqttConfig, TlsConfig
from daemon.config.pose import PoseConfig
from daemon.config.root import Config
from daemon.config.rules import Rule
from daemon.config.schema import json_schema
from daemon.config.storage import StorageConfig
from daemon.config.system import LogConfig, PerformanceConfig
from daemon.config.track import TrackConfig
from daemon.config.zones import Mask, Zone

__all__ = [
    "ActionsConfig",
    "CameraConfig",
    "ClipsConfig",
    "Config",
    "ConfigError",
    "DetectConfig",
    "FightsConfig",
    "FiltersConfig",
    "HealthConfig",
    "HomeAssistantConfig",
    "LabelConfig",
    "LabelSettings",
    "LogConfig",
    "Mask",
    "MqttConfig",
    "PerformanceConfig",
    "PoseConfig",
    "ReconnectConfig",
    "Rule",
    "SnapshotsConfig",
    "StorageConfig",
    "Style",
    "TlsConfig",
    "TrackConfig",
    "Zone",
    "json_schema",
    "load_config",
    "load_section",
]
