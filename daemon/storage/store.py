"""What the daemon must not forget, safe on disk: and in memory for as long as the disk fails."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from daemon.config.storage import StorageConfig
from daemon.messages import Message
from daemon.storage.backlog import Backlog
from daemon.storage.database import Database
from daemon.storage.disk import Disk, Patiently, StorageStatus
from daemon.storage.entries import Entry, Rank, entry_of
from daemon.storage.folder import database_path
from daemon.storage.losses import Losses
from daemon.storage.notes import ALIVE, Notes
from daemon.storage.salvage import Salvage

__all__ = ["Store"]

_log = logging.getLogger(__name__)
_RETRY = 5.0  # seconds between two attempts to return to the disk
_MEMORY = (10_000, 32_000_000)  # messages and bytes that are kept while the disk fails
_ALIVE_INTERVAL = 5.0  # seconds between two notes that what is open still is
_TIDY_INTERVAL = 60.0
_CLOCK_SET = 1_577_836_800.0  # 2020: an earlier time means that the clock was not set yet
_CHUNK = 500  # rows that are dropped at a time


class Store:
    """The queue to the broker, the history, what is open, and settings, in the state directory.

    Any number of threads may `append`; one thread takes, settles and releases. A disk that fails never
    raises: messages wait in memory, in their order, and go to the disk as soon as it takes them.

    Args:
        folder: the state directory; a `StateLock` is the caller's.
        settings: limits.
        retry: seconds between two attempts to return to a disk that failed.
        memory: most messages and most bytes that wait in memory meanwhile.
    """

    def __init__(
        self,
        folder: Path,
        settings: StorageConfig | None = None,
        *,
        retry: float = _RETRY,
        memory: tuple[int, int] = _MEMORY,
    ) -> None:
        self._limits = settings or StorageConfig()
        self._lock = threading.RLock()
        self._backlog = Backlog(*memory)
        # The queue on disk: rows, bytes, the last row, the last one handed out, and those that were delivered
        # while the disk did not take that down.
        self._count = self._bytes = self._last = self._cursor = 0
        self._settled: set[int] = set()
        self._ahead: set[int] = set()  # rows after the cursor that were handed out while the disk gave none
        self._losses = Losses()
        self._notes = Notes()
        self._alive_due = self._tidy_due = float("-inf")
        self._disk = Disk(database_path(folder), self, retry)
        self._disk.open()

    # ---- The queue ----

    @property
    def queued(self) -> int:
        """Messages that wait for the broker."""
        return self._count - len(self._settled) + len(self._backlog)

    @property
    def last_number(self) -> int:
        """Number of the newest message on disk."""
        return self._last

    @property
    def dropped(self) -> int:
        """Messages given up because too much waited, or for too long."""
        return self._losses.total

    @property
    def status(self) -> StorageStatus:
        """How the disk does."""
        return self._disk.status

    def append(self, messages: Iterable[Message], *, deliver: bool = True) -> None:
        """Puts messages into the queue, all or none; they are safe when this returns.

        Args:
            messages: in their order; where an alert is raised or cleared, all survive a power cut.
            deliver: False puts them into the history at once.
        """
        entries = []
        for message in messages:
            try:
                entries.append(entry_of(message))
            except ValueError as error:  # a number that is not finite: a bug elsewhere, which must not end us
                _log.error("message_dropped topic=%s error=%s", message.topic, error)
        if not entries:
            return

        def write(database: Database) -> list[int]:
            with database.transaction(durable=any(entry.is_decisive for entry in entries)):
                numbers = database.append(entries)
                database.note_open(entries, numbers)
                if not deliver:
                    database.settle(numbers)
            return numbers

        def done(numbers: list[int]) -> None:
            if deliver:
                self._number(entries, numbers)

        with self._lock:
            self._disk.open()
            if not self._disk.write(write, done) and deliver:
                self._losses.add(self._backlog.add(entries))
            self._notes.follow(entries)
            self._trim()

    def take(self, limit: int) -> list[Entry]:
        """The next messages in order, at most `limit`; nothing is handed out twice before `release`."""
        with self._lock:
            entries: list[Entry] = []
            if self._cursor < self._last:
                after, most = self._cursor, limit + len(self._settled) + len(self._ahead)
                unread: list[Entry] | None = None
                rows = self._disk.read(lambda one: one.waiting(after, most), unread)
                if rows is not None:
                    out = self._settled | self._ahead
                    entries = [row for row in rows if row.number not in out][:limit]
                    newest = (entries or rows)[-1].number if rows else None
                    self._cursor = self._last if newest is None else newest
                for entry in entries:
                    entry.generation = self._disk.generation
            return entries + self._backlog.take(limit - len(entries))

    def settle(self, entries: Sequence[Entry]) -> None:
        """Notes that the broker has these."""
        with self._lock:
            self._backlog.remove(entry for entry in entries if entry.number is None)
            rows = {
                entry.number: entry
                for entry in entries
                if entry.number is not None and entry.generation == self._disk.generation
            }
            if not rows:
                return

            def write(database: Database) -> bool:
                if self._disk.generation != generation:
                    return False
                with database.transaction():
                    database.settle(rows)
                return True

            def done(settled: bool) -> None:
                if settled:
                    self._discount(rows.values())

            generation = self._disk.generation
            if not self._disk.write(write, done):
                self._settled.update(rows)

    def release(self) -> None:
        """Hands out again, from the start, what was handed out and not settled."""
        with self._lock:
            self._cursor = 0
            self._ahead.clear()
            self._backlog.release()

    # ---- What is open ----

    @property
    def left_open(self) -> tuple[list[Entry], float]:
        """Last messages of what a former process left open, and when that process was last alive (UTC)."""
        with self._lock:
            return list(self._notes.left.values()), self._notes.left_at

    def open_items(self, camera: str) -> list[Entry]:
        """Last messages of what is open of a camera, by its level of topics."""
        with self._lock:
            items = list(self._notes.open_items.values())
        return [entry for entry in items if entry.report is not None and entry.report.camera == camera]

    def forget_left_open(self) -> None:
        """Takes what is still left open for ended."""
        with self._lock:
            for key in self._notes.left:
                self._notes.open_items.pop(key, None)
            self._notes.left.clear()
            self._change(lambda database: database.replace_open(self._notes.open_items))

    # ---- Retained topics and settings ----

    @property
    def retained_topics(self) -> frozenset[str]:
        """Topics that were ever published retained, by any process, and not forgotten."""
        return frozenset(self._notes.retained)

    def remember_retained(self, topics: Iterable[str]) -> None:
        """Notes retained topics, so that they can be cleared when nothing is published there any more."""
        with self._lock:
            if new := set(topics) - self._notes.retained:
                self._notes.retained |= new
                self._change(lambda database: database.change_retained(add=new))

    def forget_retained(self, topic: str) -> None:
        """Notes that a topic was cleared."""
        with self._lock:
            if topic in self._notes.retained:
                self._notes.retained.discard(topic)
                self._change(lambda database: database.change_retained(remove=[topic]))

    def get(self, name: str) -> str | None:
        """What was `set` under a name, by any process."""
        return self._notes.settings.get(name)

    def set(self, name: str, value: str) -> None:
        """Remembers a value; it survives a power cut."""
        with self._lock:
            self._notes.settings[name] = value
            self._change(lambda database: database.set({name: value}), durable=True)

    # ---- Housekeeping ----

    def set_limits(self, settings: StorageConfig) -> None:
        """Goes by other limits from now on; the folder stays."""
        self._limits = settings

    def tidy(self) -> None:
        """Returns to the disk, drops what has waited too long, forgets old history. Call it every second."""
        now = time.monotonic()
        self._disk.checkpoint()
        with self._lock:
            self._disk.open()
            self._disk.check()
            if self._notes.open_items and now >= self._alive_due:
                self._alive_due = now + _ALIVE_INTERVAL
                alive = {ALIVE: f"{time.time():.3f}"}
                self._notes.settings |= alive
                self._change(lambda database: database.set(alive))
            if now < self._tidy_due:
                return
            self._tidy_due = now + _TIDY_INTERVAL
            self._drop_expired()
        while self._forget_some_history():
            pass  # the lock is free in between: nobody waits for long

    def close(self) -> None:
        """Closes the database; what waits in it is sent after the next start."""
        with self._lock:
            self._disk.open(now=True)
            if len(self._backlog):
                _log.error("messages_lost count=%d reason=%r", len(self._backlog), self.status.reason)
            self._disk.close()

    # ---- Of the disk ----

    def restore(self, database: Database, patiently: Patiently) -> None:
        """See `Contents`."""
        (self._count, self._bytes, last), found = patiently(
            lambda: (database.totals(), self._notes.find(database))
        )
        if last < self._last:  # a new file: its numbers mean other messages
            self._settled.clear()
            self._ahead.clear()
            self._cursor = 0
        self._last = last
        if found is not None:
            self._notes.merge(found)
        waiting, settled, notes = self._backlog.entries, set(self._settled), self._notes.copy()

        def write() -> tuple[list[int], tuple[int, int, int]]:
            with database.transaction(durable=True):
                database.settle(settled)
                numbers = database.append(waiting)
                notes.save(database)
            return numbers, database.totals()

        numbers, totals = patiently(write)
        taken = self._backlog.taken
        self._number(waiting, numbers)
        # Not the cursor: older rows may wait that could not be read meanwhile.
        self._ahead.update(entry.number for entry in taken if entry.number is not None)
        self._backlog.clear()
        self._settled.clear()
        self._count, self._bytes, self._last = totals

    def rescue(self, found: Salvage) -> None:
        """See `Contents`."""
        waiting = [entry for entry in found.waiting if entry.number not in self._settled]
        for entry in waiting:
            entry.number = None
        self._backlog.put_first(waiting)
        self._settled.clear()
        self._ahead.clear()
        self._count = self._bytes = self._last = self._cursor = 0
        self._notes.merge(found)

    # ---- The caller holds the lock ----

    def _change(self, work: Callable[[Database], object], *, durable: bool = False) -> bool:
        def write(database: Database) -> None:
            with database.transaction(durable=durable):
                work(database)

        return self._disk.write(write)

    def _number(self, entries: Sequence[Entry], numbers: Sequence[int]) -> None:
        for entry, number in zip(entries, numbers, strict=True):
            entry.number, entry.generation = number, self._disk.generation
            self._last, self._count, self._bytes = number, self._count + 1, self._bytes + entry.size

    def _discount(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._count, self._bytes = self._count - 1, self._bytes - entry.size

    def _trim(self) -> None:
        limits = self._limits
        while self._count > limits.max_messages or self._bytes > limits.max_size:
            excess = max(1, min(self._count - limits.max_messages, _CHUNK))
            if not self._drop(self._least(excess)):
                return

    def _least(self, limit: int) -> list[Entry]:
        """The oldest of the lowest rank that there is, of what is not on its way."""
        for rank in Rank:
            read: Callable[[Database], list[Entry]] = partial(
                Database.oldest, rank=rank, after=self._cursor, limit=limit
            )
            if found := self._not_ahead(self._disk.read(read, [])):
                return found
        return []

    def _not_ahead(self, entries: list[Entry]) -> list[Entry]:
        return [entry for entry in entries if entry.number not in self._ahead]

    def _drop_expired(self) -> None:
        before = time.time() - self._limits.max_age
        while self._drop(
            self._not_ahead(
                self._disk.read(lambda one: one.expired(before, _CLOCK_SET, self._cursor, _CHUNK), [])
            )
        ):
            pass

    def _drop(self, entries: list[Entry]) -> bool:
        gone: list[int] = []
        if not entries or not self._change(lambda database: gone.append(database.drop(entries))):
            return False
        if gone[0] <= 0:  # a damaged file, which would give the same again
            return False
        self._discount(entries)
        self._losses.add(Counter(entry.rank for entry in entries))
        return True

    def _forget_some_history(self) -> bool:
        """Whether there may be more of it to forget."""
        gone: list[int] = []
        with self._lock:
            too_big = self._disk.read(lambda database: database.used_bytes(), 0) > self._limits.max_size
            before = float("inf") if too_big else time.time() - self._limits.history
            self._change(lambda database: gone.append(database.forget(before, _CLOCK_SET, _CHUNK)))
            self._disk.write(lambda database: database.shrink())
        return bool(gone and gone[0] > 0)
