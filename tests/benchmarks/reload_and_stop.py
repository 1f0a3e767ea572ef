"""How long a reload and a stop take, with a real RTSP camera of people and a real broker.

python tests/benchmarks/reload_and_stop.py
"""

# ruff: noqa: B023, E501 (each condition is waited for before the loop goes on)
from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests")]

from listening import Listener  # noqa: E402
from running import Daemon  # noqa: E402
from servers import Broker, Gate, RtspServer, silent_server, wait_for, write_clip  # noqa: E402

from daemon.demo.sample import fetch_sample  # noqa: E402
from daemon.demo.servers import transcode  # noqa: E402

HEAD = "mqtt: {{host: 127.0.0.1, port: {port}, client_id: b}}\nstorage: {{path: state}}\ncameras:\n"
STREET = """\
  street:
    url: {url}
    fps: 5
    publish_tracks: true
    zones: {{all: {{points: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}}
    rules: {{about: {{type: loitering, for: 1s, zones: [all]}}}}
"""
ROOM = "  {name}: {{url: {url}, fps: 2, rules: {{}}, detect: {{score: {score}}}}}\n"
ODD = (str(ROOT / "tests" / "integration" / "odd_daemon.py"),)
SLOW = 60.0


def reloads(folder: Path) -> None:
    """Gaps between processed frames of the camera that does not change, without and with reloads."""
    transcode(fetch_sample(print), folder / "street.mp4", seconds=75.0)
    write_clip(folder / "room.mp4", seconds=75.0, rate=5)
    config = folder / "posewatch.yaml"
    with RtspServer(folder) as camera, Broker(folder) as broker, Listener(broker.port) as listener:
        room = camera.url("room.mp4")
        head = HEAD.format(port=broker.port) + STREET.format(url=camera.url("street.mp4"))
        config.write_text(head + ROOM.format(name="a", url=room, score=0.1))
        with Daemon(config) as daemon:
            wait_for(lambda: listener.last("street/alert/about") == "ON", SLOW, "an alert")
            begin = len(listener.bodies("street/tracks"))
            wait_for(lambda: len(listener.bodies("street/tracks")) > begin + 60, SLOW, "frames")
            middle, took = len(listener.bodies("street/tracks")), []
            for number in range(10):
                score = 0.1 if number % 2 else 0.2  # a model of its own is loaded each time
                text = head + ROOM.format(name="a", url=room, score=score)
                if number % 3:
                    text += ROOM.format(name=f"new{number}", url=room, score=0.1)
                moment = time.time() - 0.001
                began = time.monotonic()
                config.write_text(text)
                daemon.reload()
                wait_for(
                    lambda after=moment: listener.last("config")["loaded_at"] > after, SLOW, "the reload"
                )
                took.append(time.monotonic() - began)
                now = len(listener.bodies("street/tracks"))
                wait_for(lambda count=now: len(listener.bodies("street/tracks")) > count + 3, SLOW, "frames")
            frames = [one["time"] for one in listener.bodies("street/tracks")]
            ended = [one for one in listener.bodies("street/alerts") if one["reason"] == "config"]
    for name, part in (("without a reload", frames[begin:middle]), ("with ten", frames[middle:])):
        gaps = [b - a for a, b in pairwise(part)]
        print(
            f"| largest gap between frames, {name} | {max(gaps):.2f} s (median {statistics.median(gaps):.2f}) |"
        )
    print(f"| SIGHUP to `ok` on MQTT | {statistics.median(took):.2f} s (longest {max(took):.2f}) |")
    print(f"| alerts of that camera ended by it | {len(ended)} |", flush=True)


def stop(folder: Path, name: str, cameras: str, prepare: Callable[[ExitStack, Broker, Path], int]) -> None:
    """Seconds from SIGTERM to the end, three times."""
    found, offline = [], 0
    for number in range(3):
        place = folder / f"{name.replace(' ', '-')}-{number}"
        place.mkdir()
        config = place / "posewatch.yaml"
        with ExitStack() as stack:
            broker = stack.enter_context(Broker(place))
            listener = stack.enter_context(Listener(broker.port))
            port = prepare(stack, broker, place)
            silent = stack.enter_context(silent_server())
            config.write_text(HEAD.format(port=port) + cameras.replace("SILENT", str(silent)))
            daemon = stack.enter_context(Daemon(config, ODD, ODD_FAULTS=str(place), ODD_STUCK="1"))
            if "street" in cameras:
                wait_for(lambda: listener.last("street/alert/about") == "ON", SLOW, "an alert")
            else:
                wait_for(lambda: listener.last("c23/status"), SLOW, "every camera")
            if name == "broker hangs":
                gates[-1].freeze()
            if name == "disk hangs":
                (place / "hung_disk").write_text("")
                wait_for(lambda: "storage_degraded" in daemon.log.read_text(), SLOW, "the disk")
            if name == "worker hangs":
                (place / "hangs").write_text("street")
                wait_for(lambda: "hangs what=worker" in daemon.log.read_text(), SLOW, "the hang")
            status, seconds = daemon.ask_to_stop()
            assert status == 0, daemon.log.read_text()
            found.append(seconds)
            if name != "broker hangs":
                wait_for(lambda: listener.last("status") == "offline", SLOW, "offline")
                offline += 1
    print(
        f"| {name} | {statistics.median(found):.1f} s (longest {max(found):.1f}) | {offline} of 3 |",
        flush=True,
    )


gates: list[Gate] = []


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reloads(folder)
        street = STREET.format(url=folder / "street.mp4").replace(
            "    fps: 5\n", "    fps: 5\n    loop: true\n"
        )

        def plain(_stack: ExitStack, broker: Broker, _place: Path) -> int:
            return broker.port

        def through_a_gate(stack: ExitStack, broker: Broker, _place: Path) -> int:
            gates.append(stack.enter_context(Gate(broker.port)))
            return gates[-1].port

        silent = "".join(f"  c{n}: {{url: 'rtsp://127.0.0.1:SILENT/{n}', rules: {{}}}}\n" for n in range(24))
        stop(folder, "an alert is open", street, plain)
        stop(folder, "24 silent cameras", silent, plain)
        stop(folder, "broker hangs", street, through_a_gate)
        stop(folder, "disk hangs", street, plain)
        stop(folder, "worker hangs", street, plain)
    return 0


if __name__ == "__main__":
    sys.exit(main())
