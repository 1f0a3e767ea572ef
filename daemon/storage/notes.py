"""What is remembered besides messages: what is open, retained topics, settings."""

from __future__ import annotations

from collections.abc import Iterable

from daemon.storage.database import Database, ItemKey
from daemon.storage.entries import Entry
from daemon.storage.salvage import Salvage

__all__ = ["ALIVE", "Notes"]

ALIVE = "alive_at"
"""Setting: when the process that wrote it was last alive, UTC epoch seconds."""


class Notes:
    """What the database should hold, whether or not the disk takes it now.

    Attributes:
        open_items: last messages of what has begun and not ended.
        left: those of them that a former process left open.
        left_at: when that process was last alive, UTC epoch seconds.
        retained: topics that were published retained.
        settings: by name.
    """

    def __init__(self) -> None:
        self.open_items: dict[ItemKey, Entry] = {}
        self.left: dict[ItemKey, Entry] = {}
        self.left_at = 0.0
        self.retained: set[str] = set()
        self.settings: dict[str, str] = {}
        self._loaded = False

    def find(self, database: Database) -> Salvage | None:
        """What former processes left there, for `merge`; None where that is known."""
        if self._loaded:
            return None
        return Salvage([], database.open_items(), database.retained_topics(), database.settings())

    def copy(self) -> Notes:
        """The same, which stays as it is."""
        copy = Notes()
        copy.open_items, copy.left, copy.left_at = dict(self.open_items), dict(self.left), self.left_at
        copy.retained, copy.settings, copy._loaded = set(self.retained), dict(self.settings), self._loaded
        return copy

    def merge(self, found: Salvage) -> None:
        """Takes in what former processes left, once; what this one did meanwhile is newer."""
        if self._loaded:
            return
        self._loaded = True
        self.left = {key: entry for key, entry in found.open_items.items() if key not in self.open_items}
        self.open_items = {**self.left, **self.open_items}
        self.retained |= found.retained
        self.settings = {**found.settings, **self.settings}
        try:
            self.left_at = float(found.settings.get(ALIVE, "0"))
        except ValueError:
            self.left_at = 0.0  # of a damaged database

    def save(self, database: Database) -> None:
        """Writes everything, in a transaction of the caller."""
        database.replace_open(self.open_items)
        database.change_retained(add=self.retained, remove=database.retained_topics() - self.retained)
        database.set(self.settings)

    def follow(self, entries: Iterable[Entry]) -> None:
        """Notes what begins and ends."""
        for entry in entries:
            report = entry.report
            if report is None:
                continue
            key = (report.kind, report.item)
            self.left.pop(key, None)
            if report.ends:
                self.open_items.pop(key, None)
            elif report.opens:
                self.open_items[key] = entry
