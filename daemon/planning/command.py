"""`posewatch benchmark --plan`."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.commands.parsing import positive_integer, positive_number

if TYPE_CHECKING:
    from daemon.planning.model import Demand

__all__ = ["add_arguments", "run_plan"]

_SECONDS = 12.0  # of footage: enough for people to come and go
_MOST = 8192  # px of a side


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `--plan` wants to know; `cameras` is added where nobody else did."""
    group = parser.add_argument_group("with --plan")
    if not any("--cameras" in action.option_strings for action in parser._actions):
        group.add_argument("--cameras", type=positive_integer, help="how many are wanted (default 8)")
    group.add_argument("--fps", type=positive_number, help="frames a second of each (default 10)")
    if not any("--people" in action.option_strings for action in parser._actions):
        group.add_argument("--people", type=float, help="in view of each, on average (default 3)")
    group.add_argument("--resolution", type=_size, metavar="WxH", help="of the pictures (default 1920x1080)")
    group.add_argument("--codec", choices=("h264", "hevc"), help="of the streams (default h264)")


def run_plan(options: argparse.Namespace) -> int:
    """Measures what things cost here and says how many cameras that carries.

    Args:
        options: what `add_arguments` has added, and of the command: `clip`, `config`, `camera`, `json`.

    Raises:
        CaptureError: the clip cannot be read.
        ModelError: a model cannot be loaded.
        UsageError: a number makes no sense.
    """
    from daemon.commands.progress import ProgressLine
    from daemon.config import CameraConfig, load_config
    from daemon.planning.footage import crop_for
    from daemon.planning.measuring import measure_costs
    from daemon.planning.text import figures_of, lines_of

    demand = _demand(options)
    settings = CameraConfig(url="clip.mp4")
    if getattr(options, "config", None) is not None:
        from daemon.replay import pick_camera

        _, settings = pick_camera(load_config(options.config), getattr(options, "camera", None))
    cores = len(os.sched_getaffinity(0))
    own = getattr(options, "clip", None)
    crop = crop_for(demand.people, demand.width, demand.height) if own is None else None
    line = ProgressLine()
    try:
        costs = measure_costs(
            own or _street(), demand, settings, cores=cores, seconds=_SECONDS, progress=line.show, crop=crop
        )
    finally:
        line.clear()
    figures = figures_of(costs, demand, cores)
    target = getattr(options, "json", None)
    print("\n".join(lines_of(figures)), file=sys.stderr if target == "-" else sys.stdout)
    if target is not None:
        text = json.dumps(figures, indent=1) + "\n"
        if target == "-":
            sys.stdout.write(text)
        else:
            Path(target).write_text(text, encoding="utf-8")
    return 0


def _demand(options: argparse.Namespace) -> Demand:
    from daemon.errors import UsageError
    from daemon.planning.model import Demand

    cameras, people = _one(options, "cameras", 8), _one(options, "people", 3)
    if not 0 <= people <= 1000:
        raise UsageError("--people: must be from 0 to 1000")
    width, height = options.resolution or (1920, 1080)
    fps = options.fps or 10.0
    if fps > 120:
        raise UsageError("--fps: must be at most 120")
    return Demand(int(cameras), fps, float(people), width, height, options.codec or "h264")


def _one(options: argparse.Namespace, name: str, default: float) -> float:
    """A number; of several, as other parts of the command take them, there may be one only."""
    from daemon.errors import UsageError

    value = getattr(options, name, None)
    if isinstance(value, (list, tuple)):
        if len(value) != 1:
            raise UsageError(f"--{name}: one number with --plan")
        value = value[0]
    return default if value is None else float(value)


def _street() -> Path:
    from daemon.demo.sample import fetch_sample

    return fetch_sample(lambda text: print(text, file=sys.stderr))


def _size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT in px, for argparse."""
    found = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text)
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(64 <= side <= _MOST for side in size):
        raise argparse.ArgumentTypeError(f"{text}: must be such as 1920x1080")
    return size
