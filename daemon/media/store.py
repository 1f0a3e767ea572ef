"""Where pictures and clips are kept: folders, names, permissions, and what goes when there is too much.

    <state directory>/snapshots/<camera>/<alert id>.jpg
    <state directory>/clips/<camera>/<alert id>.mp4

Only names of this form are ever looked at, so nothing else in these folders is removed. A file appears under
its name when it is whole; `.NAME.part` is one that is being written, or what a crash has left of it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from daemon.media.complaints import Complaints
from daemon.patience import Patience

__all__ = ["CLIPS", "SNAPSHOTS", "Limits", "MediaStore"]

SNAPSHOTS, CLIPS = "snapshots", "clips"
_SUFFIXES = {SNAPSHOTS: ".jpg", CLIPS: ".mp4"}
_PART = ".part"
_CLOCK_SET = 1_577_836_800.0  # 2020: an earlier time means that the clock was not set yet
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, and how much of one camera and kind.

    Attributes:
        keep: seconds.
        max_size: bytes.
    """

    keep: float
    max_size: int


@dataclass(slots=True)
class _Shelf:
    """Files of one kind and camera, oldest first: time of change in epoch seconds, bytes, name."""

    files: deque[tuple[float, int, str]] = field(default_factory=deque)
    size: int = 0


class MediaStore:
    """Files of the state directory. Never raises for a disk that is full or read-only: says so in the log.

    What is there is read once, when it is made; from then on it is known without asking the disk. May be used
    by several threads.

    Args:
        folder: the state directory; made where it is missing.
        limits: by kind and camera.
        default: by kind, for cameras that are not in `limits` (any more).
    """

    def __init__(
        self,
        folder: Path,
        limits: Mapping[tuple[str, str], Limits],
        default: Mapping[str, Limits],
    ) -> None:
        self._folder, self._limits, self._default = folder, dict(limits), dict(default)
        self._lock = threading.Lock()
        self._shelves: dict[tuple[str, str], _Shelf] = {}
        self._complaints = Complaints(_log)
        self._writes, self._removals = Patience("pictures"), Patience("removals")
        self._writing = threading.Lock()  # one write at a time
        self._look()

    def write_snapshot(self, camera: str, alert: str, jpeg: bytes) -> str | None:
        """Keeps a picture.

        Returns:
            Its path from the state directory, or None where it could not be written.
        """
        try:
            with self._writing:
                path = self._writes.call(partial(self._write_snapshot, camera, alert, jpeg))
        except OSError as error:
            self._complaints.say("snapshot_not_kept", camera, error)
            return None
        return self._name(path)

    def _write_snapshot(self, camera: str, alert: str, jpeg: bytes) -> Path:
        path = self._prepare(SNAPSHOTS, camera, alert)
        temporary = path.with_name(f".{path.name}{_PART}")
        try:
            _write(temporary, jpeg)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        self._add(SNAPSHOTS, camera, path)
        return path

    def clip_path(self, camera: str, alert: str) -> Path | None:
        """Where a clip is to be written (with `VideoWriter`); None where that cannot be."""
        try:
            with self._writing:
                return self._writes.call(partial(self._prepare, CLIPS, camera, alert))
        except OSError as error:
            self._complaints.say("clip_not_kept", camera, error)
            return None

    def clip_written(self, camera: str, path: Path) -> None:
        """Counts a clip that is whole."""
        self._add(CLIPS, camera, path)

    def clip_name(self, path: Path) -> str:
        """A clip's path from the state directory."""
        return self._name(path)

    def set_limits(self, limits: Mapping[tuple[str, str], Limits], default: Mapping[str, Limits]) -> None:
        """Goes by other limits from now on."""
        with self._lock:
            self._limits, self._default = dict(limits), dict(default)

    def prune(self, now: float) -> int:
        """Removes what is too old or too much; costs next to nothing where nothing is.

        Args:
            now: UTC epoch seconds.

        Returns:
            How many files were removed.
        """
        try:
            return self._removals.call(partial(self._prune_all, now))
        except TimeoutError as error:
            self._complaints.say("files_not_removed", "-", error)
            return 0

    def _prune_all(self, now: float) -> int:
        with self._lock:
            return sum(self._prune(key, now) for key in list(self._shelves))

    def _prune(self, key: tuple[str, str], now: float | None) -> int:
        kind, camera = key
        shelf, limits = self._shelves[key], self._limits.get(key, self._default[kind])
        removed = 0
        while shelf.files:
            changed, size, name = shelf.files[0]
            path = self._folder / kind / camera / name
            if now is not None and changed < _CLOCK_SET <= now:
                # Made before the clock was set, moments ago maybe: its time begins now.
                with contextlib.suppress(OSError):
                    os.utime(path, (now, now))
                shelf.files.popleft()
                shelf.files.append((now, size, name))
                continue
            too_old = now is not None and changed < now - limits.keep
            too_much = shelf.size > limits.max_size and len(shelf.files) > 1
            if not (too_old or too_much):
                break
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self._complaints.say("file_not_removed", camera, error)
                break
            shelf.files.popleft()
            shelf.size -= size
            removed += 1
        if not shelf.files:
            del self._shelves[key]
        return removed

    def _prepare(self, kind: str, camera: str, alert: str) -> Path:
        if not _is_plain(camera) or not _is_plain(alert):
            raise ValueError(f"no name for a file: {camera!r}, {alert!r}")
        folder = self._folder / kind / camera
        for part in (self._folder, folder.parent, folder):
            part.mkdir(mode=_FOLDER_MODE, parents=part == self._folder, exist_ok=True)
        return folder / f"{alert}{_SUFFIXES[kind]}"

    def _add(self, kind: str, camera: str, path: Path) -> None:
        try:
            status = path.stat()
        except OSError:
            return  # somebody has taken it away
        with self._lock:
            shelf = self._shelves.setdefault((kind, camera), _Shelf())
            shelf.files.append((status.st_mtime, status.st_size, path.name))
            shelf.size += status.st_size
            self._prune((kind, camera), None)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _look(self) -> None:
        """Learns what is there, and removes what a crash has left half written."""
        for kind, suffix in _SUFFIXES.items():
            for camera in _folders(self._folder / kind):
                found = []
                for entry in _files(self._folder / kind / camera):
                    if entry.name.startswith(".") and entry.name.endswith(_PART):
                        with contextlib.suppress(OSError):
                            Path(entry.path).unlink()
                        continue
                    if entry.name.endswith(suffix) and _is_plain(entry.name.removesuffix(suffix)):
                        status = entry.stat(follow_symlinks=False)
                        found.append((status.st_mtime, status.st_size, entry.name))
                if found:
                    size = sum(one[1] for one in found)
                    self._shelves[kind, camera] = _Shelf(deque(sorted(found)), size)
                else:  # of a camera that is no more
                    with contextlib.suppress(OSError):
                        (self._folder / kind / camera).rmdir()


def _is_plain(name: str) -> bool:
    """Whether it is the name of a file, in no other folder and not hidden."""
    return bool(name) and not name.startswith(".") and not {"/", "\0"} & set(name)


def _write(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    with os.fdopen(number, "wb") as file:
        file.write(data)


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _files(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)]
    except OSError:
        return []
