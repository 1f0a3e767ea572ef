"""Ends what a process left open that ended without a goodbye."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

from daemon.messages import Message, plain
from daemon.reasons import EndReason
from daemon.storage.entries import Entry, Report

__all__ = ["closing_messages"]

_log = logging.getLogger(__name__)
_ORDER = ("alerts", "actions", "events")


def closing_messages(
    left_open: Iterable[Entry], alive_at: float, reason: EndReason = EndReason.RESTART
) -> list[Message]:
    """The last messages of alerts, actions and tracks, with the same ids and the next numbers.

    Args:
        left_open: the latest message of each.
        alive_at: when the process that left them was last alive, UTC epoch seconds: they ended then, or when
            something was last heard of them.
        reason: why they ended.
    """
    entries = sorted(left_open, key=lambda entry: _ORDER.index(entry.report.kind) if entry.report else 0)
    return [message for entry in entries if (message := _ending(entry, alive_at, reason)) is not None]


def _ending(entry: Entry, alive_at: float, reason: EndReason) -> Message | None:
    report = entry.report
    if report is None:
        return None
    try:
        return _ended(entry, report, alive_at, reason)
    except (ValueError, KeyError, TypeError) as error:  # of a version that said it in another way
        _log.error("not_closed_after_crash kind=%s id=%s error=%r", report.kind, report.item, error)
        return None


def _ended(entry: Entry, report: Report, alive_at: float, reason: EndReason) -> Message:
    payload: dict[str, Any] = json.loads(entry.payload)
    named = payload["after"] if report.kind == "events" else payload
    end = plain(max(entry.time, alive_at, named["start_time"]))
    ended = {**named, "end_time": end}
    if report.kind == "events":
        payload = {**payload, "before": named, "after": ended}
    elif report.kind == "actions":
        payload = {**ended, "duration": plain(end - named["start_time"])}
    else:
        payload = ended
    if "seq" in payload:
        payload["seq"] += 1
    payload |= {"type": "cleared" if report.kind == "alerts" else "end", "reason": reason.value}
    return Message(entry.topic, payload, qos=1)
