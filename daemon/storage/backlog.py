"""Messages that wait in memory while the disk does not take them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from daemon.storage.entries import Entry, Rank

__all__ = ["Backlog"]


class Backlog:
    """A queue that is bounded by count and bytes; the oldest of the lowest rank goes first.

    Args:
        max_messages: most entries.
        max_bytes: most bytes.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages, self._max_bytes = max_messages, max_bytes
        # Dictionaries, since they keep the order and let go of any entry at once.
        self._taken: dict[Entry, None] = {}  # on their way; older than those that wait
        self._idle: dict[Entry, None] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._taken) + len(self._idle)

    @property
    def entries(self) -> list[Entry]:
        """Everything that waits, in order."""
        return [*self._taken, *self._idle]

    @property
    def taken(self) -> list[Entry]:
        """Those that are on their way."""
        return list(self._taken)

    def add(self, entries: Iterable[Entry]) -> Counter[Rank]:
        """Adds to the end; returns how many of each rank were dropped for it."""
        dropped: Counter[Rank] = Counter()
        for entry in entries:
            self._idle[entry] = None
            self._bytes += entry.size
        while self._idle and (len(self) > self._max_messages or self._bytes > self._max_bytes):
            oldest = min(self._idle, key=lambda entry: entry.rank)
            self.remove([oldest])
            dropped[oldest.rank] += 1
        return dropped

    def put_first(self, entries: Iterable[Entry]) -> None:
        """Adds older entries before all others, whatever their number."""
        older = dict.fromkeys(entries)
        self._bytes += sum(entry.size for entry in older)
        self._idle = {**older, **self._taken, **self._idle}
        self._taken = {}

    def take(self, limit: int) -> list[Entry]:
        """The next entries that are not on their way yet."""
        chosen = list(islice(self._idle, limit))
        for entry in chosen:
            del self._idle[entry]
            self._taken[entry] = None
        return chosen

    def release(self) -> None:
        """Nothing is on its way any more."""
        self._idle = {**self._taken, **self._idle}
        self._taken = {}

    def remove(self, entries: Iterable[Entry]) -> None:
        """Takes entries out; those that are not in it are left alone."""
        for entry in entries:
            for part in (self._taken, self._idle):
                if entry in part:
                    del part[entry]
                    self._bytes -= entry.size

    def clear(self) -> None:
        """Forgets everything."""
        self._taken, self._idle, self._bytes = {}, {}, 0
