"""What had to be given up, counted and said."""

from __future__ import annotations

import logging
from collections import Counter

from daemon.storage.entries import Rank

__all__ = ["Losses"]

_log = logging.getLogger(__name__)
_EVERY = 1000  # lost messages between two lines after the first


class Losses:
    """Counts messages that were dropped because too much waited, or for too long."""

    def __init__(self) -> None:
        self._by_rank: Counter[Rank] = Counter()
        self._logged = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self._by_rank.values())

    def add(self, dropped: Counter[Rank]) -> None:
        """Counts some more; the first one and every thousandth is logged."""
        self._by_rank += dropped
        if self.total and (not self._logged or self.total >= self._logged + _EVERY):
            self._logged = self.total
            counts = tuple(self._by_rank[rank] for rank in Rank)
            _log.warning("queue_full updates_and_images=%d starts_and_ends=%d alerts=%d", *counts)
