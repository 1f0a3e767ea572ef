"""sd_notify against real datagram sockets, as systemd opens them."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

import pytest

from daemon import notify


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(5)
        if request.param == "path":
            address = str(tmp_path / "notify")
            receiver.bind(address)
        else:
            name = f"posewatch-test-{uuid.uuid4()}"
            receiver.bind("\0" + name)
            address = "@" + name
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        yield receiver


def test_every_state_arrives_as_systemd_wants_it(systemd: socket.socket) -> None:
    assert notify.ready()
    assert notify.status("watching 2 cameras\nREADY=0")
    assert notify.watchdog()
    assert notify.reloading(42)
    assert notify.stopping()
    received = [systemd.recv(4096).decode() for _ in range(5)]
    assert received == [
        "READY=1",
        "STATUS=watching 2 cameras READY=0",  # one line: no second assignment can be smuggled in
        "WATCHDOG=1",
        "RELOADING=1\nMONOTONIC_USEC=42",
        "STOPPING=1",
    ]


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify.ready()


def test_a_socket_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify.watchdog()


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        ("30000000", None, 30.0),
        ("30000000", "own", 30.0),
        ("30000000", "1", None),  # meant for another process
        (None, None, None),
        ("0", None, None),
        ("soon", None, None),
    ],
)
def test_watchdog_interval(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, expected: float | None
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert notify.watchdog_interval() == expected
