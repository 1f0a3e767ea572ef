"""The whole daemon against every fault of a camera, as Markdown: real RTSP over TCP, a real broker.

    python tests/benchmarks/camera_faults.py                 about four minutes
    python tests/benchmarks/camera_faults.py --only freeze
    python tests/benchmarks/camera_faults.py --reconnects 200

Four cameras; one of them is faulty. `notice` is the time from the fault to the message on its status topic,
`recover` from the end of the fault to `streaming`, `blind` the longest time without a processed picture of
that camera, `others` the pictures a second of the three good ones together, before and during the fault.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests")]

from footage import footage  # noqa: E402
from listening import Listener  # noqa: E402
from rtsp_camera import Behaviour, RtspCamera  # noqa: E402
from running import Daemon  # noqa: E402
from servers import Broker, wait_for  # noqa: E402

OPEN = READ = 3.0  # seconds: open_timeout and read_timeout
RATE = 5
GOOD = ("east", "north", "west")


class Timed(Listener):
    """Notes when every message came."""

    def __init__(self, port: int) -> None:
        self.at: list[tuple[float, str, Any]] = []
        super().__init__(port)

    def _take(self, client: object, data: object, message: Any) -> None:
        super()._take(client, data, message)
        one = self.received[-1]
        self.at.append((time.monotonic(), one.topic.removeprefix("posewatch/"), one.body))

    def times(self, topic: str, since: float, until: float = float("inf")) -> list[float]:
        return [at for at, name, _ in list(self.at) if name == topic and since <= at <= until]

    def said(self, camera: str, since: float, state: str, reason: str | None = None) -> float | None:
        """When its status was first so after `since`."""
        for at, topic, body in list(self.at):
            if at < since or topic != f"{camera}/status":
                continue
            if body["state"] == state and reason in (None, body["reason"]):
                return at
        return None


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        begin: makes it so.
        end: makes it right again.
        state: that the status topic must show; None where pictures must go on.
        reason: likewise.
        again: whether the connection is cut to begin with, so that the fault is met when it opens again.
    """

    begin: Callable[[RtspCamera], None]
    state: str | None = None
    reason: str | None = None
    again: bool = False
    end: Callable[[RtspCamera], None] = lambda _: None


def behave(**changes: Any) -> Callable[[RtspCamera], None]:
    def begin(camera: RtspCamera) -> None:
        camera.behaviour = Behaviour(**changes)

    return begin


def show(name: str, **changes: Any) -> Callable[[RtspCamera], None]:
    def begin(camera: RtspCamera) -> None:
        camera.footage = footage(name, rate=RATE, gop=RATE, **changes)

    return begin


def kill(camera: RtspCamera) -> None:
    camera.kill()


def _lossy(number: int, packets: list[bytes]) -> list[bytes]:
    return packets[1:] if number % 13 == 3 else packets


FAULTS: dict[str, Fault] = {
    "server killed, started again": Fault(kill, "connecting", "network", end=lambda camera: camera.start()),
    "connection accepted, nothing said": Fault(
        behave(mute_from="CONNECT"), "connecting", "timeout", again=True
    ),
    "DESCRIBE is never answered": Fault(behave(mute_from="DESCRIBE"), "connecting", "timeout", again=True),
    "plays, and no data comes": Fault(behave(data=False), "connecting", "timeout", again=True),
    "plays, and only RTCP comes": Fault(behave(data=False, rtcp=True), "connecting", "timeout", again=True),
    "answers a byte at a time": Fault(behave(slow=0.2), "connecting", "timeout", again=True),
    "freeze in mid-GOP, connection open": Fault(behave(data=False), "stalled", "timeout"),
    "freeze in mid-GOP, RTCP goes on": Fault(behave(data=False, rtcp=True), "stalled", "timeout"),
    "one picture in 10 s (read_timeout 3 s)": Fault(behave(speed=0.02), "stalled", "timeout"),
    "wrong password": Fault(behave(login=("admin", "other")), "connecting", "auth", again=True),
    "no such path": Fault(behave(answers={"DESCRIBE": 404}), "connecting", "not_found", again=True),
    "busy (503)": Fault(behave(answers={"DESCRIBE": 503}), "connecting", "network", again=True),
    "H.265 in the middle of H.264": Fault(show("hevc"), None),
    "H.265 after a new connection": Fault(show("hevc"), "connecting", "network", again=True),
    "another resolution in the middle": Fault(show("h264", width=480, height=272)),
    "one picture in 13 with a packet missing": Fault(behave(damage=_lossy)),
    "rubbish between the packets": Fault(behave(junk=b"\0\xffrubbish$\7\r\n")),
    "time stamps an hour ahead": Fault(behave(stamps=lambda _, s: round((s + 3600) * 90000))),
    "time stamps an hour back": Fault(behave(stamps=lambda _, s: round((s - 3600) * 90000))),
    "time stamps stand still": Fault(behave(stamps=lambda *_: 777)),
    "clock loses 1 s in 1000": Fault(behave(stamps=lambda _, s: round(s * 0.999 * 90000))),
}


def configuration(folder: Path, broker: int, cameras: dict[str, RtspCamera]) -> Path:
    quick = {
        "fps": RATE * 2, "open_timeout": OPEN, "read_timeout": READ, "publish_tracks": True,
        "reconnect": {"min": 0.5, "max": 1.0, "refused": 2.0},
    }  # fmt: skip
    path = folder / "posewatch.yaml"
    entries = {name: {"url": camera.url("admin:secret"), **quick} for name, camera in cameras.items()}
    entries["nameless"] = {**quick, "url": "rtsp://no-such-host.invalid/stream"}
    path.write_text(
        yaml.safe_dump(
            {"mqtt": {"port": broker, "host": "127.0.0.1"}, "cameras": entries, "stats_interval": 5}
        )
    )
    return path


def row(name: str, fault: Fault, door: RtspCamera, listener: Timed) -> tuple[str, bool]:
    """Does it, and tells what came of it; False where it was not as it must be."""
    before = time.monotonic()
    wait_for(lambda: time.monotonic() - before > 4.0)
    begun = time.monotonic()
    fault.begin(door)
    if fault.again:
        door.drop()
    good, noticed, told = True, None, "pictures go on"
    if fault.state is not None:
        wait_for(lambda: listener.said("door", begun, fault.state or "", fault.reason), 30, name)
        noticed = listener.said("door", begun, fault.state, fault.reason)
        told = f"{fault.state}, {fault.reason}"
    wait_for(lambda: time.monotonic() - begun > 6.0)
    ended = time.monotonic()
    door.behaviour = Behaviour()
    fault.end(door)
    first = lambda: listener.times("door/tracks", ended + 0.3)  # noqa: E731
    wait_for(first, 60, f"{name}: pictures again")
    back = listener.said("door", ended, "streaming")
    if fault.state is None:
        interrupted = [s for s in ("stalled", "connecting") if listener.said("door", begun, s)]
        at = [x for s in interrupted if (x := listener.said("door", begun, s)) is not None]
        if at:
            body = next(b for t, n, b in listener.at if t == min(at) and n == "door/status")
            told = f"{body['state']}, {body['reason']}; then pictures go on"
            noticed = min(at)
            good = "H.265" in name
    seen = [begun, *listener.times("door/tracks", begun), time.monotonic()]
    blind = max(b - a for a, b in pairwise(seen))
    others = [
        sum(len(listener.times(f"{one}/tracks", a, b)) for one in GOOD) / (b - a)
        for a, b in ((before, begun), (begun, ended))
    ]
    show("h264")(door)
    return (
        f"| {name} | {told} | {f'{noticed - begun:.1f}' if noticed else '-'} "
        f"| {f'{back - ended:.1f}' if back and fault.state else '-'} | {blind:.1f} "
        f"| {others[0]:.1f}, {others[1]:.1f} |",
        good,
    )


def reconnects(count: int, door: RtspCamera, listener: Timed, process: psutil.Process) -> None:
    """Cuts the connection again and again; prints what the daemon holds."""
    print(f"\n{count} connections cut:\n\n| after | RSS MiB | threads | files |\n|---:|---:|---:|---:|")
    for number in range(count + 1):
        if number in (10, count // 4, count // 2, 3 * count // 4, count):
            figures = process.memory_info().rss / 2**20, process.num_threads(), process.num_fds()
            print("| {} | {:.1f} | {} | {} |".format(number, *figures), flush=True)
        cut = time.monotonic()
        door.drop()
        wait_for(lambda: listener.said("door", cut, "streaming"), 30, "streaming again")  # noqa: B023


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument(
        "--reconnects", type=int, default=0, help="how often the connection is cut at the end"
    )
    chosen = parser.parse_args()
    clip = footage("h264", rate=RATE, gop=RATE)
    cameras = {name: RtspCamera(clip) for name in (*GOOD, "door")}
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for camera in cameras.values():
            camera.start()
        path = folder / "state"
        path.mkdir()
        with Broker(folder) as broker, Timed(broker.port) as listener:
            started = time.monotonic()
            with Daemon(configuration(folder, broker.port, cameras)) as daemon:
                wait_for(lambda: all(listener.said(c, 0, "streaming") for c in cameras), 90, "streaming")
                told = listener.said("nameless", 0, "connecting", "network")
                print("| fault | what the user sees | notice s | recover s | blind s | others fps |")
                print("|---|---|---:|---:|---:|---:|")
                if told is not None and not chosen.only:
                    since = listener.said("nameless", 0, "connecting") or started
                    print(f"| host name unknown | connecting, network | {told - since:.1f} | - | - | - |")
                for fault, how in FAULTS.items():
                    if chosen.only in fault:
                        text, good = row(fault, how, cameras["door"], listener)
                        print(text, flush=True)
                        wrong += [fault] * (not good)
                if chosen.reconnects:
                    reconnects(
                        chosen.reconnects, cameras["door"], listener, psutil.Process(daemon.process.pid)
                    )
                status, seconds = daemon.ask_to_stop()
                print(f"\nStopped with status {status} in {seconds:.1f} s.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
