"""What differs between two configurations, as far as a running service is concerned."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from daemon.config import CameraConfig, Config
from daemon.model_files import model_files

__all__ = ["Changes", "compare"]

# What the stream has no part in. A setting that is not named here means a new stream: that is always right.
_PROCESSING = frozenset(
    {
        "publish_tracks", "zones", "masks", "privacy_masks", "filters", "detect", "track", "pose", "actions",
        "fights", "snapshots", "clips", "rules", "tamper",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Changes:
    """The way from one configuration to another.

    Attributes:
        added: cameras that are new.
        removed: cameras that are gone.
        reconnected: cameras that need a new stream.
        adjusted: cameras that keep their stream, with other rules, zones, models and the like.
        sections: top-level keys that differ.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    reconnected: tuple[str, ...]
    adjusted: tuple[str, ...]
    sections: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.sections or self.added or self.removed or self.reconnected or self.adjusted)


def compare(old: Config, new: Config, replaced: Set[str] = frozenset()) -> Changes:
    """What has to be done to get from `old` to `new`; comments and the order of keys are nothing.

    Args:
        old: what holds.
        new: what is to hold.
        replaced: model files that are others now, under the same name.
    """
    former, latter = old.cameras, new.cameras
    everything = old.mqtt.prefix != new.mqtt.prefix  # every camera has other topics then
    reconnected, adjusted = [], []
    for name, settings in latter.items():
        if name not in former:
            continue
        if _differs(former[name], settings, stream=True):
            reconnected.append(name)
        elif everything or _differs(former[name], settings, stream=False) or _takes(settings, replaced):
            adjusted.append(name)
    return Changes(
        added=tuple(name for name in latter if name not in former),
        removed=tuple(name for name in former if name not in latter),
        reconnected=tuple(reconnected),
        adjusted=tuple(adjusted),
        sections=tuple(name for name in type(new).model_fields if getattr(old, name) != getattr(new, name)),
    )


def _takes(settings: CameraConfig, files: Set[str]) -> bool:
    return bool(files) and any(path in files for _, path in model_files(settings))


def _differs(old: CameraConfig, new: CameraConfig, *, stream: bool) -> bool:
    names = [name for name in type(new).model_fields if (name not in _PROCESSING) is stream]
    return any(getattr(old, name) != getattr(new, name) for name in names)
