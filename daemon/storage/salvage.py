"""Moves a damaged database aside and takes along what can still be read."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from daemon.storage.database import Database, ItemKey
from daemon.storage.entries import Entry
from daemon.storage.errors import UNREADABLE

__all__ = ["Salvage", "collect", "move_aside"]

_SUFFIXES = ("", "-wal", "-shm")
_BATCH = 200
_SKIP = 10  # numbers: about as many rows as a page has
_PATIENCE = 2000  # attempts in a row at what cannot be read
_T = TypeVar("_T")


@dataclass(slots=True)
class Salvage:
    """What a damaged database still told.

    Attributes:
        waiting: messages of the queue, in order.
        open_items: what has begun and not ended.
        retained: retained topics.
        settings: everything that was set.
    """

    waiting: list[Entry] = field(default_factory=list)
    open_items: dict[ItemKey, Entry] = field(default_factory=dict)
    retained: set[str] = field(default_factory=set)
    settings: dict[str, str] = field(default_factory=dict)


def move_aside(path: Path) -> tuple[Path, Salvage]:
    """Renames the database and returns its new name and what could be read.

    One damaged file is kept, the newest: they hold history that must not outlive its time.

    Raises:
        OSError: it cannot be renamed.
    """
    found = _read(path)
    aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
    for old in path.parent.glob(f"{path.name}.damaged-*"):
        old.unlink(missing_ok=True)
    for suffix in _SUFFIXES:
        source = path.with_name(path.name + suffix)
        with contextlib.suppress(FileNotFoundError):
            source.rename(aside.with_name(aside.name + suffix))
    return aside, found


def collect(database: Database) -> Salvage:
    """What can be read of a database, damaged or not."""
    found = Salvage(_waiting(database))
    found.open_items = _attempt(database.open_items, {})
    found.retained = _attempt(database.retained_topics, set())
    found.settings = _attempt(database.settings, {})
    return found


def _read(path: Path) -> Salvage:
    try:
        database = Database(path)
    except (*UNREADABLE, OSError):
        return Salvage()
    found = collect(database)
    with contextlib.suppress(sqlite3.Error):
        database.close()
    return found


def _waiting(database: Database) -> list[Entry]:
    """The queue without the pages that cannot be read."""
    entries: list[Entry] = []
    end = _attempt(database.last_number, 0)
    first = _attempt(database.first_number, 0)
    last, limit, failures = first - 1 if 0 < first <= end else 0, _BATCH, 0
    while last < end:
        try:
            batch = database.waiting(last, limit)
        except UNREADABLE:
            if limit > 1:  # one by one up to what is bad
                limit = 1
                continue
            # Over the message, else over the page; in the end in leaps, for `end` may be damaged as well.
            last += 1 if not failures else _SKIP * 2 ** max(0, failures - _PATIENCE)
            failures += 1
        else:
            if not batch:
                break
            entries += batch
            last, limit, failures = batch[-1].number or end, _BATCH, 0
    return entries


def _attempt(read: Callable[[], _T], otherwise: _T) -> _T:
    try:
        return read()
    except UNREADABLE:
        return otherwise
