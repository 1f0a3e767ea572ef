"""SIGHUP: what changed changes, everything else goes on, and a bad file changes nothing."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from listening import Listener
from running import Daemon, NotifySocket
from servers import Broker, RtspServer, free_port, wait_for, write_clip

from daemon.demo.servers import transcode

HEAD = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: posewatch-test}}
storage: {{path: state}}
stats_interval: 1s
"""
STREET = """\
  street:
    url: {url}
    fps: 5
    publish_tracks: true
    reconnect: {{min: 200ms, max: 500ms}}
    zones: {{everywhere: {{points: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}}
    rules:
      about: {{type: loitering, for: 1s, cooldown: 0s, zones: [everywhere]}}
"""
EMPTY = "  {name}: {{url: {url}, fps: 2, rules: {rules}}}\n"
SLOW = 60.0


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, footage: Path, pose_model: Path) -> Path:
    """People, and a room without any, for the RTSP server, which does not repeat them."""
    assert pose_model.is_file()
    folder = tmp_path_factory.mktemp("videos")
    transcode(footage, folder / "street.mp4", seconds=45.0)
    write_clip(folder / "room.mp4", seconds=60.0, rate=5)
    return folder


def loaded_after(listener: Listener, moment: float) -> bool:
    state = listener.last("config")
    return bool(state) and state["state"] == "ok" and state["loaded_at"] >= moment


def alerts(listener: Listener) -> dict[str, list[str]]:
    """What was said of each alert of the street, in order."""
    found: dict[str, list[str]] = {}
    for body in listener.bodies("street/alerts"):
        found.setdefault(body["id"], []).append(body["type"])
    return found


def test_other_cameras_come_change_and_go_while_one_goes_on(videos: Path, tmp_path: Path) -> None:
    config = tmp_path / "posewatch.yaml"
    with (
        RtspServer(videos) as server,
        Broker(tmp_path) as broker,
        NotifySocket(tmp_path) as systemd,
        Listener(broker.port) as listener,
    ):
        room = server.url("room.mp4")
        street, head = STREET.format(url=server.url("street.mp4")), HEAD.format(port=broker.port)

        def cameras(*rooms: str) -> str:
            return head + "cameras:\n" + street + "".join(rooms)

        def reload(text: str) -> None:
            moment = time.time() - 0.001
            config.write_text(text)
            daemon.reload()
            wait_for(lambda: loaded_after(listener, moment), SLOW, "the reload")

        garden = EMPTY.format(name="garden", url=room, rules="{falls: {type: fall}}")
        config.write_text(cameras(garden))
        with Daemon(config, NOTIFY_SOCKET=systemd.path) as daemon:
            wait_for(lambda: listener.last("street/alert/about") == "ON", SLOW, "an alert")
            wait_for(lambda: (listener.last("garden/status") or {}).get("state") == "streaming", SLOW)
            assert systemd.count("READY=1") == 1
            before = set(alerts(listener))
            tracks = {one["id"] for one in listener.last("street/tracks")["people"]}
            seen = len(listener.bodies("street/tracks"))

            # 1. A camera comes; it can be switched.
            hall = EMPTY.format(name="hall", url=room, rules="{}")
            reload(cameras(garden, hall))
            wait_for(lambda: (listener.last("hall/status") or {}).get("state") == "streaming", SLOW, "hall")
            assert listener.last("info")["cameras"] == ["street", "garden", "hall"]
            assert set(listener.last("info")["models"]["detector"]) == {"name", "sha256"}
            listener.say("hall/enabled/set", "OFF")
            wait_for(lambda: listener.last("hall/status")["state"] == "disabled", SLOW, "switched off")

            # 2. Two SIGHUPs in a row; another rule only: the stream stays. A switch holds.
            connections = len(listener.bodies("garden/status"))
            other = garden.replace("falls: {type: fall}", "lying: {type: lying}")
            moment = time.time()
            config.write_text("# a comment\n" + cameras(hall, other))
            daemon.reload()
            daemon.reload()
            wait_for(lambda: loaded_after(listener, moment), SLOW, "the reload")
            wait_for(lambda: listener.last("garden/alert/lying") == "OFF", SLOW, "the new rule")
            wait_for(lambda: listener.last("garden/alert/falls") == "", SLOW, "the old rule is cleared")
            assert {one["state"] for one in listener.bodies("garden/status")[connections:]} <= {"streaming"}
            assert listener.last("hall/status")["state"] == "disabled"

            # 3. A mistake changes nothing, and says where it is.
            config.write_text(cameras(hall, other).replace("fps: 2", "fsp: 2", 1))
            daemon.reload()
            wait_for(lambda: listener.last("config")["state"] == "invalid", SLOW, "the refusal")
            assert listener.last("config")["error"].startswith(f"{config}:13: cameras.hall.fsp: unknown key")
            wait_for(lambda: systemd.last("STATUS=configuration refused"), SLOW, "the status line")

            # 4. What is right again is applied: the hall goes, with everything that was retained of it.
            reload(cameras(other))
            wait_for(lambda: listener.last("hall/status") == "", SLOW, "the hall is gone")
            device = [
                one.body for one in listener.received if one.topic.endswith("device/posewatch/hall/config")
            ]
            assert device[-1] == ""
            wait_for(lambda: systemd.count("RELOADING=1") == systemd.count("READY=1") - 1 >= 4, SLOW, "READY")
            reload_text = systemd.last("RELOADING=1")
            assert reload_text is not None
            assert "MONOTONIC_USEC=" in reload_text[1]

            # 5. The street went on through all of it.
            during = listener.bodies("street/tracks")[seen:]
            assert listener.last("street/alert/about") == "ON"
            assert [one["state"] for one in listener.bodies("street/status")].count("connecting") == 1
            reasons = {body.get("reason") for body in listener.bodies("street/alerts")}
            assert "config" not in reasons
            assert not {body.get("reason") for body in listener.bodies("street/events")} - {None, "over"}
            assert before <= set(alerts(listener))
            gap = max(b["time"] - a["time"] for a, b in pairwise(during))
            print(f"largest gap {gap:.2f} s in {len(during)} frames; followed before: {len(tracks)}")
            assert daemon.ask_to_stop()[0] == 0
            wait_for(lambda: listener.last("status") == "offline", SLOW, "offline")
        with Listener(broker.port) as late:
            late.catch_up()
            assert not [one.topic for one in late.received if "hall" in one.topic]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "is no plain file"),
        (lambda path: path.write_text("# long\n" * 2_000_000), "that is no configuration"),
        (lambda path: path.write_text(path.read_text().replace(" state}", " new}")), "needs a restart"),
        (lambda path: path.write_text(path.read_text() + "detect: {model: no.onnx}\n"), "no.onnx"),
        (lambda path: (path.with_name("bad.onnx").write_bytes(b"bad"),
                       path.write_text(path.read_text() + "detect: {model: bad.onnx}\n")), "bad.onnx"),
    ],
    ids=["gone", "fifo", "large", "storage", "no model", "bad model"],
)  # fmt: skip
def test_a_file_that_cannot_be_used_changes_nothing(
    running: tuple[Path, Daemon, Listener], change: Any, error: str
) -> None:
    config, daemon, listener = running
    text = config.read_text()
    change(config)
    daemon.reload()
    wait_for(lambda: error in ((listener.last("config") or {}).get("error") or ""), SLOW, error)
    assert daemon.process.poll() is None
    config.unlink(missing_ok=True)
    config.write_text(text)
    moment = time.time()
    daemon.reload()
    wait_for(lambda: loaded_after(listener, moment), SLOW, "the good file")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, pose_model: Path):
    """A daemon whose camera is away, for what needs no pictures."""
    assert pose_model.is_file()
    folder = tmp_path_factory.mktemp("running")
    config = folder / "posewatch.yaml"
    with Broker(folder) as broker, Listener(broker.port) as listener:
        url = f"rtsp://127.0.0.1:{free_port()}/nobody"
        config.write_text(
            HEAD.format(port=broker.port) + "cameras:\n" + EMPTY.format(name="door", url=url, rules="{}")
        )
        with Daemon(config) as daemon:
            wait_for(lambda: listener.last("config"), SLOW, "the start")
            yield config, daemon, listener
            assert daemon.ask_to_stop()[0] == 0


def test_signals_that_come_at_a_bad_time(pose_model: Path, tmp_path: Path) -> None:
    """SIGHUP while it starts, and SIGTERM while it reloads; in between, what concerns the whole process."""
    assert pose_model.is_file()
    config = tmp_path / "posewatch.yaml"
    with Broker(tmp_path) as broker, Listener(broker.port) as listener:
        url = f"rtsp://127.0.0.1:{free_port()}/nobody"
        cameras = "".join(EMPTY.format(name=f"c{n}", url=url, rules="{}") for n in range(2))
        text = HEAD.format(port=broker.port) + "cameras:\n" + cameras
        config.write_text(text.replace("mqtt: {", "mqtt: {enabled: false, "))
        with Daemon(config) as daemon:
            wait_for(lambda: "loading config=" in daemon.log.read_text(), SLOW, "the first line")
            config.write_text(text)
            daemon.reload()
            wait_for(lambda: "reloaded added=" in daemon.log.read_text(), SLOW, "the reload")
            wait_for(lambda: listener.last("c1/status"), SLOW, "what nobody was told before")
            files, threads = usage(daemon)
            moment = time.time() - 0.001
            config.write_text(text + "performance: {workers: 1}\nlog: {format: json}\n")
            daemon.reload()
            wait_for(lambda: loaded_after(listener, moment), SLOW, "the reload")
            wait_for(lambda: '"event": "reloaded"' in daemon.log.read_text(), SLOW, "JSON lines")
            wait_for(lambda: usage(daemon)[1] < threads, SLOW, "the second worker's end")
            for number in range(5):
                for cameras_now in (
                    cameras + EMPTY.format(name=f"new{number}", url=url, rules="{}"),
                    cameras,
                ):
                    moment = time.time() - 0.001
                    config.write_text(HEAD.format(port=broker.port) + "cameras:\n" + cameras_now)
                    daemon.reload()
                    wait_for(lambda after=moment: loaded_after(listener, after), SLOW, "the reload")
            # What came and went has left nothing behind.
            wait_for(lambda: usage(daemon)[1] <= threads, SLOW, "threads")
            wait_for(lambda: usage(daemon)[0] <= files, SLOW, "files")
            daemon.reload()
            status, seconds = daemon.ask_to_stop()
            assert status == 0
            assert seconds < 10


def usage(daemon: Daemon) -> tuple[int, int]:
    """Open files and threads of the daemon."""
    own = Path("/proc") / str(daemon.process.pid)
    return len(list((own / "fd").iterdir())), len(list((own / "task").iterdir()))


def test_everything_about_the_broker_applies_at_once(
    running: tuple[Path, Daemon, Listener], tmp_path: Path
) -> None:
    """Another broker, another prefix and another client id: what is retained is there, `offline` is here."""
    config, daemon, listener = running
    text = config.read_text()
    with Broker(tmp_path) as other:
        with Listener(other.port) as there:
            port = text.split("port: ")[1].split(",")[0]
            changed = text.replace(f"port: {port}", f"port: {other.port}").replace(
                "posewatch-test", "somebody"
            )
            config.write_text(changed + "profiles: [home, away]\n")
            daemon.reload()
            wait_for(lambda: there.last("status") == "online", SLOW, "the other broker")
            wait_for(lambda: listener.last("status") == "offline", SLOW, "the goodbye")
            wait_for(lambda: there.last("profile/state") == "home", SLOW, "the profile")
            there.say("profile/set", "away")
            wait_for(lambda: there.last("profile/state") == "away", SLOW, "a new command")
            there.catch_up()
            assert there.last("info")["cameras"] == ["door"]
            config.write_text(changed.replace("client_id", "prefix: posewatch/up, client_id"))
            daemon.reload()
            wait_for(lambda: there.last("up/status") == "online", SLOW, "the other prefix")
            wait_for(lambda: there.last("profile/state") == "", SLOW, "what was there before")
            wait_for(lambda: (there.last("up/config") or {}).get("state") == "ok", SLOW, "the configuration")
        with Listener(other.port) as late:
            late.catch_up()
            left = {one.topic for one in late.received if not one.topic.startswith("posewatch/up/")}
            assert not {one for one in left if one.startswith("posewatch/")}
        config.write_text(text)
        daemon.reload()
        wait_for(lambda: listener.last("status") == "online", SLOW, "back again")
