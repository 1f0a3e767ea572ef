"""What the log tells of the messages that are published: alerts, as they are raised and cleared."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from daemon.messages import Message

__all__ = ["log_messages"]

_log = logging.getLogger(__name__)


def log_messages(messages: Iterable[Message]) -> None:
    """Logs each alert that is raised or cleared. Updates, tracks and actions are not worth a line.

    Args:
        messages: as they are published; others than alerts cost next to nothing.
    """
    for message in messages:
        body = message.payload
        if not isinstance(body, dict) or "severity" not in body:
            continue
        kind, get = body.get("type"), body.get
        if kind == "raised":
            _log.warning(
                "alert_raised camera=%s rule=%s severity=%s id=%s track=%s zones=%s action=%s score=%s",
                *(get("camera"), get("rule"), get("severity"), get("id")),
                *(_listed(get("tracks")), _listed(get("zones")), get("action"), get("score")),
            )
        elif kind == "cleared":
            _log.info(
                "alert_cleared camera=%s rule=%s id=%s track=%s reason=%s seconds=%s",
                *(get("camera"), get("rule"), get("id"), _listed(get("tracks")), get("reason")),
                _seconds(get("start_time"), get("end_time")),
            )


def _listed(names: Any) -> str:
    return ",".join(map(str, names or ()))


def _seconds(start: Any, end: Any) -> float | None:
    """How long it was raised; None where the message, of another version, does not say so."""
    numbers = isinstance(start, (int, float)) and isinstance(end, (int, float))
    return round(end - start, 1) if numbers else None
