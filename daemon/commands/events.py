"""`posewatch events`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.commands.parsing import Subparsers, add_command

if TYPE_CHECKING:
    from daemon.config import StorageConfig
    from daemon.storage.history import HistoryFilter, Line

__all__ = ["add_events"]

_KINDS = ("alerts", "actions", "events")
_SYSTEM_FOLDER = Path("/var/lib/posewatch")  # of the systemd unit
_POLL = 0.5  # seconds between two looks with --follow


def add_events(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "events",
        "list alerts, actions and events of the past, while the daemon runs or not",
        "posewatch events --since 1h --rule fall",
    )
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="the configuration, where it names a state directory (storage.path)",
    )
    parser.add_argument(
        "--since", type=_moment, metavar="WHEN", help="how long ago (90s, 5m, 1h, 7d) or 2026-01-31T08:00"
    )
    parser.add_argument("--until", type=_moment, metavar="WHEN", help="likewise; local time without a zone")
    parser.add_argument("--camera", help="of this camera only")
    parser.add_argument("--rule", help="alerts of this rule only")
    parser.add_argument("--kind", choices=_KINDS, help="only these (events are people who come and go)")
    parser.add_argument("--id", help="one alert, action or track only")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, with the whole message")
    parser.add_argument(
        "--follow",
        action="store_true",
        help="go on with what comes (without --since: from now), until Ctrl-C",
    )
    parser.add_argument(
        "--state", type=Path, metavar="DIR", help="the daemon's state directory, where it is another"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints a line a message, oldest first."""
    from daemon.storage.history import HistoryFilter

    folder = options.state or _folder(_settings(options.config))
    since = time.time() if options.follow and options.since is None else options.since
    wanted = HistoryFilter(since, options.until, options.camera, options.rule, options.kind, options.id)
    head = "" if options.json else _row("TIME", "KIND", "CAMERA", "WHAT", "TYPE", "SCORE", "SECONDS", "ID")
    found = False
    for line in _lines(folder, wanted, options.follow):
        if head and not found:
            print(head)
        found = True
        print(_json(line) if options.json else _table(line), flush=options.follow)
    if not found:
        print("nothing found", file=sys.stderr)
    return 0


def _settings(config: Path | None) -> StorageConfig:
    from daemon.config import StorageConfig, load_section

    return StorageConfig() if config is None else load_section(config, "storage", StorageConfig)


def _folder(settings: StorageConfig) -> Path:
    """The daemon's folder: for people, too, who are not in the daemon's environment."""
    from daemon.storage import database_path, state_folder

    folder = state_folder(settings)
    ours = database_path(folder).exists() or settings.path is not None
    return folder if ours or not database_path(_SYSTEM_FOLDER).exists() else _SYSTEM_FOLDER


def _lines(folder: Path, wanted: HistoryFilter, follow: bool) -> Iterator[Line]:
    from daemon.storage.history import read_history

    seen = 0
    while True:
        for line in read_history(folder, replace(wanted, after=seen) if seen else wanted):
            seen = line.number
            yield line
        if not follow:
            return
        time.sleep(_POLL)


def _json(line: Line) -> str:
    row = {"time": line.time, "topic": line.topic, "waiting": line.waiting, "payload": line.payload}
    return json.dumps(row, ensure_ascii=False)


def _table(line: Line) -> str:
    payload = line.payload
    named = payload["after"] if line.kind == "events" else payload
    what, score = {
        "alerts": (named.get("rule"), named.get("score")),
        "actions": (named.get("action"), named.get("score")),
        "events": ("person", None),
    }[line.kind]
    start, end = named["start_time"], named["end_time"]
    kind = (
        payload["type"]
        if payload.get("reason") in (None, "over")
        else f"{payload['type']}:{payload['reason']}"
    )
    return _row(
        datetime.fromtimestamp(line.time).strftime("%Y-%m-%d %H:%M:%S") + ("*" if line.waiting else ""),
        line.kind.removesuffix("s"),
        line.camera,
        what,
        kind,
        "" if score is None else f"{score:.2f}",
        "" if end is None else f"{end - start:.1f}",
        named["id"],
    )


def _row(*cells: object) -> str:
    widths = (20, 6, 12, 14, 16, 5, 8, 0)
    return "  ".join(f"{cell!s:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _moment(text: str) -> float:
    """UTC epoch seconds of "1h" (ago) or of an ISO 8601 time, for argparse."""
    from daemon.config.base import parse_duration

    try:
        return time.time() - parse_duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text}: must be how long ago (90s, 5m, 1h, 7d) or a time such as 2026-01-31T08:00"
        ) from None
