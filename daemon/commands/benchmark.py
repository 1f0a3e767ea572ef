"""`posewatch benchmark`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.commands.parsing import Subparsers, add_command, config_argument, positive_integer
from daemon.commands.progress import ProgressLine

if TYPE_CHECKING:
    from daemon.benchmarking.matrix import Extent
    from daemon.config import CameraConfig

__all__ = ["add_benchmark"]

_PARTS = ("runs", "detectors", "settings", "workers", "cameras", "people", "against")
_MOST_CAMERAS, _MOST_PEOPLE = 64, 12


def add_benchmark(subparsers: Subparsers) -> None:
    """Adds the command."""
    # Here, as the module of the plan imports from this package.
    from daemon.planning.command import add_arguments as add_plan_arguments

    parser = add_command(
        subparsers,
        "benchmark",
        "measure this machine: frames a second, ms a stage, cameras, people, start-up, memory, detect.size",
        "posewatch benchmark corridor.mp4 --frames 500 --json figures.json",
    )
    parser.add_argument(
        "clip", nargs="?", type=Path, metavar="CLIP", help="a video (default: OpenCV's vtest.avi, fetched)"
    )
    config_argument(parser, required=False)
    parser.add_argument("--camera", help="whose settings to use (default: the first camera)")
    parser.add_argument(
        "--frames", type=positive_integer, default=200, help="frames of each camera, of `runs` (default 200)"
    )
    parser.add_argument(
        "--workers", type=positive_integer, help="cameras at the same time (default: one a core)"
    )
    parser.add_argument(
        "--parts",
        type=_parts,
        metavar="LIST",
        help=f"what to measure, of {','.join(_PARTS)} (default: all; against needs --against)",
    )
    parser.add_argument("--rounds", type=positive_integer, help="of each part (default 3; 7 with --full)")
    parser.add_argument("--full", action="store_true", help="the whole matrix, many rounds (half an hour)")
    parser.add_argument(
        "--cameras",
        type=_numbers(1, _MOST_CAMERAS),
        metavar="LIST",
        help="numbers of cameras, such as 1,4,16",
    )
    parser.add_argument(
        "--people",
        type=_numbers(0, _MOST_PEOPLE),
        metavar="LIST",
        help="numbers of people in view, such as 0,6,12; the camera must stand still",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="PYTHON",
        help="of an environment with ultralytics and mediapipe: their pipelines, in turns with this one",
    )
    parser.add_argument(
        "--fetch-weights", action="store_true", help="--against may download YOLO11n (else random weights)"
    )
    parser.add_argument("--json", metavar="FILE", help='the figures as JSON ("-" is stdout)')
    parser.add_argument("--plot", type=Path, metavar="FILE", help="the figures as PNG (needs matplotlib)")
    parser.add_argument(
        "--check",
        type=Path,
        metavar="FILE",
        help="compare ratios with the figures of an earlier run; exit status 1 where something got slower",
    )
    parser.add_argument(
        "--plan", action="store_true", help="say how many cameras this machine carries, see docs/scaling.md"
    )
    add_plan_arguments(parser)
    # One measurement in this process; the value is the monotonic time at which it was started.
    parser.add_argument("--measure", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--measure-detectors", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measures part after part: what needs a process of its own, then the rest in turns."""
    if options.measure is not None:
        return _measure(options)
    if options.measure_detectors:
        return _measure_detectors(options)
    _fit_together(options)
    if options.plan:
        from daemon.planning.command import run_plan

        return run_plan(options)
    if options.parts is None:
        options.parts = tuple(part for part in _PARTS if part != "against" or options.against is not None)
    from daemon.benchmarking.ratios import compare, ratios_of
    from daemon.benchmarking.table import report, verdict

    committed = _prepare(options)
    workers = options.workers or len(os.sched_getaffinity(0))
    figures: dict[str, Any] = {
        "version": version("posewatch"),
        "clip": options.clip.name,
        "cores": len(os.sched_getaffinity(0)),
        "runs": [],
        "detectors": [],
    }
    if "runs" in options.parts:
        for count in dict.fromkeys((1, workers)):
            found, status = _in_own_process(options, _run_arguments(options, count))
            if status:
                return status
            figures["runs"].append(found)
    if "detectors" in options.parts:
        figures["detectors"], status = _in_own_process(options, ["--measure-detectors"])
        if status:
            return status
    line = ProgressLine()
    try:
        _measure_matrix(options, workers, figures, line.show)
    finally:
        line.clear()
    figures["ratios"] = ratios_of(figures)
    quiet = options.json == "-"
    stream = sys.stderr if quiet else sys.stdout
    print(report(figures), file=stream)
    _write(options, figures)
    if committed is None:
        return 0
    slower, compared = compare(figures, committed)
    print("\n" + verdict(slower, compared, options.check.name), file=stream)
    return 1 if slower else 0


def _fit_together(options: argparse.Namespace) -> None:
    """Refuses what would be ignored, rather than answer another question.

    Raises:
        UsageError: says which option.
    """
    from daemon.errors import UsageError

    if options.plan:
        for name in ("parts", "rounds", "full", "against", "fetch_weights", "plot", "check"):
            if getattr(options, name):
                raise UsageError(f"--{name.replace('_', '-')}: not with --plan")
        return
    for name in ("fps", "resolution", "codec"):
        if getattr(options, name) is not None:
            raise UsageError(f"--{name}: with --plan only")
    if options.against is None and options.parts is not None and "against" in options.parts:
        raise UsageError("--parts against: --against says which Python has the others")


def _prepare(options: argparse.Namespace) -> dict[str, Any] | None:
    """What can be wrong before the work; returns the committed figures."""
    from daemon.errors import UsageError

    committed = None
    for name in ("json", "plot"):
        target = getattr(options, name)
        if target not in (None, "-") and not Path(target).absolute().parent.is_dir():
            raise UsageError(f"--{name} {target}: there is no such folder")
    if options.plot is not None:
        from daemon.benchmarking.plot import check_matplotlib

        check_matplotlib()
    if options.against is not None:
        from daemon.benchmarking.against import check_python

        check_python(options.against)
    if "settings" in options.parts:
        from tracker.store import ModelStore

        for name in ("pose_full", "pose_lite"):  # one variant of the settings each
            ModelStore().path(name)
    if options.check is not None:
        try:
            committed = json.loads(options.check.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"--check {options.check}: cannot be read ({error})") from None
        if not isinstance(committed, dict) or not isinstance(committed.get("ratios"), dict):
            raise UsageError(f"--check {options.check}: holds no figures of posewatch benchmark --json")
    if options.clip is None:
        from daemon.demo.sample import fetch_sample

        options.clip = fetch_sample(lambda text: print(text, file=sys.stderr))
    if committed is not None and committed.get("clip") != options.clip.name:
        raise UsageError(
            f"--check {options.check}: its figures are of {committed.get('clip')}, not of {options.clip.name}"
        )
    return committed


def _measure_matrix(
    options: argparse.Namespace, workers: int, figures: dict[str, Any], progress: Callable[[str], None]
) -> None:
    """Adds the groups that are measured in this process."""
    from daemon.benchmarking.matrix import PARTS, Matrix

    parts = [part for part in PARTS if part in options.parts]
    if not parts:
        return
    extent = _extent(options, workers)
    matrix = Matrix(options.clip, _settings(options), extent, progress)
    for part in parts:
        if part == "against":
            figures[part] = matrix.against(options.against, fetch=options.fetch_weights)
        else:
            figures[part] = getattr(matrix, part)()
    if "people" in parts:
        figures["scenes_missing"] = [each for each in extent.people if str(each) not in figures["people"]]


def _extent(options: argparse.Namespace, workers: int) -> Extent:
    from daemon.benchmarking.matrix import Extent

    extent = Extent.full(workers) if options.full else Extent.quick(workers)
    return dataclasses.replace(
        extent,
        rounds=options.rounds or extent.rounds,
        cameras=options.cameras or extent.cameras,
        people=options.people or extent.people,
    )


def _write(options: argparse.Namespace, figures: dict[str, Any]) -> None:
    """JSON and picture, where they are wanted."""
    if options.json is not None:
        text = json.dumps(figures, indent=1) + "\n"
        if options.json == "-":
            sys.stdout.write(text)
        else:
            Path(options.json).write_text(text, encoding="utf-8")
    if options.plot is not None:
        from daemon.benchmarking.plot import plot

        plot(figures, options.plot)


def _settings(options: argparse.Namespace) -> CameraConfig:
    """Of the camera that is asked for; those of a camera without any where there is no configuration."""
    from daemon.config import CameraConfig, load_config
    from daemon.replay import pick_camera

    if options.config is None:
        return CameraConfig(url=str(options.clip))
    return pick_camera(load_config(options.config), options.camera)[1]


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
    from daemon.benchmarking.fresh import measure

    settings = _settings(options)
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
    from daemon.benchmarking.detectors import measure_detectors

    line = ProgressLine()
    try:
        found = measure_detectors(
            options.clip, progress=lambda done: line.show(f"detector alone: {done} frames")
        )
    finally:
        line.clear()
    json.dump([dataclasses.asdict(cost) for cost in found], sys.stdout)
    return 0


def _parts(text: str) -> tuple[str, ...]:
    """Names of parts, for argparse."""
    names = tuple(text.split(","))
    for name in names:
        if name not in _PARTS:
            raise argparse.ArgumentTypeError(f"{name}: must be one of {', '.join(_PARTS)}")
    return names


def _numbers(least: int, most: int) -> Callable[[str], tuple[int, ...]]:
    """Whole numbers with commas between them, for argparse."""

    def parse(text: str) -> tuple[int, ...]:
        parts = text.split(",")
        if not all(part.isdecimal() and least <= int(part) <= most for part in parts):
            raise argparse.ArgumentTypeError(
                f"{text}: must be whole numbers from {least} to {most}, such as 1,4"
            )
        return tuple(dict.fromkeys(int(part) for part in parts))

    return parse
