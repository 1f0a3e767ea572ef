"""`posewatch replay`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from daemon.commands.parsing import Subparsers, add_command, config_argument, positive_number
from daemon.commands.progress import ProgressLine

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
    parser.add_argument("--quiet", action="store_true", help="no progress and no summary")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Replays; progress and summary go to stderr so that stdout is free for events."""
    from daemon.config import load_config
    from daemon.replay import ReplayOutputs, replay

    line = ProgressLine()
    try:
        summary = replay(
            options.clips,
            load_config(options.config),
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
    return 0


def print_summary(summary: object) -> None:
    """Writes what a replay saw to stderr."""
    from daemon.replay import ReplaySummary

    assert isinstance(summary, ReplaySummary)
    stages = "  ".join(f"{name} {value:.1f}" for name, value in summary.stages.items())
    actions = ", ".join(f"{name} {count}" for name, count in sorted(summary.actions.items())) or "none"
    lines = [
        f"{summary.frames} frames of {summary.clips} clips in {summary.seconds:.1f} s: "
        f"{summary.frames_per_second:.1f} frames/s",
        f"  ms a frame: {stages}",
        f"  people {len(summary.people)}, events {summary.events}, actions: {actions}",
        *(f"  alert {rule} at {at:.1f}" for at, rule in summary.alerts),
    ]
    print("\n".join(lines), file=sys.stderr)
