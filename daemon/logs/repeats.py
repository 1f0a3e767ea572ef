"""Keeps the log readable when the same thing happens again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Key", "Repeated", "Repeats"]

Key: TypeAlias = tuple[str, str, str]
"""Logger, event and camera ("" without one): what is the same."""

_MAX_KEYS = 1024


@dataclass(slots=True)
class _Window:
    start: float  # monotonic seconds
    level: int
    count: int = 0
    kept_back: int = 0


@dataclass(frozen=True, slots=True)
class Repeated:
    """Lines that were kept back.

    Attributes:
        key: of what.
        level: the most severe of them.
        times: how many.
        seconds: in how long.
    """

    key: Key
    level: int
    times: int
    seconds: float


class Repeats:
    """Lets `limit` lines of a key through in `interval` seconds, and counts the others.

    The first of a key always goes through. Memory is bounded: of more than a thousand keys the one that
    began first is told and forgotten.

    Args:
        limit: lines of a key.
        interval: seconds.
    """

    def __init__(self, limit: int, interval: float = 60.0) -> None:
        self._limit, self._interval = limit, interval
        self._windows: dict[Key, _Window] = {}  # the one that began first comes first

    def admit(self, key: Key, level: int, now: float) -> bool:
        """Whether a line may be written now, in monotonic seconds; call `due` before."""
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(now, level)
        window.count += 1
        if window.count <= self._limit:
            return True
        window.kept_back += 1
        window.level = max(window.level, level)
        return False

    def due(self, now: float) -> list[Repeated]:
        """What was kept back in intervals that are over, or that there is no more room for."""
        found = []
        while self._windows:
            key, window = next(iter(self._windows.items()))
            if now - window.start < self._interval and len(self._windows) < _MAX_KEYS:
                break
            del self._windows[key]
            found += _told(key, window, now)
        return found

    def wait(self, now: float) -> float | None:
        """Seconds until something that was kept back is due; None where nothing was."""
        starts = [window.start for window in self._windows.values() if window.kept_back]
        return max(min(starts) + self._interval - now, 0.0) if starts else None

    def close(self, now: float) -> list[Repeated]:
        """Everything that was kept back."""
        windows, self._windows = self._windows, {}
        return [one for key, window in windows.items() for one in _told(key, window, now)]


def _told(key: Key, window: _Window, now: float) -> list[Repeated]:
    if not window.kept_back:
        return []
    return [Repeated(key, window.level, window.kept_back, round(now - window.start, 1))]
