"""What the log tells of published messages."""

from __future__ import annotations

import pytest

from daemon.health.journal import log_messages
from daemon.messages import Message

ALERT = {
    "type": "raised",
    "id": "1795701622882-door-1",
    "seq": 0,
    "rule": "fall",
    "severity": "critical",
    "camera": "door",
    "tracks": ["1-door-1", "1-door-2"],
    "zones": [],
    "action": "falling",
    "score": 0.96,
    "start_time": 100.0,
    "end_time": None,
    "reason": None,
}


def lines(caplog: pytest.LogCaptureFixture, *payloads: object) -> list[str]:
    with caplog.at_level("DEBUG"):
        log_messages([Message("", payload) for payload in payloads])
    return [one.getMessage() for one in caplog.records]


def test_alerts_have_a_line_when_raised_and_when_cleared(caplog):
    cleared = {**ALERT, "type": "cleared", "end_time": 112.34, "reason": "over"}
    assert lines(caplog, ALERT, {**ALERT, "type": "updated"}, cleared) == [
        "alert_raised camera=door rule=fall severity=critical id=1795701622882-door-1 "
        "track=1-door-1,1-door-2 zones= action=falling score=0.96",
        "alert_cleared camera=door rule=fall id=1795701622882-door-1 "
        "track=1-door-1,1-door-2 reason=over seconds=12.3",
    ]


def test_nothing_else_has_one(caplog):
    assert lines(caplog, "online", 3, b"\xff\xd8", {"type": "new"}, {"state": "streaming"}) == []


def test_an_alert_of_another_version_does_no_harm(caplog):
    assert len(lines(caplog, {"severity": "info", "type": "cleared"}, {"severity": 1, "type": "raised"})) == 2
