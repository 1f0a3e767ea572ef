"""Where the state directory is, and that one daemon only uses it."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from daemon.config.storage import StorageConfig
from daemon.storage.errors import StateInUseError

__all__ = ["StateLock", "database_path", "state_folder"]

_log = logging.getLogger(__name__)


def state_folder(settings: StorageConfig, environment: Mapping[str, str] | None = None) -> Path:
    """The state directory: as configured, else systemd's (the first), else in the user's home."""
    environment = os.environ if environment is None else environment
    if settings.path is not None:
        return settings.path
    if given := environment.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(given)
    if given := environment.get("XDG_STATE_HOME", ""):
        return Path(given) / "posewatch"
    return Path("~/.local/state/posewatch").expanduser()


def database_path(folder: Path) -> Path:
    """The database of a state directory."""
    return folder / "posewatch.db"


class StateLock:
    """Holds a state directory for this process; makes it where it is missing.

    The folder itself is locked (flock), so that this works on a full or read-only disk, and no file is left.

    Args:
        folder: the state directory.

    Raises:
        StateInUseError: another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor: int | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            _log.error("state_directory_unusable path=%s reason=%r", folder, error.strerror)
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise StateInUseError(
                f"{folder} is in use by another posewatch: stop it, or give each its own storage.path"
            ) from None
        except OSError as error:  # file systems without locks
            _log.warning("state_directory_not_locked path=%s reason=%r", folder, error.strerror)

    def release(self) -> None:
        """Lets others have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
