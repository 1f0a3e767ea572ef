"""Memory of the daemon: at its start, for each further camera, and over time; and how soon it says something.

    python tests/benchmarks/memory.py cameras --counts 1 2 4 8        real RTSP cameras, 1080p
    python tests/benchmarks/memory.py growth --minutes 30             many people, alerts, clips, reconnects
    python tests/benchmarks/memory.py start                           from the command to the first event

`posewatch run` in a process of its own, with a real RTSP server and mosquitto; the footage is OpenCV's
vtest.avi. Numbers are the resident set size in MB of 10^6 bytes. `--json FILE` writes every number; `growth`
draws a plot beside it where matplotlib is installed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import psutil
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "integration"), str(ROOT / "tests")]

from listening import Listener  # noqa: E402
from running import Daemon  # noqa: E402
from servers import Broker, RtspServer, wait_for  # noqa: E402

from daemon.demo.sample import fetch_sample  # noqa: E402

ZONES = {
    "lawn": {"points": [[0.0, 0.43], [0.28, 0.47], [0.55, 0.62], [1.0, 0.87], [1.0, 1.0], [0.0, 1.0]]},
    "everywhere": {"points": [[0, 0], [1, 0], [1, 1], [0, 1]]},
}
_PATIENCE = 300.0  # seconds for everything to run; other programs may have the machine


def write_clip(
    target: Path, codec: str, size: tuple[int, int], rate: int, frames: int, *, b_frames: int = 0
) -> None:
    """The footage in this size, with a key frame a second and by default no B frames, as cameras send it."""
    source = fetch_sample(lambda line: print(line, flush=True))
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        stream = writer.add_stream("libx265" if codec == "h265" else "libx264", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "26", "bf": str(b_frames), "g": str(rate)}
        if codec == "h265":
            stream.options |= {"x265-params": f"log-level=none:keyint={rate}:bframes={b_frames}"}
        for number, frame in enumerate(reader.decode(video=0)):
            if number >= frames:
                break
            picture = frame.reformat(*size, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, rate)
            picture.pict_type = av.video.frame.PictureType.NONE
            writer.mux(stream.encode(picture))
        writer.mux(stream.encode())


def settings(port: int, urls: list[str], **more: Any) -> dict[str, Any]:
    """A configuration with a camera for each of these addresses."""
    return {
        "mqtt": {"host": "127.0.0.1", "port": port},
        "stats_interval": "5s",
        "storage": {"path": "state", "max_size": "48MB"},
        **more,
        "cameras": {f"cam{number}": {"url": url, "fps": 2} for number, url in enumerate(urls)},
    }


@contextmanager
def running(folder: Path, config: dict[str, Any]) -> Iterator[psutil.Process]:
    """The daemon with this configuration."""
    path = folder / "posewatch.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    path.chmod(0o600)
    daemon = Daemon(path)
    try:
        yield psutil.Process(daemon.process.pid)
        daemon.ask_to_stop()
    finally:
        if daemon.process.poll() is None:
            daemon.kill()


def resident(process: psutil.Process) -> float:
    """MB.

    Raises:
        SystemExit: it has ended.
    """
    if process.status() == psutil.STATUS_ZOMBIE:
        raise SystemExit("the daemon has ended")
    return float(process.memory_info().rss) / 1e6


def frames_processed(listener: Listener) -> list[float]:
    """Frames a second of each camera, as said last; those that have none are left out."""
    cameras = (listener.last("stats") or {}).get("cameras", {})
    return [one["fps_processed"] for one in cameras.values() if one["fps_processed"] > 0]


def cameras(options: argparse.Namespace) -> dict[str, Any]:
    """RSS by the number of cameras, each number in a fresh process."""
    width, height = (int(side) for side in options.size.split("x"))
    rows = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        videos = folder / "videos"
        videos.mkdir()
        write_clip(videos / "live.mp4", options.codec, (width, height), 5, 200)
        server = stack.enter_context(RtspServer(videos))
        broker = stack.enter_context(Broker(folder))
        url = server.url("live.mp4/play_count_0")
        for count in options.counts:
            state = folder / str(count)
            state.mkdir()
            more: dict[str, Any] = {"performance": {"workers": options.workers}} if options.workers else {}
            config = settings(broker.port, [url] * count, rules={"fall": {"type": "fall"}}, **more)
            with running(state, config) as process, Listener(broker.port) as listener:
                started = resident(process)
                wait_for(
                    lambda count=count, listener=listener: len(frames_processed(listener)) == count,
                    _PATIENCE,
                    "pictures of every camera",
                )
                seen = []
                end = time.monotonic() + options.seconds
                while time.monotonic() < end:
                    time.sleep(0.5)
                    seen.append(resident(process))
                row = {
                    "cameras": count,
                    "rss": statistics.median(seen),
                    "most": max(seen),
                    "threads": process.num_threads(),
                    "first": started,
                }
            rows.append(row)
            print(
                f"{count:3d} cameras {options.codec} {options.size}: {row['rss']:6.0f} MB, at most "
                f"{row['most']:.0f}, {row['threads']} threads",
                flush=True,
            )
    if len(rows) > 1:
        slope = statistics.linear_regression([one["cameras"] for one in rows], [one["rss"] for one in rows])
        print(f"a further camera: {slope.slope:.1f} MB")
    return {"rows": rows}


def start(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds from the command to the first picture, the first person counted, and the first event."""
    rows = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        videos = folder / "videos"
        videos.mkdir()
        write_clip(videos / "live.mp4", "h264", (768, 576), 10, 300)
        server = stack.enter_context(RtspServer(videos))
        broker = stack.enter_context(Broker(folder))
        for number in range(options.runs):
            state = folder / str(number)
            state.mkdir()
            config = settings(broker.port, [server.url("live.mp4/play_count_0")], prefix=f"run{number}")
            config["mqtt"]["prefix"] = f"posewatch/{number}"
            config.pop("prefix")
            config["cameras"]["cam0"]["fps"] = 10
            with Listener(broker.port) as listener:
                began = time.monotonic()
                with running(state, config) as process:
                    row: dict[str, float] = {}
                    for what, topic, is_it in (
                        ("online", "status", lambda body: body == "online"),
                        ("streaming", "cam0/status", lambda body: body["state"] == "streaming"),
                        ("event", "cam0/events", lambda _: True),
                    ):
                        wait_for(
                            lambda topic=f"{number}/{topic}", is_it=is_it: any(
                                is_it(body) for body in listener.bodies(topic)
                            ),
                            60.0,
                            what,
                        )
                        row[what] = time.monotonic() - began
                    row["cpu"] = sum(process.cpu_times()[:2])
                    row["rss"] = resident(process)
            rows.append(row)
            print(", ".join(f"{key} {value:.2f}" for key, value in row.items()), flush=True)
    return {"rows": rows}


def growth(options: argparse.Namespace) -> dict[str, Any]:
    """RSS over time, with as much going on as the machine can do."""
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        videos = folder / "videos"
        videos.mkdir()
        write_clip(videos / "live.mp4", "h264", (384, 288), 20, 795)  # at twice its speed
        server = stack.enter_context(RtspServer(videos))
        broker = stack.enter_context(Broker(folder))
        listener = stack.enter_context(Listener(broker.port))
        config = settings(broker.port, [server.url("live.mp4/play_count_0")] * options.cameras)
        config |= busy()
        for number, camera in enumerate(config["cameras"].values()):
            camera |= {
                "fps": 20,
                "zones": ZONES,
                "clips": {"enabled": number % 2 == 0},
                "reconnect": {"min": "500ms"},
            }
        process = stack.enter_context(running(folder, config))
        began, frames, last, cut = time.monotonic(), 0.0, time.monotonic(), time.monotonic()
        while time.monotonic() - began < 60.0 * options.minutes:
            time.sleep(5.0)
            now = time.monotonic()
            frames += sum(frames_processed(listener)) * (now - last)
            last = now
            rows.append({"at": now - began, "frames": frames, "rss": resident(process)})
            if len(rows) % 12 == 0:
                alerts = sum(one.topic.endswith("/alerts") for one in list(listener.received))
                print(
                    f"{rows[-1]['at'] / 60:5.1f} min {frames:9.0f} frames {rows[-1]['rss']:7.1f} MB, "
                    f"{alerts} messages of alerts, {process.num_threads()} threads",
                    flush=True,
                )
            if now - cut > options.cut:  # every connection to the cameras ends
                cut = now
                server.restart()
    half = [one for one in rows if one["at"] > 0.5 * rows[-1]["at"]]
    fit = statistics.linear_regression([one["frames"] for one in half], [one["rss"] for one in half])
    hours = statistics.linear_regression([one["at"] / 3600 for one in half], [one["rss"] for one in half])
    print(f"second half: {1e6 * fit.slope:.1f} MB a million frames, {hours.slope:.1f} MB an hour")
    return {"rows": rows, "per_million_frames": 1e6 * fit.slope, "per_hour": hours.slope}


def busy() -> dict[str, Any]:
    """Settings that lead to alerts all the time."""
    short = {"cooldown": "1s", "clear": "1s"}
    return {
        "detect": {"every": 4},
        "snapshots": {"width": 480, "max_size": "4MB"},
        "clips": {"width": 320, "max_size": "8MB", "before": "2s", "after": "3s", "longest": "20s"},
        "rules": {
            "fall": {"type": "fall"},
            "entry": {"type": "zone_entry", "zones": ["lawn"], **short},
            "about": {"type": "loitering", "zones": ["everywhere"], "for": "3s", **short},
            "crowd": {"type": "crowd", "zones": ["everywhere"], "min_people": 2, "for": "1s", **short},
            "line": {"type": "line_crossing", "line": [[0.5, 1.0], [0.5, 0.3]], "direction": "both", **short},
        },
    }


def plot(rows: list[dict[str, float]], target: Path) -> None:
    """RSS by frames."""
    try:
        from matplotlib import pyplot
    except ImportError:
        return
    figure, axes = pyplot.subplots(figsize=(8, 4))
    axes.plot([one["frames"] for one in rows], [one["rss"] for one in rows])
    axes.set(xlabel="frames", ylabel="RSS, MB", ylim=(0, None))
    figure.savefig(target, dpi=100, bbox_inches="tight")


def main() -> None:
    """Measures what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path)
    parts = parser.add_subparsers(dest="what", required=True)
    one = parts.add_parser("cameras")
    one.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4, 8])
    one.add_argument("--size", default="1920x1080")
    one.add_argument("--codec", choices=("h264", "h265"), default="h264")
    one.add_argument("--seconds", type=float, default=20.0)
    one.add_argument("--workers", type=int)
    one.set_defaults(run=cameras)
    two = parts.add_parser("growth")
    two.add_argument("--minutes", type=float, default=30.0)
    two.add_argument("--cameras", type=int, default=4)
    two.add_argument("--cut", type=float, default=120.0, help="seconds between two cuts of every stream")
    two.set_defaults(run=growth)
    three = parts.add_parser("start")
    three.add_argument("--runs", type=int, default=5)
    three.set_defaults(run=start)
    options = parser.parse_args()
    found = options.run(options)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
        if options.what == "growth":
            plot(found["rows"], options.json.with_suffix(".png"))


if __name__ == "__main__":
    main()
