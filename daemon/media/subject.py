"""What an alert is about, as far as a picture shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Shares", "Subject"]

Shares: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom in 0..1 of the image."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who, where and what, from the payload of an alert.

    Attributes:
        alert: id of the alert.
        rule: its rule.
        severity: info, warning or critical.
        tracks: ids of the people whom it names.
        boxes: where those were seen last, by id.
        place: where it is, where it is of a place.
        zones: names of its zones.
        line: x, y in 0..1 of the image of the points of a line that was crossed.
    """

    alert: str
    rule: str
    severity: str
    tracks: frozenset[str]
    boxes: Mapping[str, Shares]
    place: Shares | None
    zones: frozenset[str]
    line: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Subject:
        """The subject of an alert's message.

        Raises:
            KeyError: id or rule are missing.
        """
        evidence = payload.get("evidence") or {}
        boxes = evidence.get("boxes") or {}
        line = (evidence.get("thresholds") or {}).get("line") or ()
        return cls(
            alert=str(payload["id"]),
            rule=str(payload["rule"]),
            severity=str(payload.get("severity", "warning")),
            tracks=frozenset(payload.get("tracks") or ()),
            boxes={str(track): _shares(box) for track, box in boxes.items()},
            place=_shares(evidence["place"]) if evidence.get("place") else None,
            zones=frozenset(payload.get("zones") or ()),
            line=tuple((float(x), float(y)) for x, y in line),
        )


def _shares(box: Any) -> Shares:
    left, top, right, bottom = (float(value) for value in box)
    return left, top, right, bottom
