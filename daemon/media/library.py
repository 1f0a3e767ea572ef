"""The media of the whole daemon: one store, one recorder, and what each camera needs of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from daemon.config import ClipsConfig, Config, SnapshotsConfig
from daemon.media.alerts import AlertMedia, RulePolicy
from daemon.media.clips import ClipRecorder
from daemon.media.store import CLIPS, SNAPSHOTS, Limits, MediaStore
from daemon.topics import Topics

__all__ = ["MediaLibrary"]


class MediaLibrary:
    """Pictures and clips of every camera.

    Args:
        config: the configuration.
        topics: where pictures go.
        folder: the state directory; None keeps no files.
    """

    def __init__(self, config: Config, topics: Topics, folder: Path | None) -> None:
        self._config, self._topics = config, topics
        self._store = None if folder is None else MediaStore(folder, *_all_limits(config))
        self._recorder = None if self._store is None else ClipRecorder(self._store)

    def camera(self, name: str, rules: Mapping[str, RulePolicy] | None = None) -> AlertMedia:
        """What the pipeline of a camera takes; the same one may be given to its next pipeline.

        Args:
            name: of the camera.
            rules: what its rules have of their own, style of snapshots and whether there are clips; by
                default what the configuration says.
        """
        settings = self._config.cameras[name]
        if rules is None:
            rules = {rule: (one.snapshot, one.clip) for rule, one in settings.rules.items()}
        return AlertMedia(
            name, settings, self._topics, store=self._store, recorder=self._recorder, rules=rules
        )

    def following(self, config: Config, topics: Topics) -> MediaLibrary:
        """The same files and clips in progress for another configuration; limits change with `settle`."""
        following = MediaLibrary(config, topics, None)
        following._store, following._recorder = self._store, self._recorder
        return following

    def settle(self) -> None:
        """Goes by the limits of its configuration."""
        if self._store is not None:
            self._store.set_limits(*_all_limits(self._config))

    def prune(self, now: float) -> int:
        """Removes what is too old or too much at `now`, UTC epoch seconds; returns how many files."""
        return 0 if self._store is None else self._store.prune(now)

    def close(self, timeout: float = 5.0) -> None:
        """Finishes the clips that have begun, within about `timeout` seconds."""
        if self._recorder is not None:
            self._recorder.close(timeout)


def _all_limits(config: Config) -> tuple[dict[tuple[str, str], Limits], dict[str, Limits]]:
    limits = {}
    for name, camera in config.cameras.items():
        limits[SNAPSHOTS, name] = _limits(camera.snapshots)
        limits[CLIPS, name] = _limits(camera.clips)
    return limits, {SNAPSHOTS: _limits(config.snapshots), CLIPS: _limits(config.clips)}


def _limits(settings: SnapshotsConfig | ClipsConfig) -> Limits:
    return Limits(settings.keep, settings.max_size)
