"""The shipped unit under a real systemd: installed, started, stopped, crashed, hung, reloaded."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from listening import Listener
from servers import Broker, RtspServer, free_port, wait_for
from systemd_box import PROGRAM, BoxError, SystemdBox, why_not

from daemon.demo.servers import transcode

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"no systemd in a box: {why_not()}")

SLOW = 60.0  # seconds to wait for what takes a few on an idle machine
CONFIG = """\
mqtt: {{host: 127.0.0.1, port: {port}, username: me, password: !secret mqtt_password}}
stats_interval: 1s
snapshots: {{style: full}}
clips: {{enabled: true, style: full, before: 1s, after: 1s}}
cameras:
  street:
    url: {url}
    fps: 5
    read_timeout: 2s
    reconnect: {{min: 200ms, max: 500ms}}
    zones:
      everywhere: {{points: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
    rules:
      about: {{type: loitering, for: 1s, cooldown: 0s, zones: [everywhere]}}
"""
DEAD = """\
mqtt: {{host: 127.0.0.1, port: {port}}}
cameras:
  door: {{url: "rtsp://127.0.0.1:{port}/none", reconnect: {{min: 200ms, max: 500ms}}}}
"""
OWN_MODEL = Path(__file__).resolve().parents[2] / "tracker" / "models" / "person_yolox_nano.onnx"
WATCHDOG = 8.0  # seconds
# What differs from the shipped unit: quicker restarts and watchdog, and a system call that the filter refuses
# ends the service instead of failing, so that none goes unnoticed.
FASTER = f"""\
[Service]
RestartSec=100ms
WatchdogSec={WATCHDOG}
TimeoutAbortSec=1
SystemCallErrorNumber=kill
"""
# What Python in the box takes in when it starts: a worker hangs for good once the file names its process.
# Nothing in the product helps; only the patience of its watchdog is shorter, as WatchdogSec= is.
HANGING = """\
import os, threading
from pathlib import Path
import daemon.watchdog
daemon.watchdog.STUCK_AFTER = 1.0
from daemon.pipeline import CameraPipeline
whole = CameraPipeline.process
def process(self, frame, engines):
    who = Path("/opt/hanging/who")
    if who.exists() and who.read_text() == str(os.getpid()):
        threading.Event().wait()
    return whole(self, frame, engines)
CameraPipeline.process = process
"""
HANGABLE = "[Service]\nEnvironment=PYTHONPATH=/opt/hanging\nWatchdogSec=6\n"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, pose_model: Path) -> Iterator[SystemdBox]:
    """A box in which the service is installed, with the model in its cache; it does not run yet."""
    with contextlib.ExitStack() as stack:
        try:
            box = stack.enter_context(SystemdBox(tmp_path_factory.mktemp("box")))
        except BoxError as error:
            pytest.skip(str(error))
        models = box.path("/var/cache/posewatch/models")
        shutil.copytree(pose_model.parent, models)
        box.write("/etc/posewatch/credentials/mqtt_password", "s3cr3t-of-the-broker\n", mode=0o600)
        box.run(str(PROGRAM), "install-service", "--write")
        shutil.copy(OWN_MODEL, box.path("/etc/posewatch/own.onnx"))
        box.write("/etc/systemd/system/posewatch.service.d/faster.conf", FASTER)
        box.systemctl("daemon-reload")
        yield box


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory, footage: Path) -> Iterator[RtspServer]:
    folder = tmp_path_factory.mktemp("videos")
    transcode(footage, folder / "street.mp4", seconds=30.0)
    with RtspServer(folder) as camera:
        yield camera


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as broker:
        yield broker


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    with Listener(broker.port) as listener:
        yield listener


@pytest.fixture(autouse=True)
def _stopped(box: SystemdBox) -> Iterator[None]:
    """Every test starts the service itself; its journal is shown where the test fails."""
    yield
    print(box.journal("posewatch", "-n", "80"))
    box.systemctl("stop", "posewatch")
    box.systemctl("reset-failed", check=False)


def configure(box: SystemdBox, text: str) -> None:
    """New text in the configuration that the command has written; its owner and mode stay."""
    box.path("/etc/posewatch/posewatch.yaml").write_text(text)


def watch(box: SystemdBox, listener: Listener, broker: Broker, camera: RtspServer, more: str = "") -> None:
    """Starts the service, waits until it has raised an alert."""
    configure(box, CONFIG.format(port=broker.port, url=camera.url("street.mp4")) + more)
    box.systemctl("start", "posewatch")
    wait_for(lambda: listener.last("street/alert/about") == "ON", SLOW, "an alert")


def send_from(box: SystemdBox, address: str) -> str:
    """What a process of the service hears when it sends a UDP datagram there."""
    group = box.path("/sys/fs/cgroup") / box.show("ControlGroup").lstrip("/") / "cgroup.procs"
    send = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', (sys.argv[1], 9))"
    join = 'echo $$ > "$1" && exec "$2" -c "$3" "$4"'
    command = ["sh", "-c", join, "sh", str(group), sys.executable, send, address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return "sent" if done.returncode == 0 else done.stderr.strip().rpartition("] ")[2]


def check_that_it_is_shut_in(box: SystemdBox) -> None:
    process = psutil.Process(box.main_pid())
    status = Path(f"/proc/{process.pid}/status").read_text()
    for line in (r"CapEff:\s+0+", r"CapBnd:\s+0+", r"NoNewPrivs:\s+1", r"Seccomp:\s+2"):
        assert re.search(f"^{line}$", status, re.M), line
    assert process.uids().real != 0
    assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    inside = Path(f"/proc/{process.pid}/root")
    assert [*(inside / "home").iterdir(), *(inside / "root").iterdir()] == []
    assert {path.name for path in (inside / "dev").iterdir()}.isdisjoint({"vda", "sda", "mem", "kmsg", "dri"})
    state = box.path("/var/lib/private/posewatch")
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert state.stat().st_uid == process.uids().real
    config = box.path("/etc/posewatch/posewatch.yaml").stat()
    assert (stat.S_IMODE(config.st_mode), config.st_uid) == (0o640, 0)
    wait_for(lambda: [*state.rglob("*.jpg")] and [*state.rglob("*.mp4")], SLOW, "pictures and a clip")


def test_it_runs_under_every_restriction_and_ends_cleanly(
    box: SystemdBox, camera: RtspServer, broker: Broker, listener: Listener
) -> None:
    # A model of the user's own is tried in a process of its own first, under the same filter.
    watch(box, listener, broker, camera, "detect: {model: own.onnx}\n")
    assert box.show("StatusText")
    check_that_it_is_shut_in(box)
    assert send_from(box, "127.0.0.1") == "sent"
    assert send_from(box, "8.8.8.8") in ("Operation not permitted", "Network is unreachable")
    started = time.monotonic()
    box.systemctl("stop", "posewatch")
    assert time.monotonic() - started < 10
    assert box.show("Result") == "success"
    wait_for(lambda: listener.last("status") == "offline", what="offline")
    assert listener.last("street/alert/about") == "OFF"
    kinds = {body["after"]["id"]: body["type"] for body in listener.bodies("street/events")}
    assert set(kinds.values()) == {"end"}
    journal = box.journal()
    assert "s3cr3t" not in journal
    assert not re.search(r"Operation not permitted|Permission denied|Traceback|cpuinfo", journal)


def test_a_wrong_configuration_is_one_line_and_no_restart(box: SystemdBox) -> None:
    before = len(box.journal("posewatch", "-p", "err"))
    configure(box, "cameras: {door: {url: rtsp://127.0.0.1/x, fsp: 5}}\n")
    assert box.systemctl("start", "posewatch", check=False).returncode != 0
    wait_for(lambda: box.show("ActiveState") == "failed", SLOW, "the end of the attempt")
    assert (box.show("ExecMainStatus"), box.show("NRestarts")) == ("2", "0")
    journal = box.journal("posewatch", "-p", "err")[before:]
    lines = [line for line in journal.splitlines() if "posewatch.yaml" in line]
    assert len(lines) == 1
    assert "/etc/posewatch/posewatch.yaml:1: cameras.door.fsp: unknown key" in lines[0]


def test_the_watchdog_bears_dead_cameras_a_dead_broker_and_wrong_reloads(
    box: SystemdBox,
) -> None:
    text = DEAD.format(port=free_port())
    configure(box, text)
    box.systemctl("start", "posewatch")
    process, ready = box.main_pid(), int(box.show("ActiveEnterTimestampMonotonic"))

    configure(box, text.replace("reconnect:", "reconect:"))
    box.systemctl("reload", "posewatch")
    wait_for(lambda: "cameras.door.reconect: unknown key" in box.show("StatusText"), SLOW, "the mistake")
    configure(box, text.replace("door:", "gate:"))
    box.systemctl("reload", "posewatch")
    wait_for(lambda: "camera=gate" in box.journal(), SLOW, "the new camera")

    # Also after the reload: while one is under way the watchdog waits for longer, until the next ping.
    late = max(ready + (WATCHDOG + 1) * 1e6, time.monotonic() * 1e6)
    wait_for(lambda: int(box.show("WatchdogTimestampMonotonic")) > late, SLOW, "a sign of life")
    assert (box.main_pid(), box.show("NRestarts")) == (process, "0")


def crash(box: SystemdBox) -> None:
    os.kill(box.main_pid(), signal.SIGSEGV)


def hang(box: SystemdBox) -> None:
    box.write("/opt/hanging/who", box.show("MainPID"))


@pytest.fixture
def hangable(box: SystemdBox) -> Iterator[None]:
    box.write("/opt/hanging/sitecustomize.py", HANGING)
    drop_in = box.write("/etc/systemd/system/posewatch.service.d/hangable.conf", HANGABLE)
    box.systemctl("daemon-reload")
    yield
    drop_in.unlink()
    box.systemctl("daemon-reload")


@pytest.mark.usefixtures("hangable")
@pytest.mark.parametrize(
    ("fail", "said"),
    [
        (crash, ["Segmentation fault", "most recent call first"]),
        (hang, ["hangs what=worker-", "threading.py", "Watchdog timeout", "Fatal Python error: Aborted"]),
    ],
)
def test_what_crashes_or_hangs_is_restarted_and_leaves_nothing_open(
    box: SystemdBox,
    camera: RtspServer,
    broker: Broker,
    listener: Listener,
    fail: Callable[[SystemdBox], None],
    said: list[str],
) -> None:
    watch(box, listener, broker, camera)
    listener.catch_up()
    opened = listener.bodies("street/alerts")[-1]["id"]
    before = len(box.journal())
    fail(box)
    wait_for(
        lambda: (
            ("cleared", opened) in [(body["type"], body["id"]) for body in listener.bodies("street/alerts")]
        ),
        SLOW,
        "the end of the alert that was open",
    )
    wait_for(lambda: listener.last("status") == "online", SLOW, "online")
    assert box.show("NRestarts") == "1"
    journal = box.journal()[before:]
    assert [one for one in said if one not in journal] == []
