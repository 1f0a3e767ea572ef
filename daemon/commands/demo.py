"""`posewatch demo`."""

from __future__ import annotations

import argparse
from pathlib import Path

from daemon.commands.parsing import Subparsers, add_command, positive_number

__all__ = ["add_demo"]


def add_demo(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "demo",
        "real footage as an RTSP camera, an embedded broker and the daemon, events on the terminal",
        "posewatch demo --source corridor.mp4 --seconds 60",
    )
    parser.add_argument(
        "--seconds", type=positive_number, default=40.0, help="about how long it takes in all (default 40)"
    )
    parser.add_argument(
        "--source",
        type=Path,
        metavar="FILE",
        help="a video with people (default: OpenCV's vtest.avi, fetched)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/demo.mp4"),
        metavar="FILE",
        help="the annotated video to write (default out/demo.mp4)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the demo."""
    from daemon.demo import run_demo

    return run_demo(options)
