"""`posewatch record`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.commands.parsing import (
    Subparsers,
    add_command,
    config_argument,
    positive_integer,
    positive_number,
)

if TYPE_CHECKING:
    from daemon.config import CameraConfig
    from daemon.recording.takes import WrittenTake
    from daemon.recording.view import Preview

__all__ = ["add_record"]

_COUNTDOWN, _SECONDS, _PATIENCE = 3.0, 20.0, 60.0  # of cameras
_ABOUT = """\
One person is recorded: the one who is largest and steadiest in the picture during the second before the take
(of a file, during the first second in which anybody is seen), or the track that --track names. The preview
shows the numbers; typing one before the take begins chooses that person. The take ends early when the person
is out of sight for 2 s or is mixed up with somebody else. Only landmarks are written, never a picture."""


def add_record(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "record",
        "record the landmarks of one person doing one action, for training",
        "posewatch record --source rtsp://192.168.1.20/live --label WALKING --person ann --out recordings\n"
        "  posewatch record --source 0 --label WAVING --person ann --takes 3 --out recordings\n"
        "  posewatch record --source fall.mp4 --label FALLING --track 2 --out recordings",
    )
    parser.description = f"{parser.description}\n\n{_ABOUT}"
    source = parser.add_argument_group("source")
    source.add_argument(
        "--source", metavar="URL", help="rtsp://..., a video file, or a webcam (/dev/video0, 0)"
    )
    config_argument(source, required=False)
    source.add_argument("--camera", help="with -c: whose settings, and source, to use (default: the first)")
    what = parser.add_argument_group("what")
    what.add_argument("--label", required=True, help="the action, such as WALKING")
    what.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the recordings")
    what.add_argument(
        "--person",
        "--group",
        metavar="NAME",
        help="who is recorded: training never tests on somebody it has learned from (folder DIR/NAME)",
    )
    who = what.add_mutually_exclusive_group()
    who.add_argument("--track", type=positive_integer, metavar="N", help="record this track")
    who.add_argument(
        "--all", action="store_true", dest="everyone", help="a take of each person in the picture"
    )
    length = parser.add_argument_group("how long (in the time of the source: files run as fast as they can)")
    length.add_argument(
        "--countdown", type=_seconds, metavar="S", help="before each take (default 3; of a file 0)"
    )
    length.add_argument(
        "--seconds", type=positive_number, metavar="S", help="of a take (default 20; of a file all of it)"
    )
    length.add_argument("--frames", type=positive_integer, metavar="N", help="poses of a take, at most")
    length.add_argument("--takes", type=positive_integer, default=1, metavar="N", help="one after the other")
    show = parser.add_argument_group("preview")
    show.add_argument(
        "--window",
        action=argparse.BooleanOptionalAction,
        help="the picture in a window (default: where there is a screen); q or closing it ends",
    )
    show.add_argument("--quiet", action="store_true", help="no preview, and no progress")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Records; progress goes to stderr, what was written and how good it is to stdout."""
    from daemon.recording.recorder import record, stop_on_signals
    from daemon.recording.session import TakeSettings
    from daemon.recording.takes import TakeWriter
    from daemon.sources import is_live

    settings = _source(options)
    live = is_live(settings.source)
    take = TakeSettings(
        countdown=options.countdown if options.countdown is not None else (_COUNTDOWN if live else 0.0),
        seconds=options.seconds or (_SECONDS if live and options.frames is None else None),
        frames=options.frames,
        track=options.track,
        everyone=options.everyone,
        patience=_PATIENCE if live else None,
    )
    # The URL as it is configured: user and password are not part of it, or are masked.
    writer = TakeWriter(options.out, options.label, settings.url, options.person)
    previews = _previews(options, writer.label)

    def written(number: int, takes: list[WrittenTake], note: str) -> None:
        for one in takes:
            print(f"{one.path}: track {one.number}" + (f", ended early: {note}" if note else ""))
            print("\n".join(f"  {line}" for line in one.quality.lines()), flush=True)
        if not takes and options.takes > 1:
            print(f"take {number}: nothing was recorded: {note}", file=sys.stderr)

    try:
        with stop_on_signals() as stopping:
            result = record(
                settings,
                take,
                writer,
                takes=options.takes,
                previews=previews,
                stopping=stopping,
                written=written,
            )
    finally:
        for preview in previews:
            preview.close()
    if not result.takes:
        print(f"posewatch: nothing was recorded: {'; '.join(result.notes)}", file=sys.stderr)
        return 1
    return 0


def _source(options: argparse.Namespace) -> CameraConfig:
    """Settings of the camera that is recorded from."""
    from pydantic import ValidationError

    from daemon.config import CameraConfig, load_config
    from daemon.errors import UsageError
    from daemon.masking import mask_source
    from daemon.replay import pick_camera

    if options.config is not None:
        _, settings = pick_camera(load_config(options.config), options.camera)
    elif options.source is None:
        raise UsageError("--source is missing: give rtsp://..., a video file or a webcam (or -c FILE)")
    elif options.camera is not None:
        raise UsageError("--camera needs -c FILE, the configuration that holds it")
    else:
        settings = CameraConfig(url="0")
    if options.source is None:
        return settings
    try:
        url = CameraConfig(url=options.source).url
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise UsageError(f"--source {mask_source(options.source)}: {reason}") from None
    return settings.model_copy(update={"url": url, "username": None, "password": None})


def _previews(options: argparse.Namespace, label: str) -> list[Preview]:
    """What shows the recording: the terminal, and a window where there is a screen."""
    from daemon.errors import UsageError
    from daemon.recording.terminal import make_terminal_preview
    from daemon.recording.window import WindowPreview, has_screen

    previews: list[Preview] = []
    if options.window or (options.window is None and not options.quiet and has_screen()):
        try:
            previews.append(WindowPreview(f"posewatch record: {label}"))
        except UsageError:
            if options.window:
                raise
    if not options.quiet:
        previews.append(make_terminal_preview(sys.stderr))
    return previews


def _seconds(text: str) -> float:
    """A number of seconds, 0 included."""
    return 0.0 if text in ("0", "0.0") else positive_number(text)
