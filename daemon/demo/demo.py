"""`posewatch demo`: the whole way once, as a user would run it."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from daemon.demo.errors import DemoError
from daemon.demo.printing import EventPrinter
from daemon.demo.sample import fetch_sample
from daemon.demo.servers import Broker, ManagedProcess, RtspServer, transcode
from tracker.store import ModelStore

__all__ = ["run_demo"]

_LIVE_SHARE = 0.6  # of the demo's time; the rest is for preparing and drawing
_START_SECONDS = 3.0  # that a replay needs before its first frame
_DRAW_SECONDS = 0.015  # a frame for drawing and encoding it
_LEAST_DRAWN, _MOST_DRAWN = 6.0, 20.0  # seconds of footage

_CONFIG = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: posewatch-demo}}
storage: {{path: state}}
stats_interval: 5s
cameras:
  street:
    url: {url}
    zones:
      lawn: {{points: [[0.0, 0.43], [0.28, 0.47], [0.55, 0.62], [1.0, 0.87], [1.0, 1.0], [0.0, 1.0]]}}
      crossing: {{points: [[0.40, 0.36], [0.75, 0.33], [0.85, 0.55], [0.62, 0.60], [0.40, 0.48]]}}
    rules:
      on_the_lawn: {{type: zone_entry, zones: [lawn]}}
      hanging_around: {{type: loitering, zones: [crossing], for: 8s}}
"""


def run_demo(args: argparse.Namespace) -> int:
    """Runs the demo.

    Args:
        args: `seconds` that the demo takes once its footage is there, `source` a video or None for
            OpenCV's, `out` the annotated video.

    Returns:
        0, or 1 where the daemon sent nothing; 130 after Ctrl-C.

    Raises:
        DemoError: footage, server or broker are not to be had.
        StoreError: the pose network is not to be had.
        OSError: the video cannot be written.
    """
    try:
        with _interruptible() as stop, tempfile.TemporaryDirectory(prefix="posewatch-demo-") as name:
            return _demo(args.seconds, args.source, args.out, Path(name), stop)
    except KeyboardInterrupt:
        _say("stopped")
        return 130


def _demo(seconds: float, source: Path | None, out: Path, folder: Path, stop: threading.Event) -> int:
    videos = folder / "videos"
    videos.mkdir()
    out.parent.mkdir(parents=True, exist_ok=True)
    server, broker = RtspServer(videos, folder / "rtsp.log"), Broker(folder / "broker.log")
    clip = _footage(source)
    ModelStore().fetch("pose_full", _say)

    end = time.monotonic() + seconds
    live = _LIVE_SHARE * seconds
    _say(f"preparing {clip.name} for the camera")
    transcode(clip, videos / "street.mp4", seconds=live + 5.0)
    printer = EventPrinter()
    config = folder / "posewatch.yaml"
    with server, broker:
        config.write_text(_CONFIG.format(port=broker.port, url=server.url("street.mp4")))
        _say(f"camera {server.url('street.mp4')}, broker mqtt://127.0.0.1:{broker.port}")
        said = _watch(config, int(broker.port or 0), folder, printer, live, stop)
    if not printer.counts["events"]:
        print(f"posewatch: nothing was received from the daemon; its last line: {said}", file=sys.stderr)
        return 1
    drawn = _affordable_seconds(printer, end - time.monotonic())
    _annotate(videos / "street.mp4", config, out, drawn)
    _summary(printer, out, drawn)
    return 0


def _footage(source: Path | None) -> Path:
    if source is None:
        return fetch_sample(_say)
    if not source.is_file():
        raise DemoError(f"{source}: no such file: give a video with --source FILE")
    return source


def _watch(
    config: Path, port: int, folder: Path, printer: EventPrinter, seconds: float, stop: threading.Event
) -> str:
    """Runs the daemon and prints what it publishes; returns the last line of its log."""
    command = _posewatch("run", "-c", str(config))
    daemon = ManagedProcess("the daemon", command, folder / "daemon.log")
    with _subscription(port, printer), daemon:
        _say(f"posewatch run -c {config.name}, for {seconds:.0f} s")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if stop.is_set():
                raise KeyboardInterrupt
            if not daemon.running:
                raise DemoError(f"the daemon ended early: {daemon.last_line()}")
            time.sleep(0.1)
        _say("stopping the daemon, which ends what is open")
        daemon.stop()
        return daemon.last_line()


def _affordable_seconds(printer: EventPrinter, left: float) -> float:
    """How much footage can be drawn in the time that is left, from the latency that the daemon had."""
    frame = printer.latency("p50") / 1000.0 + _DRAW_SECONDS
    frames = max(0.0, left - _START_SECONDS) / frame
    return min(max(frames / max(printer.rate("fps_in"), 1.0), _LEAST_DRAWN), _MOST_DRAWN)


def _posewatch(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "daemon.cli", *arguments]


@contextmanager
def _subscription(port: int, printer: EventPrinter) -> Iterator[None]:
    """Prints what arrives below posewatch/ until the block ends."""
    ready = threading.Event()

    def connected(client: mqtt.Client, *_: object) -> None:
        client.subscribe("posewatch/#", qos=1)
        ready.set()

    def received(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        line = printer.line(message.topic, bytes(message.payload))
        if line is not None:
            print(line, flush=True)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="posewatch-demo-reader")
    client.on_connect = connected
    client.on_message = received
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        if not ready.wait(10.0):
            raise DemoError("the broker does not take connections: run the demo again")
        yield
    finally:
        client.disconnect()
        client.loop_stop()


def _annotate(clip: Path, config: Path, out: Path, seconds: float) -> None:
    _say(f"drawing the first {seconds:.0f} s into {out}")
    command = _posewatch("replay", str(clip), "-c", str(config), "--annotate", str(out),
                         "--seconds", f"{seconds:g}", "--quiet")  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise DemoError(f"the annotated video could not be made: {lines[-1]}")


def _summary(printer: EventPrinter, out: Path, drawn: float) -> None:
    def listed(counts: dict[str, int]) -> str:
        return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"

    print("\nSummary")
    print(f"  people     {len(printer.people)}")
    print(
        f"  speed      {printer.rate('fps_processed'):.1f} of {printer.rate('fps_in'):.1f} frames/s, "
        f"latency {printer.latency('p50'):.0f} ms (median), {printer.latency('p95'):.0f} ms (95 %)"
    )
    print(f"  messages   {listed(printer.counts)}")
    print(f"  actions    {listed(printer.actions)}")
    print(f"  alerts     {listed(printer.alerts)}")
    print(f"  video      {out.resolve()} (the first {drawn:.0f} s)", flush=True)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """SIGTERM and Ctrl-C both end the demo, so that no process stays behind; yields what tells of it.

    Python swallows a KeyboardInterrupt that is raised inside a destructor: hence the event besides.
    """
    stop = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    print(f"demo: {text}", flush=True)
