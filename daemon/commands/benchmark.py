"""`posewatch benchmark`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from daemon.commands.parsing import Subparsers, add_command, config_argument, positive_integer
from daemon.commands.progress import ProgressLine

__all__ = ["add_benchmark"]


def add_benchmark(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "benchmark",
        "measure this machine: frames a second, ms a stage, start-up, memory, detect.size and tiles",
        "posewatch benchmark corridor.mp4 --frames 500 --json figures.json",
    )
    parser.add_argument(
        "clip", nargs="?", type=Path, metavar="CLIP", help="a video (default: OpenCV's vtest.avi, fetched)"
    )
    config_argument(parser, required=False)
    parser.add_argument("--camera", help="whose settings to use (default: the first camera)")
    parser.add_argument(
        "--frames", type=positive_integer, default=200, help="frames of each camera (default 200)"
    )
    parser.add_argument(
        "--workers", type=positive_integer, help="cameras at the same time (default: one a core)"
    )
    parser.add_argument("--json", metavar="FILE", help='the figures as JSON ("-" is stdout)')
    # One measurement in this process; the value is the monotonic time at which it was started.
    parser.add_argument("--measure", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--measure-detectors", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measures one worker, then all of them, then the detector alone, each in a process of its own."""
    if options.measure is not None:
        return _measure(options)
    if options.measure_detectors:
        return _measure_detectors(options)
    if options.clip is None:
        from daemon.demo.sample import fetch_sample

        options.clip = fetch_sample(lambda text: print(text, file=sys.stderr))
    workers = options.workers or len(os.sched_getaffinity(0))
    figures: dict[str, Any] = {
        "version": version("posewatch"),
        "clip": options.clip.name,
        "cores": len(os.sched_getaffinity(0)),
        "runs": [],
    }
    for count in dict.fromkeys((1, workers)):
        found, status = _in_own_process(options, _run_arguments(options, count))
        if status:
            return status
        figures["runs"].append(found)
    figures["detectors"], status = _in_own_process(options, ["--measure-detectors"])
    if status:
        return status
    quiet = options.json == "-"
    print(_report(figures), file=sys.stderr if quiet else sys.stdout)
    if options.json is not None:
        text = json.dumps(figures, indent=1) + "\n"
        if quiet:
            sys.stdout.write(text)
        else:
            Path(options.json).write_text(text, encoding="utf-8")
    return 0


def _run_arguments(options: argparse.Namespace, workers: int) -> list[str]:
    """What a run of the pipeline is told."""
    arguments = ["--frames", str(options.frames), "--workers", str(workers)]
    if options.config is not None:
        arguments += ["--config", str(options.config)]
    if options.camera is not None:
        arguments += ["--camera", options.camera]
    return [*arguments, "--measure", repr(time.monotonic())]


def _in_own_process(options: argparse.Namespace, arguments: list[str]) -> tuple[Any, int]:
    """The figures, and the exit status; what went wrong is on stderr by then."""
    command = [sys.executable, "-m", "daemon.cli", "benchmark", str(options.clip), *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return None, done.returncode if done.returncode > 0 else 1
    return json.loads(done.stdout), 0


def _measure(options: argparse.Namespace) -> int:
    from daemon.benchmark import measure
    from daemon.config import CameraConfig, load_config
    from daemon.replay import pick_camera

    settings = CameraConfig(url=str(options.clip))
    if options.config is not None:
        _, settings = pick_camera(load_config(options.config), options.camera)
    line = ProgressLine()
    try:
        found = measure(
            options.clip,
            settings,
            workers=options.workers,
            frames=options.frames,
            started=options.measure,
            progress=lambda done: line.show(f"{options.workers} workers: {done} of {options.frames} frames"),
        )
    finally:
        line.clear()
    figures = dataclasses.asdict(found) | {
        "frames_per_second": found.frames_per_second,
        "camera_fps": settings.fps,
    }
    json.dump(figures, sys.stdout)
    return 0


def _measure_detectors(options: argparse.Namespace) -> int:
    from daemon.detector_benchmark import measure_detectors

    line = ProgressLine()
    try:
        found = measure_detectors(
            options.clip, progress=lambda done: line.show(f"detector alone: {done} frames")
        )
    finally:
        line.clear()
    json.dump([dataclasses.asdict(cost) for cost in found], sys.stdout)
    return 0


def _report(figures: dict[str, Any]) -> str:
    one, every = figures["runs"][0], figures["runs"][-1]
    stages = "  ".join(f"{name} {value:.1f}" for name, value in one["stages"].items())
    lines = [
        f"{figures['clip']}: {one['width']}x{one['height']}, {one['frames']} frames, "
        f"{one['people']:.1f} people a frame, {figures['cores']} cores",
        f"  one worker  {_speed(one)} frames/s, {1000 / one['frames_per_second']:.1f} ms a frame: {stages}",
    ]
    if every["workers"] > 1:
        lines.append(f"  {every['workers']} workers   {_speed(every)} frames/s, a camera each")
    cameras = every["frames_per_second"] / every["camera_fps"]
    lines += [
        f"  cameras     {cameras:.1f} at {every['camera_fps']:g} frames/s with so many people in sight",
        f"  start-up    {one['start_up']:.2f} s to the end of the first frame",
        f"  memory      {_megabytes(one)} with one worker, {_megabytes(every)} with {every['workers']}",
    ]
    heading = "detector"
    for cost in figures["detectors"]:
        lines.append(
            f"  {heading:<11} {cost['setting']:<10} {cost['milliseconds']:6.1f} ms of a core, "
            f"{cost['ratio']:.2f}x, {cost['people']:.1f} people a frame"
        )
        heading = ""
    return "\n".join(lines)


def _speed(run: dict[str, Any]) -> str:
    return f"{run['frames_per_second']:.1f}"


def _megabytes(run: dict[str, Any]) -> str:
    return "unknown" if run["rss"] is None else f"{run['rss'] / 1e6:.0f} MB"
