"""`posewatch status`: a table that fits, and exit statuses that scripts can rely on."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_figures import STARTED, camera_figures, service_figures

from daemon.cli import main
from daemon.config import HealthConfig
from daemon.figures import ConfigFigures, MqttFigures, ServiceFigures, StageFigures
from daemon.health.picture import picture_of
from daemon.health.server import HealthServer
from daemon.health.table import WIDTH, table_of

LONG = "a_very_long_name_of_a_camera_that_does_not_end_before_the_sixtieth"


def table(figures: ServiceFigures, *, colour: bool = False, now: float = STARTED + 90_061) -> list[str]:
    return table_of(picture_of(figures, now, str), colour=colour)


def test_a_service_that_is_well():
    assert table(service_figures(camera_figures("door"), profile="home")) == [
        "posewatch 0.1.0  ready   up 1d 01h   workers 1/2 busy, load 62 %   profile home",
        "cpu 0.42 cores   memory 341 MB   threads 23   files 41",
        "mqtt connected, 0 queued   storage ok   config ok, loaded 1d 01h ago",
        "",
        "CAMERA  STATE       SINCE   FPS  DONE  DROPPED  P50  P95  PEOPLE  RECONN  ALERTS",
        "door    streaming  1d 01h  15.1  14.9        9  101  190       2       2       0",
        "",
        "stages, ms a frame: detect 12.0, track 0.4, pose 8.0, action 2.0, report 0.2",
        "FPS: frames a second received; DONE: processed; P50, P95: latency in ms",
        "",
        "door: 3 frames failed, started anew 4 times",
    ]


def test_an_overload_is_told():
    figures = service_figures(
        camera_figures("door", overloaded=True, fps_processed=4.2, errors=0, restarts=0),
        camera_figures("yard", errors=0, restarts=0),
    )
    assert table(figures)[-1] == (
        "overloaded, too little time for the frames of 1 of 2 cameras: door (4.2 of 15.1)"
    )


def test_a_line_does_not_end_between_a_stage_and_its_time():
    seconds = {"detect": 3.0, "track": 0.3, "pose": 3.0, "action": 0.3, "fight": 0.3, "tamper": 3.0}
    stages = {name: StageFigures(one, 150) for name, one in {**seconds, "report": 0.3, "media": 0.3}.items()}
    lines = table(service_figures(camera_figures(stages=stages)))
    first = next(line for line in lines if line.startswith("stages"))
    assert first.endswith("report 2.0,")


def test_what_is_wrong_is_told():
    figures = service_figures(
        camera_figures("door", alerts=("fall", "lying"), errors=0, restarts=0),
        camera_figures("garden", state="connecting", reason="auth", tamper="covered", errors=0, restarts=0),
        camera_figures("off", state="disabled", enabled=False, errors=0, restarts=0),
        hung=("worker-1",),
        mqtt=MqttFigures(True, False, 12, 3, 0),
        storage_state="degraded",
        storage_reason="No space left on device",
        config=ConfigFigures("invalid", "/etc/p/posewatch.yaml:12: mqtt.port: must be above 0", STARTED, 1),
    )
    lines = table(figures)
    assert "no progress" in lines[0]
    assert "mqtt not connected, 12 queued, 3 dropped   storage degraded   config invalid" in lines[2]
    assert lines[lines.index("door: alert: fall, lying") :] == [
        "door: alert: fall, lying",
        "no progress: worker-1",
        "1 of 3 cameras without pictures: garden (auth)",
        "garden: tamper: covered",
        "storage: No space left on device",
        "config: the file was refused, the former one holds: posewatch.yaml:12: mqtt.port: must be above 0",
    ]


@pytest.mark.parametrize("colour", [False, True])
def test_it_fits_and_is_aligned(colour):
    rules = tuple(f"rule_number_{index}" for index in range(20))
    figures = service_figures(
        camera_figures("door"),
        camera_figures(LONG, state="connecting", reason="not_found", alerts=rules, frames_dropped=10**9),
        camera_figures("x", state="streaming", reconnects=10**7, fps_in=119.9, people=50, alerts=rules,
                       latency_ms={"p50": None, "p95": 123456.7}),
        config=ConfigFigures("invalid", "posewatch.yaml:1: " + "very " * 60 + "long", STARTED, 1),
    )  # fmt: skip
    lines = [re.sub(r"\033\[\d+m", "", line) for line in table(figures, colour=colour)]
    assert max(map(len, lines)) <= WIDTH
    head = next(index for index, line in enumerate(lines) if line.startswith("CAMERA"))
    state = lines[head].index("STATE")
    for line in lines[head + 1 : head + 4]:
        assert line[state - 1] == " "
        assert line[state : state + 6] in ("stream", "connec")
        assert len(line) == len(lines[head])
    assert any(rules[-1] in line for line in lines)  # every alert is named, in a line of its own


def test_names_of_others_cannot_reach_the_terminal():
    figures = service_figures(camera_figures("\033[2Jdoor"), version="0\033]0;x\007", profile="\n")
    assert all(line.isprintable() for line in table(figures))


# ---- The command ----


class Running:
    def __init__(self) -> None:
        self.figures = service_figures()
        with socket.create_server(("127.0.0.1", 0)) as other:
            self.port = int(other.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = HealthServer(HealthConfig(port=self.port), lambda: self.figures)


@pytest.fixture
def running() -> Iterator[Running]:
    service = Running()
    service.server.start()
    deadline = time.monotonic() + 20
    while not service.server.addresses:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield service
    service.server.stop()


@pytest.mark.parametrize(
    ("changes", "status"),
    [({}, 0), ({"ready": False}, 1), ({"hung": ("worker-1",)}, 1), ({"storage_state": "degraded"}, 0)],
)
def test_the_exit_status_tells_whether_it_is_well(running, capsys, changes, status):
    running.figures = service_figures(**changes)
    assert main(["status", "--url", running.url]) == status
    assert capsys.readouterr().out.startswith("posewatch 0.1.0")


def test_json_is_one_object(running, capsys):
    assert main(["status", "--url", running.url, "--json"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["cameras"][0]["name"] == "door"


def test_the_address_comes_from_the_configuration(running, tmp_path, capsys):
    """Even of a file whose secrets are for the daemon only."""
    path = tmp_path / "posewatch.yaml"
    path.write_text(
        f"health: {{host: 0.0.0.0, port: {running.port}}}\n"
        "cameras: {door: {url: rtsp://10.0.0.5/live, username: x, password: !secret not_for_you}}\n"
    )
    assert main(["status", "-c", str(path)]) == 0
    assert "door" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("health: {enabled: false}", "health.enabled is false"),
        ("health: {port: 0}", "health: is not valid"),
        ("health: [", "not valid YAML"),
        ("- x", "must hold settings"),
    ],
)
def test_a_configuration_that_says_no_address(tmp_path, capsys, text, part):
    path = tmp_path / "posewatch.yaml"
    path.write_text(text)
    assert main(["status", "-c", str(path)]) == 2
    assert part in capsys.readouterr().err


@pytest.mark.parametrize("url", ["ftp://x", "x", "http://", "http://h:99999", "file:///etc/passwd"])
def test_a_wrong_address(capsys, url):
    assert main(["status", "--url", url]) == 2
    assert "--url: must be such as" in capsys.readouterr().err


def test_nobody_there(running, capsys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
    monkeypatch.setenv("http_proxy", running.url)  # is not asked
    monkeypatch.delenv("no_proxy", raising=False)
    assert main(["status", "--url", url]) == 1
    assert "is posewatch running?" in capsys.readouterr().err
    assert main(["status", "--url", url.replace("//", "//user:s3cret@")]) == 1
    assert "s3cret" not in capsys.readouterr().err


def test_somebody_else_there(running, capsys):
    assert main(["status", "--url", f"{running.url}/healthz?"]) == 1
    assert "posewatch: " in capsys.readouterr().err


def test_a_refusal_says_why(running, capsys):
    assert main(["status", "--url", f"{running.url}/nowhere"]) == 1
    assert "/nowhere answers with 404: there are " in capsys.readouterr().err


def test_watching_ends_with_a_signal(running):
    options = ["--url", running.url, "--watch", "0.05", "--json"]
    command = [sys.executable, "-m", "daemon.cli", "status", *options]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        for _ in range(3):
            assert json.loads(process.stdout.readline())["ready"] is True
        process.terminate()
