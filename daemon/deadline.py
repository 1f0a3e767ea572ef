"""One limit of time that several steps share."""

from __future__ import annotations

import time

__all__ = ["Deadline"]


class Deadline:
    """A moment by which everything has to be done.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left(self, most: float = float("inf"), *, keep: float = 0.0) -> float:
        """Seconds that a step may take.

        Args:
            most: of them.
            keep: what the steps after it need.
        """
        return max(0.0, min(most, self._until - keep - time.monotonic()))
