"""Reads the configuration again and prepares what it asks for, while everything goes on as it was.

Whatever can fail is done here, in a thread of its own: nothing of the running service is touched. What comes
out is either one line that says what is wrong, or everything that is needed to go on without a stop.
"""

from __future__ import annotations

import logging
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon import notify
from daemon.changes import Changes, compare
from daemon.channel import Channel, Successor
from daemon.config import Config, ConfigError, load_config
from daemon.engines import Engines
from daemon.errors import exit_status
from daemon.fight_reader import watches_fights
from daemon.masking import mask_url
from daemon.media import MediaLibrary
from daemon.model_trial import try_models
from daemon.providers import session_pool
from daemon.storage import state_folder
from daemon.topics import Topics

__all__ = ["LOADING", "Attempt", "Prepared", "RefusedError", "Running", "engines_for", "keep_used"]

_log = logging.getLogger(__name__)
READ_SECONDS = 10.0
"""Longest wait for the file, its secrets and their validation: a network disk may never answer."""

LOADING = 120.0
"""Seconds that systemd is asked for at the load of each set of models."""

_MAX_BYTES = 1_000_000
_MAX_ERROR = 2000  # characters of schemas/config.json


class RefusedError(Exception):
    """A configuration that cannot be gone on with; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class Running:
    """What runs now, as far as the next configuration needs it.

    Attributes:
        config: that holds.
        channels: by name.
        engines: the models of each worker.
        media: of all cameras.
        make_channel: makes a camera that is new.
        worker_count: number of workers for a configuration.
    """

    config: Config
    channels: dict[str, Channel]
    engines: list[Engines]
    media: MediaLibrary
    make_channel: Callable[[str, Config, Topics, MediaLibrary], Channel]
    worker_count: Callable[[Config], int]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that another configuration needs.

    Attributes:
        config: it.
        changes: what differs.
        topics: where messages go.
        media: of all cameras.
        engines: the models of each worker: those that run, with what is new, and more or fewer of them.
        added: new cameras by name.
        changed: what other cameras go on with, by name.
    """

    config: Config
    changes: Changes
    topics: Topics
    media: MediaLibrary
    engines: list[Engines]
    added: dict[str, Channel]
    changed: dict[str, Successor]


class Attempt:
    """One attempt to read and prepare a configuration; `is_over` tells when there is a result.

    Args:
        path: the file.
        running: what runs now.
        on_over: called in its thread at the end.
    """

    def __init__(self, path: Path, running: Running, on_over: Callable[[], None]) -> None:
        self._path, self._running, self._on_over = path, running, on_over
        self._began = time.monotonic()
        self._reading = True
        self.prepared: Prepared | None = None
        self._error: str | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)
        self._thread.start()

    @property
    def hangs(self) -> bool:
        """Whether the file does not answer."""
        return self._reading and time.monotonic() - self._began > READ_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether there is a result: `prepared`, or else `error`."""
        return self._done.is_set() or self.hangs

    @property
    def is_alive(self) -> bool:
        """Whether its thread goes on; one that hangs may for ever."""
        return self._thread.is_alive()

    @property
    def error(self) -> str:
        """Why there is nothing to go on with."""
        return self._error or self._silence

    @property
    def _silence(self) -> str:
        return f"{self._path}: cannot be read: no answer within {READ_SECONDS:g} s"

    def _run(self) -> None:
        try:
            config = read_config(self._path)
            if self.hangs:
                raise ConfigError([self._silence])  # nobody waits for it any more
            self._reading = False
            self.prepared = _prepare(config, self._running)
        except ConfigError as error:
            self._error = "; ".join(error.messages)
        except Exception as error:  # a model, a disk, a bug: the former configuration goes on in any case
            if not isinstance(error, (RefusedError, OSError)) and exit_status(error) is None:
                _log.exception("reload_failed")
            self._error = f"{self._path}: {str(error) or type(error).__name__}"
        finally:
            if self._error is not None:
                self._error = mask_url(" ".join(self._error.split()))[:_MAX_ERROR]
            self._done.set()
            self._on_over()


def read_config(path: Path) -> Config:
    """Reads a file that may be anything by now.

    Raises:
        ConfigError: it is no file, too large, or not valid.
    """
    try:
        found = path.stat()
    except OSError:
        return load_config(path)  # says it best
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError([f"{path}: is no plain file: it cannot be read again"])
    if found.st_size > _MAX_BYTES:
        raise ConfigError([f"{path}: has {found.st_size} bytes: that is no configuration"])
    return load_config(path)


def engines_for(config: Config, engines: list[Engines], count: int) -> list[Engines]:
    """So many sets of models with everything that the configuration needs, the given ones first.

    Raises:
        ModelError: a model file is missing or damaged, or a backend is not installed.
    """
    former = engines[0].sessions if engines else None
    sessions = session_pool(config.performance, former)
    kept = engines if sessions is former else []  # what runs the models of one worker runs those of all
    found = [*kept, *(Engines(sessions) for _ in range(count - len(kept)))][:count]
    for engine in found:
        notify.extend_timeout(LOADING)
        for settings in config.cameras.values():
            engine.load(settings, fights=watches_fights(settings))
    return found


def keep_used(engines: list[Engines], config: Config) -> None:
    """Lets go of the models that a configuration does not need."""
    used = [(settings, watches_fights(settings)) for settings in config.cameras.values()]
    for engine in engines:
        engine.keep(used)


def _prepare(config: Config, running: Running) -> Prepared:
    if state_folder(config.storage) != state_folder(running.config.storage):
        raise RefusedError(
            "storage.path: needs a restart (systemctl restart posewatch): messages wait in the present folder"
        )
    replaced = running.engines[0].replaced_files()
    changes, topics = compare(running.config, config, replaced), Topics(config.mqtt.prefix)
    notify.extend_timeout(LOADING)
    try_models(config.cameras[name] for name in (*changes.added, *changes.reconnected, *changes.adjusted))
    # Every worker anew: two of them must never go by different models of one name.
    engines = engines_for(config, [] if replaced else running.engines, running.worker_count(config))
    media = running.media.following(config, topics)
    added = {name: running.make_channel(name, config, topics, media) for name in changes.added}
    changed = {
        name: running.channels[name].prepare(
            config.cameras[name], topics, media.camera(name), new_stream=name in changes.reconnected
        )
        for name in (*changes.reconnected, *changes.adjusted)
    }
    return Prepared(config, changes, topics, media, engines, added, changed)
