"""The side file of a recording: rate, image size and where it is from."""

from __future__ import annotations

import json
import math
from pathlib import Path

__all__ = ["RecordingError", "SideFile"]

_UNBOUNDED = 1e15  # above it a float has no room for frame numbers


class RecordingError(Exception):
    """A recording cannot be read; one line that names file and line and says what to do."""


class SideFile:
    """The side file of a recording, empty where there is none.

    Raises:
        RecordingError: it is damaged; so do the methods for a value that cannot be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_suffix(".json")
        self._values: dict[str, object] = {}
        if not self._path.is_file():
            return
        try:
            values = json.loads(self._path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise RecordingError(
                f"{self._path}: cannot be read as JSON ({error}): repair or delete it"
            ) from error
        if not isinstance(values, dict):
            raise RecordingError(
                f'{self._path}: must be an object such as {{"rate": 30}}: repair or delete it'
            )
        self._values = values

    def text(self, key: str) -> str:
        """A text, empty where there is none."""
        value = self._values.get(key)
        return "" if value is None else str(value)

    def number(self, key: str, default: float, *, low: float = 0.0, high: float = _UNBOUNDED) -> float:
        """A number above `low` and up to `high`."""
        value = self._values.get(key, default)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low < value <= high:
            return float(value)
        bounds = ("" if math.isinf(low) else f" above {low:g}") + (
            "" if high == _UNBOUNDED else f", up to {high:g}"
        )
        raise RecordingError(f"{self._path}: {key} must be a number{bounds}, not {value!r:.40}")
