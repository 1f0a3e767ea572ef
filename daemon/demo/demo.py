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
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from daemon.demo.errors import DemoError
from daemon.demo.printing import EventPrinter
from daemon.demo.sample import fetch_sample
from daemon.demo.servers import Broker, ManagedProcess, RtspServer, transcode

__all__ = ["run_demo"]

_CONFIG = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: posewatch-demo}}
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
        args: `seconds` of live watching, `source` a video or None for OpenCV's, `out` the annotated video.

    Returns:
        0, or 1 where the daemon sent nothing; 130 after Ctrl-C.

    Raises:
        DemoError: footage, server or broker are not to be had.
    """
    seconds = float(getattr(args, "seconds", None) or 40.0)
    out = Path(getattr(args, "out", None) or "out/demo.mp4")
    try:
        with _term_as_interrupt(), tempfile.TemporaryDirectory(prefix="posewatch-demo-") as name:
            return _demo(seconds, getattr(args, "source", None), out, Path(name))
    except KeyboardInterrupt:
        _say("stopped")
        return 130


def _demo(seconds: float, source: str | Path | None, out: Path, folder: Path) -> int:
    if source is not None and not Path(source).is_file():
        raise DemoError(f"{source}: no such file: give a video with --source FILE")
    clip = Path(source) if source is not None else fetch_sample(_say)
    videos = folder / "videos"
    videos.mkdir()
    _say(f"preparing {clip.name} for the camera")
    transcode(clip, videos / "street.mp4")
    printer = EventPrinter()
    with ExitStack() as stack:
        server = RtspServer(videos, folder / "rtsp.log")
        broker = Broker(folder / "broker.log")
        stack.enter_context(server)
        stack.enter_context(broker)
        config = folder / "posewatch.yaml"
        config.write_text(_CONFIG.format(port=broker.port, url=server.url("street.mp4")))
        _say(f"camera {server.url('street.mp4')}, broker mqtt://127.0.0.1:{broker.port}")
        stack.enter_context(_subscription(int(broker.port or 0), printer))
        daemon = ManagedProcess("the daemon", _posewatch("run", "-c", str(config)), folder / "daemon.log")
        stack.enter_context(daemon)
        _say(f"posewatch run -c {config.name}, for {seconds:g} s")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not daemon.running:
                raise DemoError(f"the daemon ended early: {daemon.last_line()}")
            time.sleep(0.1)
        daemon.stop()
        daemon_said = daemon.last_line()
    if not printer.counts["events"]:
        print(
            f"posewatch: nothing was received from the daemon; its last line: {daemon_said}", file=sys.stderr
        )
        return 1
    _annotate(videos / "street.mp4", config, out, min(seconds, 30.0))
    _summary(printer, out)
    return 0


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
    _say(f"drawing the first {seconds:g} s into {out}")
    out.parent.mkdir(parents=True, exist_ok=True)
    command = _posewatch("replay", str(clip), "-c", str(config), "--annotate", str(out),
                         "--seconds", f"{seconds:g}", "--quiet")  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise DemoError(f"the annotated video could not be made: {lines[-1]}")


def _summary(printer: EventPrinter, out: Path) -> None:
    def listed(counts: dict[str, int]) -> str:
        return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"

    print("\nSummary")
    print(f"  people     {len(printer.people)}")
    print(f"  events     {listed(printer.counts)}")
    print(f"  actions    {listed(printer.actions)}")
    print(f"  alerts     {listed(printer.alerts)}")
    for camera, figures in (printer.stats.get("cameras") or {}).items():
        text = ", ".join(f"{key} {value}" for key, value in figures.items())
        print(f"  {camera:<10} {text}")
    print(f"  video      {out.resolve()}", flush=True)


@contextmanager
def _term_as_interrupt() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does, so that no process stays behind."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(text: str) -> None:
    print(f"demo: {text}", flush=True)
