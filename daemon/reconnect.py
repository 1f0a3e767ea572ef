"""How long to wait before the next attempt."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Waits that double from `minimum` to `maximum` seconds, each shortened by up to half at random.

    The jitter keeps many cameras behind one switch from coming back in the same instant.

    Args:
        minimum: first wait in seconds.
        maximum: longest wait in seconds.
        generator: source of the jitter.
    """

    def __init__(self, minimum: float, maximum: float, *, generator: random.Random | None = None) -> None:
        self._minimum, self._maximum = minimum, maximum
        self._random = generator or random.Random()
        self._next = minimum

    def next(self) -> float:
        """Seconds to wait now; the next wait is longer."""
        wait = self._next
        self._next = min(wait * 2.0, self._maximum)
        return wait * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Starts from `minimum` again."""
        self._next = self._minimum
