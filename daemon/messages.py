"""A message for the broker, and its one way to bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Message", "Payload", "new_id", "plain"]

Payload: TypeAlias = dict[str, Any] | str | int | bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A payload for a full topic. Dictionaries travel as compact JSON in their own key order.

    Attributes:
        topic: all levels of it.
        payload: what is said.
        qos: 0 is sent now or never; 1 waits for the broker, on disk.
        retain: whether the broker keeps it for those who come later; not stored, but sent on every connect.
        expendable: whether it may be dropped before others when too much waits; updates always may.
    """

    topic: str
    payload: Payload
    qos: int = 0
    retain: bool = False
    expendable: bool = False

    def encode(self) -> bytes:
        """The bytes on the wire: the same for the same payload.

        Raises:
            ValueError: a number is not finite.
        """
        if isinstance(self.payload, bytes):
            return self.payload
        if isinstance(self.payload, dict):
            text = json.dumps(self.payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        else:
            text = str(self.payload)
        return text.encode()


def plain(value: float, digits: int = 3) -> float:
    """A Python float, rounded, without a negative zero."""
    return round(float(value), digits) + 0.0


def new_id(captured_at: float, camera: str, number: int) -> str:
    """An id that is unique across restarts: `<epoch ms>-<camera>-<number>`.

    Args:
        captured_at: UTC epoch seconds of the frame.
        camera: the camera's name.
        number: counts up within the process, for each kind of id.
    """
    return f"{round(captured_at * 1000)}-{camera}-{number}"
