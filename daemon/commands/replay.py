"""`posewatch replay`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.commands.parsing import Subparsers, add_command, config_argument, positive_number
from daemon.commands.progress import ProgressLine

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.expectations import ExpectedClip
    from daemon.replay import ReplaySummary

__all__ = ["add_replay"]


def add_replay(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "replay",
        "run the same pipeline on files, faster than real time, with the same result every run",
        "posewatch replay clip.mp4 -c posewatch.yaml --events events.jsonl --annotate out.mp4",
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP", help="video files")
    config_argument(parser)
    parser.add_argument("--camera", help="whose settings to use (default: the first camera)")
    parser.add_argument("--profile", help="in which profile (default: the first one, where there are any)")
    parser.add_argument(
        "--start-time",
        type=float,
        default=0.0,
        metavar="EPOCH",
        help="UTC epoch seconds of the first frame (default 0)",
    )
    parser.add_argument("--seconds", type=positive_number, help="only this much of each clip")
    parser.add_argument("--events", metavar="FILE", help='every MQTT message as a JSON line ("-" is stdout)')
    parser.add_argument(
        "--tracks", type=Path, metavar="FILE", help="tracks in MOT format (a folder with several clips)"
    )
    parser.add_argument("--landmarks", type=Path, metavar="DIR", help="one recording a track")
    parser.add_argument(
        "--annotate",
        type=Path,
        metavar="FILE",
        help="video with everything drawn in (a folder with several clips)",
    )
    parser.add_argument(
        "--expect",
        type=Path,
        metavar="FILE",
        help="what should be raised, clip by clip (YAML); exit status 1 where something else was",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress and no summary")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Replays; progress and summary go to stderr so that stdout is free for events."""
    from daemon.config import load_config
    from daemon.model_trial import try_models
    from daemon.replay import ReplayOutputs, pick_camera, replay

    config = load_config(options.config)
    try_models([pick_camera(config, options.camera)[1]])
    expected = _expected(options, config)
    line = ProgressLine()
    try:
        summary = replay(
            options.clips,
            config,
            ReplayOutputs(options.events, options.tracks, options.landmarks, options.annotate),
            camera=options.camera,
            profile=options.profile,
            start_time=options.start_time,
            max_seconds=options.seconds,
            progress=lambda clip, frames: None if options.quiet else line.show(f"{clip}: {frames} frames"),
        )
    finally:
        line.clear()
    if not options.quiet:
        print_summary(summary)
    return 0 if expected is None else _judge(options, expected, summary)


def _expected(options: argparse.Namespace, config: Config) -> dict[str, ExpectedClip] | None:
    """What should be raised; mistakes end the command before the work."""
    from daemon.expectations import load_expectations
    from daemon.replay import pick_camera

    if options.expect is None:
        return None
    _, settings = pick_camera(config, options.camera)
    return load_expectations(options.expect, options.clips, settings.rules, settings.zones)


def _judge(options: argparse.Namespace, expected: Mapping[str, ExpectedClip], summary: ReplaySummary) -> int:
    """Prints a verdict for each clip."""
    from daemon.expectations import compare

    stream = sys.stderr if options.events == "-" else sys.stdout
    verdicts = compare(options.clips, expected, summary.alerts)
    for verdict in verdicts:
        if verdict.passed:
            print(f"{verdict.clip}: as expected, {verdict.alerts} alerts", file=stream)
        else:
            print(f"{verdict.clip}: NOT as expected", file=stream)
            print(*(f"  {line}" for line in verdict.differences), sep="\n", file=stream)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def print_summary(summary: ReplaySummary) -> None:
    """Writes what a replay saw to stderr."""
    stages = "  ".join(f"{name} {value:.1f}" for name, value in summary.stages.items())
    actions = ", ".join(f"{name} {count}" for name, count in sorted(summary.actions.items())) or "none"
    lines = [
        f"{summary.frames} frames of {summary.clips} clips in {summary.seconds:.1f} s: "
        f"{summary.frames_per_second:.1f} frames/s",
        f"  ms a frame: {stages}",
        f"  people {len(summary.people)}, events {summary.events}, actions: {actions}",
        *(f"  alert {one.rule} at {one.at:.1f} s of {one.clip}" for one in summary.alerts),
    ]
    print("\n".join(lines), file=sys.stderr)
