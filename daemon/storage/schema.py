"""The tables of the database, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["HISTORY_COLUMNS", "checkpoint", "connect", "connect_for_reading"]

_VERSION = 1
_BUSY_TIMEOUT = 2.0  # seconds to wait for another program that writes; only people's tools do
_MOST_WAL_PAGES = 8000
HISTORY_COLUMNS = "number, time, topic, kind, camera, rule, item, type, payload"
_REPORT = """
    number INTEGER PRIMARY KEY{auto},
    time REAL NOT NULL,
    topic TEXT NOT NULL,
    kind TEXT, camera TEXT, rule TEXT, item TEXT, type TEXT,
    payload BLOB NOT NULL"""
_TABLES = f"""
CREATE TABLE queue ({_REPORT.format(auto=" AUTOINCREMENT")},
    rank INTEGER NOT NULL
);
CREATE INDEX queue_by_rank ON queue (rank, number);
CREATE TABLE history ({_REPORT.format(auto="")}
);
CREATE TABLE open_items (
    kind TEXT NOT NULL, item TEXT NOT NULL,
    number INTEGER NOT NULL, time REAL NOT NULL,
    topic TEXT NOT NULL, camera TEXT NOT NULL, rule TEXT, type TEXT NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (kind, item)
) WITHOUT ROWID;
CREATE TABLE retained_topics (topic TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
"""


def connect(path: Path) -> sqlite3.Connection:
    """Opens the database to write, and makes it where there is none.

    A database on a read-only disk opens, too, and can be read.

    Raises:
        sqlite3.Error: it cannot be opened, or is damaged.
        OSError: it cannot be made.
    """
    if not path.exists() or not path.stat().st_size:
        _make(path)
    try:
        return _prepared(_open(f"{path.absolute().as_uri()}?mode=rw"), writable=True)
    except sqlite3.OperationalError:
        # WAL needs a file beside the database, even to read; without one it has to be taken as it is.
        if os.access(path, os.W_OK):
            raise
        return _prepared(_open(f"{path.absolute().as_uri()}?immutable=1"), writable=False)


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """Opens the database of a daemon that may be running, to read only.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    try:
        return _prepared(_open(f"{path.absolute().as_uri()}?mode=ro"), writable=False)
    except sqlite3.OperationalError:
        if path.with_name(path.name + "-wal").exists():
            raise
        return _prepared(_open(f"{path.absolute().as_uri()}?immutable=1"), writable=False)


def checkpoint(path: Path) -> None:
    """Brings what the write-ahead log holds into the database itself; others read and write meanwhile.

    Raises:
        sqlite3.Error: the disk does not take it.
    """
    with closing(_open(f"{path.absolute().as_uri()}?mode=rw")) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _make(path: Path) -> None:
    """Makes an empty database; whoever looks finds a whole one or none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    for leftover in (fresh, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))  # -wal, -shm follow it
    with closing(_open(f"{fresh.absolute().as_uri()}?mode=rw")) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
    fresh.replace(path)


def _open(uri: str) -> sqlite3.Connection:
    # Transactions are begun by hand: Python's own would begin one before every change, and none before reads.
    return sqlite3.connect(
        uri, uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
    )


def _prepared(connection: sqlite3.Connection, *, writable: bool) -> sqlite3.Connection:
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if writable:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            # Checkpoints, which wait for the disk, are made by `checkpoint`; this is for when nobody does.
            connection.execute(f"PRAGMA wal_autocheckpoint = {_MOST_WAL_PAGES}")
            connection.execute("PRAGMA journal_size_limit = 8000000")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA secure_delete = ON")  # pictures must not outlive their files
        if version > _VERSION:
            raise sqlite3.DatabaseError(f"made by a newer version of posewatch ({version})")
        connection.execute("SELECT COUNT(*) FROM open_items").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection
