"""What is read from and written to the database; every error is the caller's."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from daemon.storage.entries import KINDS, Entry, Rank, Report
from daemon.storage.schema import HISTORY_COLUMNS, connect

__all__ = ["Database", "ItemKey"]

ItemKey: TypeAlias = tuple[str, str]
"""Kind and id of something that is open."""

_REPORT = "time, topic, kind, camera, rule, item, type, payload"


class Database:
    """The tables of one state directory. Not for two threads at a time.

    Attributes:
        commits: transactions so far.

    Args:
        path: the file; made where it is missing.

    Raises:
        sqlite3.Error: the file cannot be opened, or is damaged.
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect(path)
        self._file = path.stat().st_ino
        self._full_sync = False
        self.commits = 0

    @property
    def is_in_place(self) -> bool:
        """Whether the file is still where it was opened."""
        try:
            return self._path.stat().st_ino == self._file
        except OSError:
            return False

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[None]:
        """All or nothing. A durable one is on the disk, power cut or not, when the block has ended."""
        run = self._connection.execute
        if durable != self._full_sync:
            run(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._full_sync = durable
        run("BEGIN IMMEDIATE")
        try:
            yield
            run("COMMIT")
            self.commits += 1
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    # ---- The queue ----

    def append(self, entries: Iterable[Entry]) -> list[int]:
        """Adds to the end of the queue, in a transaction of the caller; returns the numbers."""
        numbers = []
        for entry in entries:
            cursor = self._connection.execute(
                f"INSERT INTO queue ({_REPORT}, rank) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*_columns(entry), int(entry.rank)),
            )
            numbers.append(int(cursor.lastrowid or 0))
        return numbers

    def waiting(self, after: int, limit: int) -> list[Entry]:
        """The first entries with a greater number than `after`."""
        rows = self._connection.execute(
            f"SELECT number, {_REPORT}, rank FROM queue WHERE number > ? ORDER BY number LIMIT ?",
            (after, limit),
        ).fetchall()
        numbers = [after, *(row[0] for row in rows)]
        if any(one >= other for one, other in pairwise(numbers)):
            raise ValueError("the order of messages is damaged")
        return [_entry(row) for row in rows]

    def first_number(self) -> int:
        """Number of the oldest message in the queue; 0 where there is none."""
        return int(self._connection.execute("SELECT COALESCE(MIN(number), 0) FROM queue").fetchone()[0])

    def totals(self) -> tuple[int, int, int]:
        """Messages in the queue, their bytes, and the greatest number ever given."""
        count, size = self._connection.execute(
            "SELECT COUNT(*), COALESCE(SUM(LENGTH(payload) + LENGTH(topic) + 150), 0) FROM queue"
        ).fetchone()
        return int(count), int(size), self.last_number()

    def last_number(self) -> int:
        """The greatest number ever given to a message; 0 before the first."""
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'queue'").fetchone()
        return int(row[0]) if row else 0

    def settle(self, numbers: Iterable[int]) -> None:
        """Takes what was delivered out of the queue, in a transaction of the caller.

        Reports go to the history, updates and images nowhere.
        """
        for number in numbers:
            self._connection.execute(
                f"INSERT INTO history (number, {_REPORT}) SELECT number, {_REPORT} FROM queue "
                "WHERE number = ? AND kind IS NOT NULL AND rank > 0",
                (number,),
            )
            self._connection.execute("DELETE FROM queue WHERE number = ?", (number,))

    def oldest(self, rank: Rank, after: int, limit: int) -> list[Entry]:
        """The oldest waiting entries of a rank with a greater number than `after`."""
        rows = self._connection.execute(
            f"SELECT number, {_REPORT}, rank FROM queue WHERE rank = ? AND number > ? "
            "ORDER BY number LIMIT ?",
            (int(rank), after, limit),
        )
        return [_entry(row) for row in rows]

    def expired(self, before: float, since: float, after: int, limit: int) -> list[Entry]:
        """Waiting entries from the time `since` to `before` with a greater number than `after`."""
        rows = self._connection.execute(
            f"SELECT number, {_REPORT}, rank FROM queue WHERE time >= ? AND time < ? AND number > ? LIMIT ?",
            (since, before, after, limit),
        )
        return [_entry(row) for row in rows]

    def drop(self, entries: Iterable[Entry]) -> int:
        """Takes entries out of the queue for good, in a transaction of the caller; returns how many."""
        return self._connection.executemany(
            "DELETE FROM queue WHERE number = ?", [(entry.number,) for entry in entries]
        ).rowcount

    # ---- The history ----

    def forget(self, before: float, since: float, limit: int) -> int:
        """Removes some of the oldest history from before a time, in a transaction of the caller.

        Args:
            before: UTC epoch seconds.
            since: earlier times are those of a clock that was not set: such a message is as old as the next.
            limit: most rows.

        Returns:
            How many rows; 0 or less where nothing is left.
        """
        rows = self._connection.execute(
            "SELECT number, time FROM history ORDER BY number LIMIT ?", (limit,)
        ).fetchall()
        query = "SELECT time FROM history WHERE number > ? AND time >= ? ORDER BY number LIMIT 1"
        after = self._connection.execute(query, (rows[-1][0], since)).fetchone() if rows else None
        old, newer = [], after[0] if after else sys.float_info.max
        for number, time in reversed(rows):
            known = isinstance(time, (int, float))  # else it is damaged
            newer = time if known and time >= since else newer
            if newer < before or not known:
                old.append((number,))
        # Not how many were found: what a damaged file does not let go of would be found for ever.
        return self._connection.executemany("DELETE FROM history WHERE number = ?", old).rowcount

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        values = [
            int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        ]
        return (values[0] - values[1]) * values[2]

    def shrink(self) -> None:
        """Gives pages that hold nothing back to the disk."""
        self._connection.execute("PRAGMA incremental_vacuum(256)").fetchall()

    # ---- What is open ----

    def open_items(self) -> dict[ItemKey, Entry]:
        """The last message of everything that has begun and not ended, oldest first."""
        rows = self._connection.execute(
            "SELECT number, time, topic, kind, camera, rule, item, type, payload, 1 "
            "FROM open_items ORDER BY number, item"
        )
        return {(row[3], row[6]): _entry(row) for row in rows}

    def note_open(self, entries: Iterable[Entry], numbers: Sequence[int]) -> None:
        """Follows what begins and ends, in a transaction of the caller."""
        for entry, number in zip(entries, numbers, strict=True):
            report = entry.report
            if report is None:
                continue
            if report.ends:
                self._connection.execute(
                    "DELETE FROM open_items WHERE kind = ? AND item = ?", (report.kind, report.item)
                )
            elif report.opens:
                self._put_open(entry, number)

    def replace_open(self, items: Mapping[ItemKey, Entry]) -> None:
        """Sets what is open, in a transaction of the caller."""
        self._connection.execute("DELETE FROM open_items")
        for number, entry in enumerate(items.values()):
            if entry.report is not None:
                self._put_open(entry, number)

    def _put_open(self, entry: Entry, number: int) -> None:
        self._connection.execute(
            f"REPLACE INTO open_items ({HISTORY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (number, *_columns(entry)),
        )

    # ---- Retained topics and settings ----

    def retained_topics(self) -> set[str]:
        """Topics that were ever published retained and not cleared."""
        rows = self._connection.execute("SELECT topic FROM retained_topics")
        return {topic for (topic,) in rows if isinstance(topic, str)}

    def change_retained(self, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Remembers and forgets retained topics, in a transaction of the caller."""
        run = self._connection.executemany
        run("INSERT OR IGNORE INTO retained_topics VALUES (?)", [(topic,) for topic in add])
        run("DELETE FROM retained_topics WHERE topic = ?", [(topic,) for topic in remove])

    def settings(self) -> dict[str, str]:
        """Everything that was `set`."""
        rows = self._connection.execute("SELECT name, value FROM settings")
        return {name: value for name, value in rows if isinstance(name, str) and isinstance(value, str)}

    def set(self, values: Mapping[str, str]) -> None:
        """Remembers values under their names, in a transaction of the caller."""
        self._connection.executemany("REPLACE INTO settings VALUES (?, ?)", list(values.items()))


def _entry(row: tuple[Any, ...]) -> Entry:
    """The message of a row.

    Raises:
        ValueError: a damaged one.
    """
    number, time, topic, kind, camera, rule, item, type_, payload, rank = row
    texts = (topic,) if kind is None else (topic, camera, item, type_)
    whole = isinstance(time, (int, float)) and isinstance(payload, bytes) and kind in (None, *KINDS)
    if not whole or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"message {number} is damaged")
    report = None if kind is None else Report(kind, camera, item, type_, rule)
    return Entry(topic, payload, Rank(rank), time, report, number)


def _columns(entry: Entry) -> tuple[Any, ...]:
    report = entry.report
    named = (
        (None,) * 5 if report is None else (report.kind, report.camera, report.rule, report.item, report.type)
    )
    return (entry.time, entry.topic, *named, entry.payload)
