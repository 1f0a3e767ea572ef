"""What the watchdog of systemd is told, and what the status line says."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.figures import CameraFigures, ConfigFigures, MqttFigures, ProcessFigures, ServiceFigures
from daemon.scheduler import Stuck
from daemon.status_line import status_line
from daemon.timing import Histogram
from daemon.watchdog import GIVE_UP_AFTER, STUCK_AFTER, Watchdog


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Counts the pings that a real socket has got."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        monkeypatch.setenv("WATCHDOG_USEC", "1000")

        def pings() -> int:
            count = 0
            try:
                while True:
                    count += receiver.recv(1000) == b"WATCHDOG=1"
            except BlockingIOError:
                return count

        yield pings


def stuck(thread: int | None = None) -> Stuck:
    return Stuck("worker-1", "door", 21.0, thread)


def test_it_pings_only_while_everything_makes_progress(systemd, caplog) -> None:
    watchdog = Watchdog()
    assert watchdog.is_watched
    watchdog.check([])
    assert systemd() == 1
    for _ in range(3):
        watchdog.check([stuck(threading.get_ident())])
    assert systemd() == 0
    assert watchdog.hung == ("worker-1",)
    assert not watchdog.gives_up  # systemd does that
    assert caplog.text.count("hangs what=worker-1 camera=door") == 1
    assert "test_it_pings_only_while_everything_makes_progress" in caplog.text  # its stack
    time.sleep(0.002)
    watchdog.check([])
    assert systemd() == 1
    assert watchdog.hung == ()


@pytest.mark.parametrize(("after", "gives_up"), [(0.0, True), (3600.0, False)])
def test_without_systemd_it_tells_when_to_end(after: float, gives_up: bool, monkeypatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    watchdog = Watchdog(after)
    assert not watchdog.gives_up
    watchdog.check([stuck()])
    watchdog.check([stuck()])
    assert watchdog.gives_up is gives_up
    watchdog.check([])
    assert not watchdog.gives_up


def test_a_process_that_stood_still_is_not_taken_for_one_that_hangs() -> None:
    watchdog = Watchdog()
    watchdog.overslept(0.2)
    assert watchdog.stood_still_until == float("-inf")
    watchdog.overslept(30.0)
    assert watchdog.stood_still_until == pytest.approx(time.monotonic(), abs=1.0)


def test_a_main_loop_that_hangs_is_told_by_whoever_asks() -> None:
    watchdog = Watchdog()
    assert watchdog.hung_now(0.0) == ()  # it has not begun
    watchdog.check([stuck()])
    assert watchdog.hung_now(60.0) == ("worker-1",)
    end = time.monotonic() + 10.0
    while watchdog.hung_now(0.0) == ("worker-1",) and time.monotonic() < end:
        pass
    assert watchdog.hung_now(0.0) == ("worker-1", "main-loop")


def test_it_speaks_up_before_systemd_loses_patience() -> None:
    assert STUCK_AFTER < GIVE_UP_AFTER / 2


def camera(name: str, state: str, reason: str | None = None, fps: float = 0.0) -> CameraFigures:
    return CameraFigures(
        name=name, enabled=True, state=state, reason=reason, since=0.0, tamper=None,
        overloaded=False,
        fps_in=fps, fps_processed=fps, frames_in=0, frames_processed=0, frames_dropped=0,
        frames_damaged=0, reconnects=0, errors=0, restarts=0,
        latency=Histogram(), latency_ms={}, stages={}, people=0, alerts=(), models={}, frame_age=None,
    )  # fmt: skip


WELL = ServiceFigures(
    version="1", started_at=0.0, ready=True, hung=(), workers=2, workers_busy=0, load=0.0, storage_state="ok",
    storage_reason=None, profile=None, config=ConfigFigures("ok", None, 0.0, 0),
    mqtt=MqttFigures(True, True, 0, 0, 0), process=ProcessFigures(0.0, None, None, None),
    cameras=(camera("a", "streaming", None, 6.1), camera("b", "streaming", None, 6.2)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        (WELL, "2 cameras: 2 streaming; 12.3 frames/s; mqtt connected; 0 queued"),
        (
            replace(WELL, cameras=(*WELL.cameras, camera("door", "stalled", "timeout"))),
            "3 cameras: 2 streaming, 1 timeout (door); 12.3 frames/s; mqtt connected; 0 queued",
        ),
        (
            replace(WELL, cameras=(camera("a", "connecting"),), mqtt=MqttFigures(True, False, 7, 0, 0)),
            "1 camera: 0 streaming, 1 connecting (a); 0.0 frames/s; mqtt not connected; 7 queued",
        ),
        (
            replace(WELL, cameras=(), hung=("worker-0",), config=ConfigFigures("invalid", "f:1: no", 0.0, 0)),
            "HANGS: worker-0; configuration refused, the former one holds: f:1: no; 0 cameras: 0 streaming; "
            "0.0 frames/s; mqtt connected; 0 queued",
        ),
        (
            replace(WELL, cameras=(replace(WELL.cameras[0], tamper="covered"), WELL.cameras[1])),
            "tamper: covered (a); 2 cameras: 2 streaming; 12.3 frames/s; mqtt connected; 0 queued",
        ),
        (
            replace(WELL, cameras=tuple(replace(one, overloaded=True) for one in WELL.cameras)),
            "overloaded: a, b; 2 cameras: 2 streaming; 12.3 frames/s; mqtt connected; 0 queued",
        ),
        (  # mistakes are named whole
            replace(WELL, cameras=(), config=ConfigFigures("invalid", "; ".join(["f:1: no"] * 40), 0.0, 0)),
            f"configuration refused, the former one holds: {'f:1: no; ' * 22}...; 0 cameras: 0 streaming; "
            "0.0 frames/s; mqtt connected; 0 queued",
        ),
        (
            replace(WELL, cameras=(), config=ConfigFigures("invalid", "n" + 300 * "o", 0.0, 0)),
            f"configuration refused, the former one holds: n{199 * 'o'}...; 0 cameras: 0 streaming; "
            "0.0 frames/s; mqtt connected; 0 queued",
        ),
    ],
)
def test_the_status_line(figures: ServiceFigures, line: str) -> None:
    assert status_line(figures) == line
