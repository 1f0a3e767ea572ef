"""What is logged of a camera that is away."""

from __future__ import annotations

import logging

import pytest

from daemon.outage import OutageLog
from daemon.source_types import CaptureError, Reason

REFUSED = CaptureError(Reason.NETWORK, "rtsp://me:pw@10.0.0.5/live: cannot be opened: Connection refused")
PASSWORD = CaptureError(Reason.AUTH, "rtsp://10.0.0.5/live: cannot be opened: user or password refused")


class Outage:
    """An outage whose clock the test moves, and the lines that are logged."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._log, self._now = caplog, 0.0
        self._outage = OutageLog("door", lambda: self._now)

    def fails(
        self,
        error: CaptureError = REFUSED,
        *,
        after: float = 60.0,
        retry_in: float = 5.0,
        streamed: bool = False,
    ) -> int:
        """Lines that a failure leaves, `after` seconds."""
        self._now += after
        self._log.clear()
        with self._log.at_level(logging.INFO, "daemon.capture"):
            self._outage.failed(error, after_pictures=streamed, retry_in=retry_in)
        return len(self._log.messages)


@pytest.fixture
def outage(caplog: pytest.LogCaptureFixture) -> Outage:
    return Outage(caplog)


def test_the_same_is_said_once_an_hour(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    assert outage.fails()
    assert "pw" not in caplog.text
    assert sum(outage.fails() for _ in range(59)) == 0
    assert outage.fails()
    assert "attempt=61" in caplog.text
    assert sum(outage.fails() for _ in range(24 * 60)) == 24


def test_what_is_new_is_said(outage: Outage) -> None:
    assert outage.fails()
    assert outage.fails(PASSWORD)
    assert outage.fails(PASSWORD, retry_in=300.0)  # from now on it is asked seldom
    assert not outage.fails()
    assert not outage.fails(PASSWORD, retry_in=300.0)


def test_a_new_outage_begins_anew(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    assert outage.fails()
    assert outage.fails(streamed=True)
    assert "attempt=1 " in caplog.text
    assert not outage.fails()
