"""A camera whose code fails, a worker that hangs, a process that crashes: what users and systemd see."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from listening import Listener
from running import Daemon, NotifySocket
from servers import Broker, Gate, silent_server, wait_for

ODD = (str(Path(__file__).with_name("odd_daemon.py")),)
CONFIG = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: posewatch-test, keepalive: 60s}}
storage: {{path: state}}
stats_interval: 1s
performance: {{workers: 2}}
cameras:
  street:
    url: {video}
    loop: true
    fps: 4
    zones: {{everywhere: {{points: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}}
    rules:
      about: {{type: loitering, for: 1s, cooldown: 0s, zones: [everywhere]}}
  other: {{url: {video}, loop: true, fps: 1, rules: {{}}, publish_tracks: true}}
"""
SLOW = 60.0


@dataclass
class Scene:
    """A daemon with a camera whose alert is ON, and everybody around it."""

    folder: Path
    daemon: Daemon
    listener: Listener
    systemd: NotifySocket

    def begin(self, fault: str, camera: str = "") -> None:
        """From now on this part fails."""
        (self.folder / fault).write_text(camera)

    def end(self, fault: str) -> None:
        (self.folder / fault).unlink()

    def street(self) -> tuple[str, str | None]:
        status = self.listener.last("street/status")
        return status["state"], status["reason"]

    def log(self) -> str:
        return self.daemon.log.read_text()


@pytest.fixture
def scene(street: Path, pose_model: Path, tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    assert pose_model.is_file()
    with ExitStack() as stack:

        def make(
            *,
            wait: bool = True,
            through: Callable[[int], int] = lambda port: port,
            more: str = "",
            **extra: str,
        ) -> Scene:
            broker = stack.enter_context(Broker(tmp_path))
            systemd = stack.enter_context(NotifySocket(tmp_path))
            listener = stack.enter_context(Listener(broker.port))
            config = tmp_path / "posewatch.yaml"
            config.write_text(CONFIG.format(port=through(broker.port), video=street) + more)
            extra = {"NOTIFY_SOCKET": systemd.path, "ODD_FAULTS": str(tmp_path), **extra}
            daemon = stack.enter_context(Daemon(config, ODD, **extra))
            if wait:
                wait_for(lambda: listener.last("street/alert/about") == "ON", SLOW, "an alert")
            return Scene(tmp_path, daemon, listener, systemd)

        yield make


def has_ended(listener: Listener, reason: str) -> bool:
    """Whether each alert and each event of the street came to its end, the last ones for this reason."""
    last = {body["id"]: body for body in listener.bodies("street/alerts")}
    tracks = {body["after"]["id"]: body for body in listener.bodies("street/events")}
    found = [*last.values(), *tracks.values()]
    return all(one["type"] in ("cleared", "end") for one in found) and any(
        one["reason"] == reason for one in found
    )


def test_a_camera_whose_code_fails_ends_what_is_open_and_starts_anew(scene: Callable[..., Scene]) -> None:
    at = scene()
    listener = at.listener
    at.begin("fails", "street")
    wait_for(lambda: at.street() == ("stalled", "error"), SLOW, "the status")
    wait_for(lambda: listener.last("street/alert/about") == "OFF", SLOW, "the alert is cleared")
    wait_for(lambda: has_ended(listener, "failed"), SLOW, "every end")
    assert listener.people() == 0
    wait_for(lambda: at.log().count("camera_code_failed") >= 2, SLOW, "the second attempt")
    frames = len(listener.bodies("other/tracks"))
    wait_for(lambda: len(listener.bodies("other/tracks")) > frames + 2, SLOW, "the other camera goes on")
    wait_for(lambda: listener.last("stats")["cameras"]["street"]["errors"] >= 6, SLOW, "the count")
    at.end("fails")
    wait_for(lambda: at.street() == ("streaming", None), SLOW, "it works again")
    wait_for(lambda: listener.last("street/alert/about") == "ON", SLOW, "a new alert")
    assert "s3cret" not in at.log()
    assert at.log().count("Traceback") == 1  # once a minute, however many frames fail
    assert at.daemon.ask_to_stop()[0] == 0


def test_a_stop_in_the_midst_of_a_reload_is_no_crash(scene: Callable[..., Scene]) -> None:
    """A thread that comes back from ONNX Runtime when Python has ended aborts the process."""
    at = scene(wait=False)
    wait_for(lambda: "started cameras=" in at.log(), SLOW, "the start")
    at.begin("loads", "")
    at.daemon.reload()
    wait_for(lambda: "reloading config=" in at.log(), SLOW, "the reload")
    assert at.daemon.ask_to_stop()[0] == 0
    assert "Fatal Python error" not in at.log()
    assert "stopped" in at.log()


def test_a_worker_that_hangs_silences_the_watchdog_and_is_named(scene: Callable[..., Scene]) -> None:
    at = scene(WATCHDOG_USEC=str(6_000_000), ODD_STUCK="2")
    at.begin("hangs", "street")
    wait_for(lambda: "hangs what=worker-" in at.log(), SLOW, "the hang")
    at.end("hangs")
    wait_for(lambda: "goes_on what=worker-" in at.log(), SLOW, "the end of it")
    pinged = at.systemd.count("WATCHDOG=1")
    wait_for(lambda: at.systemd.count("WATCHDOG=1") > pinged, SLOW, "pings again")
    # And for good.
    at.begin("hangs", "street")
    wait_for(
        lambda: (at.systemd.last("STATUS=") or (0, ""))[1].startswith("STATUS=HANGS: worker-"), SLOW, "STATUS"
    )
    assert "odd_daemon.py" in at.log()  # the stack
    pinged = at.systemd.count("WATCHDOG=1")
    other = len(at.listener.bodies("other/tracks"))
    wait_for(lambda: len(at.listener.bodies("other/tracks")) > other + 3, SLOW, "the other camera goes on")
    assert at.systemd.count("WATCHDOG=1") == pinged
    # It ends in time although the worker never does, and what was open is ended.
    status, seconds = at.daemon.ask_to_stop()
    assert status == 0
    assert seconds < 10
    wait_for(lambda: at.listener.last("status") == "offline", SLOW, "offline")
    assert has_ended(at.listener, "shutdown")
    assert at.listener.last("street/alert/about") == "OFF"


def test_without_systemd_it_ends_by_itself(scene: Callable[..., Scene]) -> None:
    at = scene(wait=False, ODD_STUCK="1", ODD_GIVE_UP="1")
    wait_for(lambda: at.listener.people(), SLOW, "people")
    at.begin("hangs", "street")
    assert at.daemon.process.wait(SLOW) == 1
    assert 'giving_up reason="worker-' in at.log()
    wait_for(lambda: at.listener.last("status") == "offline", SLOW, "offline")
    assert has_ended(at.listener, "shutdown")


def test_a_dead_camera_a_dead_broker_and_a_hung_disk_do_not_silence_the_watchdog(
    scene: Callable[..., Scene],
) -> None:
    with ExitStack() as stack:
        gates: list[Gate] = []

        def through(port: int) -> int:
            gates.append(stack.enter_context(Gate(port)))
            return gates[0].port

        silent = stack.enter_context(silent_server())
        more = f"  dead: {{url: 'rtsp://127.0.0.1:{silent}/x', rules: {{}}}}\n"
        at = scene(wait=False, through=through, more=more, WATCHDOG_USEC=str(6_000_000), ODD_STUCK="4")
        wait_for(lambda: at.listener.people(), SLOW, "people")
        gates[0].freeze()
        at.begin("hung_disk")
        wait_for(lambda: "storage_degraded" in at.log(), SLOW, "the disk")
        pinged, since = at.systemd.count("WATCHDOG=1"), time.monotonic()
        wait_for(lambda: at.systemd.count("WATCHDOG=1") >= pinged + 3, SLOW, "pings go on")
        assert time.monotonic() - since > 4.0  # longer than what counts as hanging
        assert "hangs what=" not in at.log()
        status, seconds = at.daemon.ask_to_stop()
        assert status == 0
        assert seconds < 10


def test_what_a_crash_leaves_open_is_ended_by_the_next_start(scene: Callable[..., Scene]) -> None:
    """A real SIGSEGV in the midst of a frame, as a library would make it."""
    at = scene()
    at.begin("crashes", "street")
    assert at.daemon.process.wait(SLOW) == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in at.log()
    assert "odd_process" in at.log()  # the stack
    at.end("crashes")
    wait_for(lambda: at.listener.last("status") == "offline", SLOW, "the last will")
    at.listener.catch_up()
    opened = {body["id"] for body in at.listener.bodies("street/alerts") if body["type"] == "raised"}
    with Daemon(at.folder / "posewatch.yaml", ODD, ODD_FAULTS=str(at.folder)):
        wait_for(
            lambda: (
                opened
                <= {body["id"] for body in at.listener.bodies("street/alerts") if body["reason"] == "restart"}
            ),
            SLOW,
            "the ends",
        )
    assert opened
    assert at.listener.bodies("street/alert/about")[-1] == "OFF"


def test_a_second_sigterm_goes_at_once(scene: Callable[..., Scene]) -> None:
    at = scene(wait=False)
    wait_for(lambda: at.systemd.count("READY=1"), SLOW, "the start")
    at.begin("hangs", "other")
    wait_for(lambda: at.listener.last("street/people"), SLOW, "people")
    at.daemon.process.send_signal(signal.SIGTERM)
    wait_for(lambda: "stopping" in at.log(), SLOW, "the first one")
    at.daemon.process.send_signal(signal.SIGTERM)
    assert at.daemon.process.wait(5) in (0, 128 + signal.SIGTERM)


@contextmanager
def many_silent(count: int) -> Iterator[str]:
    with silent_server() as port:
        yield "".join(
            f"  c{n}: {{url: 'rtsp://127.0.0.1:{port}/{n}', open_timeout: 60s, rules: {{}}}}\n"
            for n in range(count)
        )


def test_24_silent_cameras_are_left_in_time(pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    with Broker(tmp_path) as broker, many_silent(24) as cameras, Listener(broker.port) as listener:
        config = tmp_path / "posewatch.yaml"
        config.write_text(
            CONFIG.format(port=broker.port, video="x").split("cameras:")[0] + "cameras:\n" + cameras
        )
        with Daemon(config) as daemon:
            wait_for(lambda: listener.last("c23/status"), SLOW, "the start")
            status, seconds = daemon.ask_to_stop()
        print(f"24 silent cameras: {seconds:.1f} s")
        assert status == 0
        assert seconds < 8
        wait_for(lambda: listener.last("status") == "offline", SLOW, "offline")
