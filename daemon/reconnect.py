"""How long to wait before the next attempt."""

from __future__ import annotations

import random

from daemon.source_types import Reason

__all__ = ["Backoff", "Patience"]

# Seconds after the first refusals in a row: a camera that starts refuses everybody for a minute, and cameras
# lock an account after five to ten attempts.
_FIRST_REFUSALS = (0.0, 10.0, 30.0, 60.0)
_STABLE_SECONDS = 5.0  # a stream that lasted this long makes the next wait short again


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


class Patience:
    """How long a camera is left alone after each kind of failure.

    A refused password is tried a few times in two minutes: a camera that starts may refuse the right one.
    Then seldom: many cameras lock the account of who tries too often, and count on while it is locked.

    Args:
        backoff: waits after every other failure.
        refused: seconds between two attempts with a password that was refused again and again.
    """

    def __init__(self, backoff: Backoff, refused: float) -> None:
        self._backoff, self._refused = backoff, refused
        self._refusals = 0

    def after(self, reason: Reason, streamed: float = 0.0) -> float:
        """Seconds to wait after a connection that gave pictures for `streamed` seconds."""
        if streamed >= _STABLE_SECONDS:
            self._backoff.reset()
        self._refusals = self._refusals + 1 if reason is Reason.AUTH else 0
        wait = self._backoff.next()
        if not self._refusals:
            return wait
        index = self._refusals - 1
        first = _FIRST_REFUSALS[index] if index < len(_FIRST_REFUSALS) else self._refused
        return max(wait, min(first, self._refused))
