"""The database of a state directory, whatever the disk does."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from daemon.patience import Patience
from daemon.storage.database import Database
from daemon.storage.errors import UNREADABLE, is_damage, plain_reason
from daemon.storage.salvage import Salvage, collect, move_aside
from daemon.storage.schema import checkpoint

__all__ = ["Disk", "Patiently", "StorageStatus"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_Error = (sqlite3.Error, OSError)
_ReadError = (*UNREADABLE, OSError)
_CHECKPOINT_COMMITS = 200
_CHECKPOINT_INTERVAL = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class StorageStatus:
    """How the disk does: `reason` is None while it does well; `since` in UTC epoch seconds."""

    reason: str | None
    since: float

    @property
    def state(self) -> str:
        """`ok` or `degraded`."""
        return "ok" if self.reason is None else "degraded"


class Patiently(Protocol):
    """See `Patience.call`."""

    def __call__(self, work: Callable[[], _T]) -> _T:
        """What `work` returns or raises; a TimeoutError where that takes too long."""
        ...


class Contents(Protocol):
    """Whose data it is."""

    def restore(self, database: Database, patiently: Patiently) -> None:
        """Takes in what a database holds that was just opened, and writes what it lacks.

        Args:
            database: it.
            patiently: does what the disk may take for ever for, and returns its result.

        Raises:
            sqlite3.Error: the disk does not take it.
            TimeoutError: it does not answer.
        """
        ...

    def rescue(self, found: Salvage) -> None:
        """Takes in what could be saved of a damaged database; `restore` of an empty one follows."""
        ...


class Disk:
    """Opens, reads and writes; never raises. After a failure it tries again now and then.

    A damaged file is put aside, and a new one is begun with what could be saved. Not for two threads at once.

    Args:
        path: the database.
        contents: whose data it is.
        retry: seconds between two attempts after a failure.
    """

    def __init__(self, path: Path, contents: Contents, retry: float) -> None:
        self._path, self._contents, self._retry = path, contents, retry
        self._work, self._checkpoints = Patience("disk"), Patience("checkpoint")
        self._database: Database | None = None
        self._retry_at = self._checkpoint_due = float("-inf")
        self._checkpointed = 0  # of the database's commits
        self.status = StorageStatus(None, time.time())
        self.generation = 0  # counts the files that were in use: each has its own numbers

    def open(self, *, now: bool = False) -> None:
        """Opens the database, at the start or again after a failure, where that is due (or `now`)."""
        is_open = self._database is not None and self.status.reason is None
        if is_open or not (now or time.monotonic() >= self._retry_at):
            return
        if self._work.is_busy:  # it hangs still
            return
        database: Database | None = None
        try:
            # A disk that fails takes half a minute for each attempt, and nobody may wait for that.
            database = self._work.call(partial(Database, self._path))
            self._contents.restore(database, self._work.call)
        except _ReadError as error:
            if is_damage(error):
                _close(database)
                self._begin_anew(error)
                return
            self._fail(error)
            if self._database is None:
                self._database = database  # a full or read-only disk can still be read
            else:
                _close(database)
        else:
            self._use(database)

    def write(self, work: Callable[[Database], _T], done: Callable[[_T], object] = lambda _: None) -> bool:
        """Does it on disk; False while the disk fails or hangs.

        Args:
            work: in another thread; where the disk hangs it may still come to its end, at any time.
            done: with what `work` returned; not after False.
        """
        for _ in range(2):  # once more with the new file where the old one was damaged
            database = self._database
            if database is None or self.status.reason is not None:
                return False
            try:
                result = self._work.call(partial(work, database))
            except _Error as error:
                self._mend(error)
            else:
                done(result)
                return True
        return False

    def read(self, work: Callable[[Database], _T], otherwise: _T) -> _T:
        """What `work` reads, also from a disk that takes nothing; `otherwise` where that fails."""
        if self._database is None:
            return otherwise
        try:
            return self._work.call(partial(work, self._database))
        except _ReadError as error:
            self._mend(error)
            return otherwise

    def check(self) -> None:
        """Makes the file anew where somebody removed it: SQLite would go on with one that nobody finds."""
        database = self._database
        if database is None or self.status.reason is not None:
            return
        if self.read(lambda one: one.is_in_place, True) or self._database is not database:
            return
        _log.error("database_removed path=%s", self._path)
        found = collect(database)
        self._replace(lambda: found)

    def checkpoint(self) -> None:
        """Keeps the write-ahead log short. Takes as long as the disk does: for a thread that may wait.

        Unlike everything else it may be called at any time, while other threads read and write.
        """
        database, now = self._database, time.monotonic()
        if database is None or self.status.reason is not None:
            return
        new = database.commits - self._checkpointed
        if new < 0 or new >= _CHECKPOINT_COMMITS or (new and now >= self._checkpoint_due):
            self._checkpointed, self._checkpoint_due = database.commits, now + _CHECKPOINT_INTERVAL
            with contextlib.suppress(*_Error):  # whatever it is, the next write finds it as well
                self._checkpoints.call(partial(checkpoint, self._path))

    def close(self) -> None:
        """Closes the database for good."""
        if not self._work.is_busy:
            _close(self._database)
        self._database, self._retry_at = None, float("inf")

    def _mend(self, error: Exception) -> None:
        if is_damage(error):
            self._begin_anew(error)
        else:
            self._fail(error)

    def _begin_anew(self, error: Exception) -> None:
        """Puts the file aside and goes on with a new one."""

        def set_aside() -> Salvage:
            aside, found = move_aside(self._path)
            saved = len(found.waiting)
            _log.error("database_damaged reason=%r kept_as=%s saved_messages=%d", str(error), aside, saved)
            return found

        self._replace(set_aside)

    def _replace(self, rescue: Callable[[], Salvage]) -> None:
        """Goes on with a new file, and what `rescue` saves of the old one."""
        _close(self._database)
        self._database, database = None, None
        try:
            found = rescue()
            self.generation += 1
            self._contents.rescue(found)
            database = self._work.call(partial(Database, self._path))
            self._contents.restore(database, self._work.call)
        except _ReadError as failure:
            _close(database)
            self._fail(failure)
        else:
            self._use(database)

    def _fail(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + self._retry
        reason = plain_reason(error)
        if reason != self.status.reason:
            self.status = StorageStatus(reason, time.time())
            _log.error("storage_degraded path=%s reason=%r", self._path, reason)

    def _use(self, database: Database) -> None:
        _close(self._database)
        self._database = database
        if self.status.reason is not None:
            seconds = time.time() - self.status.since
            self.status = StorageStatus(None, time.time())
            _log.warning("storage_recovered path=%s after_seconds=%.0f", self._path, seconds)


def _close(database: Database | None) -> None:
    try:
        if database is not None:
            database.close()
    except sqlite3.Error as error:
        _log.warning("database_not_closed error=%s", error)
