"""One run: cameras, broker and daemon, each in a process of its own, and somebody outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import yaml
from servers import Broker, free_port, wait_for

from live.footage import clip_of
from live.outside import Outside, Percentiles, percentiles, since_sent
from live.server import SENT

__all__ = ["Load", "Run", "measure"]

_START = 120.0  # seconds until every camera streams; a busy machine takes its time


@dataclass(frozen=True, slots=True)
class Load:
    """What the daemon is given.

    Attributes:
        cameras: how many.
        rate: frames a second of each.
        scene: what they show, of `live.footage.SCENES`.
        seconds: for which it is measured.
        warm_up: seconds after the last camera began to stream.
        same: whether all show the same at the same time; else each begins at another place of the clip. What
            one more camera costs can be told from cameras only that show the same.
        settings: of the configuration, laid over what the run needs.
    """

    cameras: int
    rate: int = 10
    scene: str = "vga-3"
    seconds: float = 30.0
    warm_up: float = 8.0
    same: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run found. Counts and times are of the measured seconds.

    Attributes:
        cameras, rate, scene, seconds: as asked, and as it was.
        people: confirmed people a processed frame.
        fps_in: frames a second received, by camera.
        fps_processed: processed, by camera.
        dropped: frames that a newer one replaced, by camera.
        cpu: cores that the daemon used.
        cpu_ms: its CPU milliseconds a processed frame.
        server_cpu: cores that the cameras used.
        broker_cpu: cores that the broker used.
        other_cpu: cores that everything else on the machine used.
        cores: that there are.
        latency_inside: as the daemon says, of the cameras' last frames: median p50 and largest p95.
        latency_outside: from a frame's time to the message, seen by the client.
        latency_sent: from the moment at which the camera sent the picture.
        server_late: how late the cameras sent; large where the machine has no time for them.
        start_up: seconds from the start of the process to `ready`, to every camera streaming, and to the
            first messages of two kinds.
        rss: MB when ready, and at the end.
        threads: of the daemon at the end.
        stages_ms: mean wall ms a frame by stage, over all cameras.
        load: share of the workers' time with a frame in hand, as the daemon says.
        overloaded: cameras of which it says so.
        errors: frames that failed.
    """

    cameras: int
    rate: int
    scene: str
    seconds: float
    people: float
    fps_in: list[float]
    fps_processed: list[float]
    dropped: list[int]
    cpu: float
    cpu_ms: float
    server_cpu: float
    broker_cpu: float
    other_cpu: float
    cores: int
    latency_inside: Percentiles
    latency_outside: Percentiles
    latency_sent: Percentiles
    server_late: Percentiles
    start_up: dict[str, float]
    rss: dict[str, float]
    threads: int
    stages_ms: dict[str, float]
    load: float
    overloaded: list[str]
    errors: int

    @property
    def processed_share(self) -> float:
        """Of the frames that came, those that were processed."""
        return sum(self.fps_processed) / max(sum(self.fps_in), 1e-9)

    @property
    def evenness(self) -> float:
        """Frames of the camera of which fewest were processed, over those of the one of which most were."""
        return min(self.fps_processed) / max(max(self.fps_processed), 1e-9)

    @property
    def is_sustained(self) -> bool:
        """Whether nearly every frame was processed, of every camera."""
        return (
            all(done >= 0.98 * came for done, came in zip(self.fps_processed, self.fps_in, strict=True))
            and min(self.fps_in) >= 0.95 * self.rate
        )


class _Usage:
    """CPU seconds of the processes, and of the whole machine."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}

    def seconds(self) -> dict[str, float]:
        found = {}
        for name, process in self._processes.items():
            times = process.cpu_times()
            found[name] = times.user + times.system
        machine = psutil.cpu_times()
        found["machine"] = sum(machine) - machine.idle - machine.iowait - machine.guest - machine.guest_nice
        return found


def measure(load: Load, folder: Path, footage: Path) -> Run:
    """Runs it once.

    Args:
        load: what the daemon is given.
        folder: for the files of this run; empty.
        footage: where coded clips are kept.
    """
    clip = clip_of(load.scene, load.rate, footage)
    names = [f"cam{number}" for number in range(load.cameras)]
    with _cameras(folder, names, clip, load) as (port, server), Broker(folder) as broker:
        assert broker._process is not None
        with Outside(broker.port) as outside:
            health = free_port()
            config = _configure(folder, names, load, port, broker.port, health)
            started = time.time()
            with _daemon(config) as daemon:
                picture = _asker(health, daemon, config.with_suffix(".log"))
                wait_for(lambda: (picture() or {}).get("ready"), _START, "the daemon")
                start_up = {"ready": time.time() - started}
                rss = {"ready": psutil.Process(daemon.pid).memory_info().rss / 1e6}
                wait_for(
                    lambda: all(one["frames_processed"] for one in (picture() or _NOBODY)["cameras"]),
                    _START,
                    "a frame of every camera",
                )
                start_up["all_cameras"] = time.time() - started
                time.sleep(load.warm_up)
                usage = _Usage({"daemon": daemon.pid, "server": server.pid, "broker": broker._process.pid})
                first, used, begin = picture(), usage.seconds(), time.time()
                time.sleep(load.seconds)
                last, used_then, end = picture(), usage.seconds(), time.time()
                process = psutil.Process(daemon.pid)
                rss["end"], threads = process.memory_info().rss / 1e6, process.num_threads()
                daemon.send_signal(signal.SIGTERM)
                daemon.wait(30)
        server.send_signal(signal.SIGTERM)
        server.wait(10)
    assert first is not None
    assert last is not None
    start_up |= {kind: at - started for kind, at in outside.first.items() if kind in ("events", "tracks")}
    return _summary(
        load, first, last, begin, end, {name: used_then[name] - used[name] for name in used}, outside,
        _sent(folder / "sent.bin", begin, end, load.cameras), start_up, rss, threads,
    )  # fmt: skip


_NOBODY: dict[str, Any] = {"cameras": [{"frames_processed": 0}]}


def _summary(
    load: Load, first: dict[str, Any], last: dict[str, Any], begin: float, end: float, used: dict[str, float],
    outside: Outside, sent: tuple[list[list[float]], list[float]], start_up: dict[str, float],
    rss: dict[str, float], threads: int,
) -> Run:  # fmt: skip
    seconds = last["time"] - first["time"]
    rows = list(zip(first["cameras"], last["cameras"], strict=True))
    done = sum(b["frames_processed"] - a["frames_processed"] for a, b in rows)
    frames = [[one for one in outside.frames[b["name"]] if begin <= one[1] < end] for _, b in rows]
    moments, late = sent
    since = [
        value
        for ours, at in zip(frames, moments, strict=True)
        for value in since_sent(ours, at, 1.0 / load.rate)
    ]
    inside = [b["latency_ms"] for _, b in rows if b["latency_ms"]["p50"] is not None]
    messages = [one for camera in frames for one in camera]
    stages: dict[str, float] = {}
    for a, b in rows:
        for name, value in b["stages"].items():
            before = a["stages"].get(name, {"seconds": 0.0})["seconds"]
            stages[name] = stages.get(name, 0.0) + value["seconds"] - before
    return Run(
        cameras=load.cameras, rate=load.rate, scene=load.scene, seconds=round(seconds, 2),
        people=round(statistics.fmean(one[2] for one in messages), 2) if messages else 0.0,
        fps_in=[round((b["frames_in"] - a["frames_in"]) / seconds, 2) for a, b in rows],
        fps_processed=[round((b["frames_processed"] - a["frames_processed"]) / seconds, 2) for a, b in rows],
        dropped=[b["frames_dropped"] - a["frames_dropped"] for a, b in rows],
        cpu=round(used["daemon"] / seconds, 3),
        cpu_ms=round(1000.0 * used["daemon"] / max(done, 1), 2),
        server_cpu=round(used["server"] / seconds, 3),
        broker_cpu=round(used["broker"] / seconds, 3),
        other_cpu=round((used["machine"] - used["daemon"] - used["server"] - used["broker"]) / seconds, 3),
        cores=len(os.sched_getaffinity(0)),
        latency_inside={
            "p50": statistics.median(one["p50"] for one in inside) if inside else None,
            "p95": max(one["p95"] for one in inside) if inside else None,
        },
        latency_outside=percentiles(came - taken for taken, came, _ in messages),
        latency_sent=percentiles(since),
        server_late=percentiles(late),
        start_up={name: round(value, 2) for name, value in start_up.items()},
        rss={name: round(value) for name, value in rss.items()},
        threads=threads,
        stages_ms={name: round(1000.0 * value / max(done, 1), 2) for name, value in stages.items()},
        load=last["load"],
        overloaded=[b["name"] for _, b in rows if b.get("overloaded")],
        errors=sum(b["errors"] - a["errors"] for a, b in rows),
    )  # fmt: skip


def _configure(folder: Path, names: list[str], load: Load, rtsp: int, mqtt: int, health: int) -> Path:
    """Writes a configuration with the defaults, apart from what this measurement needs."""
    cameras = {
        name: {"url": f"rtsp://127.0.0.1:{rtsp}/{name}", "fps": max(15, load.rate), "publish_tracks": True}
        for name in names
    }
    everything = {
        "mqtt": {"host": "127.0.0.1", "port": mqtt},
        "storage": {"path": str(folder / "state")},
        "health": {"port": health},
        "stats_interval": "2s",
        "cameras": cameras,
        **load.settings,
    }
    path = folder / "posewatch.yaml"
    path.write_text(yaml.safe_dump(everything, sort_keys=False), encoding="utf-8")
    return path


@contextlib.contextmanager
def _cameras(
    folder: Path, names: list[str], clip: Path, load: Load
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The server of the cameras; its port and its process."""
    spec = {
        "port": free_port(),
        "sent": str(folder / "sent.bin"),
        "cameras": [
            {
                "name": name,
                "clip": str(clip),
                "rate": load.rate,
                "first": 0.0 if load.same else number / len(names),
            }
            for number, name in enumerate(names)
        ],
    }
    path = folder / "cameras.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    program = Path(__file__).with_name("server.py")
    process = subprocess.Popen([sys.executable, str(program), str(path)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError("the cameras did not start")
        yield int(str(spec["port"])), process
    finally:
        process.kill()
        process.wait(10)


@contextlib.contextmanager
def _daemon(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    with config.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon.cli", "run", "-c", str(config)], stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def _asker(health: int, daemon: subprocess.Popen[bytes], log: Path) -> Callable[[], dict[str, Any] | None]:
    """Asks for the figures; None while nobody answers."""

    def ask() -> dict[str, Any] | None:
        if daemon.poll() is not None:
            raise RuntimeError(f"the daemon ended: {log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{health}/status", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
        return None

    return ask


def _sent(path: Path, begin: float, end: float, cameras: int) -> tuple[list[list[float]], list[float]]:
    """By camera, when its pictures were sent; and how late each was, while it was measured."""
    moments: list[list[float]] = [[] for _ in range(cameras)]
    late = []
    for camera, due, at in SENT.iter_unpack(path.read_bytes()):
        moments[camera].append(at)
        if begin <= at < end:
            late.append(at - due)
    return moments, late
