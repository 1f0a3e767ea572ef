"""A message as it waits for the broker, and what kind of report it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import IntEnum

from daemon.messages import Message

__all__ = ["KINDS", "Entry", "Rank", "Report", "entry_of", "report_of"]

KINDS = frozenset({"alerts", "actions", "events"})
"""Last levels of the topics of reports."""

_OPENING = frozenset({"raised", "updated", "new", "update", "start"})
_ENDING = frozenset({"cleared", "end"})
_UPDATES = frozenset({"updated", "update"})
_OVERHEAD = 150  # bytes of a row besides topic and payload, about


class Rank(IntEnum):
    """What is dropped first when too much waits."""

    EXPENDABLE = 0  # updates and images
    REPORT = 1  # starts and ends of events and actions
    ALERT = 2  # raised and cleared


@dataclass(frozen=True, slots=True)
class Report:
    """What a message on a topic of events, actions or alerts is about.

    Attributes:
        kind: alerts, actions or events.
        camera: level of the topic.
        item: id of the alert, the action or the track.
        type: of the message.
        rule: of an alert.
    """

    kind: str
    camera: str
    item: str
    type: str
    rule: str | None

    @property
    def opens(self) -> bool:
        """Whether something is open after it."""
        return self.type in _OPENING

    @property
    def ends(self) -> bool:
        """Whether it is the last message of its item."""
        return self.type in _ENDING


@dataclass(slots=True, eq=False)
class Entry:
    """A message that waits.

    Attributes:
        topic: its topic.
        payload: the bytes on the wire.
        rank: how long it is kept when too much waits.
        time: UTC epoch seconds when it was published.
        report: None for images and the like.
        number: its row in the database; None while it is in memory only.
        generation: of the database that gave the number.
    """

    topic: str
    payload: bytes
    rank: Rank
    time: float
    report: Report | None = None
    number: int | None = None
    generation: int = 0

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return len(self.payload) + len(self.topic) + _OVERHEAD

    @property
    def is_decisive(self) -> bool:
        """Whether an alert is raised or cleared: such a message survives a power cut."""
        return self.rank is Rank.ALERT


def report_of(message: Message) -> Report | None:
    """What a message reports; None for others."""
    payload = message.payload
    levels = message.topic.rsplit("/", 2)
    if not isinstance(payload, dict) or len(levels) != 3 or levels[2] not in KINDS:
        return None
    kind, named = levels[2], payload
    if kind == "events":
        named = payload.get("after") or {}
    item, type_ = named.get("id"), payload.get("type")
    if not isinstance(item, str) or not isinstance(type_, str):
        return None
    rule = payload.get("rule") if kind == "alerts" else None
    return Report(kind, levels[1], item, type_, None if rule is None else str(rule))


def entry_of(message: Message) -> Entry:
    """The message as it is stored.

    Raises:
        ValueError: a number in it is not finite.
    """
    report = report_of(message)
    if message.expendable or (report is not None and report.type in _UPDATES):
        rank = Rank.EXPENDABLE
    elif report is not None and report.kind == "alerts":
        rank = Rank.ALERT
    else:
        rank = Rank.REPORT
    return Entry(message.topic, message.encode(), rank, time.time(), report)
