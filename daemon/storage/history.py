"""Reads the history and what still waits, while the daemon runs or not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daemon.storage.errors import UNREADABLE, HistoryError
from daemon.storage.folder import database_path
from daemon.storage.schema import HISTORY_COLUMNS, connect_for_reading

__all__ = ["HistoryFilter", "Line", "read_history"]


_PAGE = 500


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which messages; None is all.

    Attributes:
        since: UTC epoch seconds of the first.
        until: UTC epoch seconds of the last.
        camera: name.
        rule: name, of alerts.
        kind: alerts, actions or events.
        item: id of an alert, an action or a track.
        after: number after which they come.
    """

    since: float | None = None
    until: float | None = None
    camera: str | None = None
    rule: str | None = None
    kind: str | None = None
    item: str | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A message of the history.

    Attributes:
        number: counts up with the messages.
        time: UTC epoch seconds when it was published.
        topic: where to.
        kind: alerts, actions or events.
        camera: name.
        payload: the message.
        waiting: whether the broker does not have it yet.
    """

    number: int
    time: float
    topic: str
    kind: str
    camera: str
    payload: dict[str, Any]
    waiting: bool


_CONDITIONS = {
    "since": "time >= ?",
    "until": "time <= ?",
    "camera": "camera = ?",
    "rule": "rule = ?",
    "kind": "kind = ?",
    "item": "item = ?",
    "after": "number > ?",
}


def read_history(folder: Path, wanted: HistoryFilter) -> Iterator[Line]:
    """What matches, in the order of publishing.

    Args:
        folder: the state directory.
        wanted: which messages.

    Raises:
        HistoryError: there is no database, or it cannot be read.
    """
    with closing(_open(folder)) as connection:
        while page := _page(connection, wanted):
            yield from page
            wanted = replace(wanted, after=page[-1].number)


def _page(connection: sqlite3.Connection, wanted: HistoryFilter) -> list[Line]:
    """The next messages: a short transaction, since a long one lets the daemon's log file grow."""
    conditions = {"kind IS NOT NULL": None} | {
        condition: value
        for name, condition in _CONDITIONS.items()
        if (value := getattr(wanted, name)) is not None
    }
    where = " AND ".join(conditions)
    values = [value for value in conditions.values() if value is not None]
    query = (
        f"SELECT {HISTORY_COLUMNS}, 0 FROM history WHERE {where} "
        f"UNION ALL SELECT {HISTORY_COLUMNS}, 1 FROM queue WHERE {where} ORDER BY number LIMIT {_PAGE}"
    )
    try:
        rows = connection.execute(query, values * 2).fetchall()
    except sqlite3.Error as error:
        raise HistoryError(f"the history cannot be read: {error}") from error
    return [
        Line(number, time, topic, kind, camera, json.loads(payload), bool(waiting))
        for number, time, topic, kind, camera, _rule, _item, _type, payload, waiting in rows
    ]


def _open(folder: Path) -> sqlite3.Connection:
    path = database_path(folder)
    if not path.is_file():
        raise HistoryError(
            f"no history in {folder}: start `posewatch run` once, or name its state directory with --state"
        )
    try:
        return connect_for_reading(path)
    except (*UNREADABLE, OSError) as error:
        raise HistoryError(f"{path} cannot be read: {error}") from error
