"""`posewatch status`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.commands.parsing import Subparsers, add_command, config_argument, positive_number

if TYPE_CHECKING:
    from urllib.error import HTTPError

__all__ = ["add_status"]

_TIMEOUT = 5.0  # seconds for an answer
_MAX_BYTES = 8 << 20
_MAX_REFUSAL = 200  # characters
_CLEAR = "\033[H\033[2J"


def add_status(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "status",
        "show how the running daemon and its cameras are; exit status 1 unless it runs, is ready and healthy",
        "posewatch status -c /etc/posewatch/posewatch.yaml --watch",
    )
    where = parser.add_mutually_exclusive_group()
    config_argument(where, required=False)
    where.add_argument(
        "--url",
        metavar="URL",
        help="of the health server, http://127.0.0.1:9960 when left out",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, one object a line")
    parser.add_argument(
        "--watch",
        nargs="?",
        type=positive_number,
        const=2.0,
        metavar="SECONDS",
        help="again and again until Ctrl-C, every 2 seconds or as given",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Asks the daemon's health server and prints what it says."""
    url = options.url or _url(options.config)
    if options.watch is None:
        return _show(url, as_json=options.json)
    clear = sys.stdout.isatty() and not options.json
    while True:
        if clear:
            print(_CLEAR, end="")
        _show(url, as_json=options.json)
        sys.stdout.flush()
        time.sleep(options.watch)


def _show(url: str, *, as_json: bool) -> int:
    from daemon.health.table import table_of

    try:
        picture = _picture(url)
        lines = [json.dumps(picture, ensure_ascii=False)] if as_json else table_of(picture, colour=_colours())
    except _NoAnswerError as error:
        print(f"posewatch: {error}", file=sys.stderr)
        return 1
    except (KeyError, TypeError, ValueError, AttributeError):
        print(f"posewatch: what answers at {_shown(url)} is no posewatch of this version", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0 if picture["ready"] and picture["healthy"] else 1


class _NoAnswerError(Exception):
    """There is no daemon, or none that can be asked; the message is one line that says what to do."""


def _url(path: Path | None) -> str:
    """Where the daemon of this configuration answers.

    Only `health` is read: what the rest of the file needs, such as secrets, need not be there for whoever
    asks.
    """
    from daemon.config import HealthConfig, load_section
    from daemon.errors import UsageError

    settings = HealthConfig()
    if path is not None:
        settings = load_section(path, "health", HealthConfig)
        if not settings.enabled:
            raise UsageError(f"{path}: health.enabled is false: there is nobody to ask")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _picture(url: str) -> dict[str, Any]:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.parse import urlsplit
    from urllib.request import ProxyHandler, build_opener

    from daemon.errors import UsageError

    try:
        parts = urlsplit(url)
        well_formed = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        well_formed = False
    if not well_formed:
        raise UsageError("--url: must be such as http://127.0.0.1:9960")
    opener = build_opener(ProxyHandler({}))  # never by way of a proxy: it is this machine, or a near one
    try:
        with opener.open(url.rstrip("/") + "/status", timeout=_TIMEOUT) as answer:
            text = answer.read(_MAX_BYTES)
    except HTTPError as error:
        raise _NoAnswerError(f"{_shown(url)} answers with {error.code}{_said_with(error)}") from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        reason = " ".join(str(getattr(reason, "strerror", None) or reason).split())
        raise _NoAnswerError(f"nobody answers at {_shown(url)} ({reason}): is posewatch running?") from None
    picture = json.loads(text)
    if not isinstance(picture, dict):
        raise ValueError
    return picture


def _said_with(error: HTTPError) -> str:
    """What posewatch says where it refuses something; of others no text reaches the terminal."""
    try:
        text = error.read(_MAX_REFUSAL + 1).decode("ascii")
    except (OSError, ValueError):
        text = ""
    first = (text.splitlines() or [""])[0]
    plain = (
        error.headers.get_content_type() == "text/plain" and len(text) <= _MAX_REFUSAL and first.isprintable()
    )
    return f": {first}" if plain and first else ": is this posewatch?"


def _shown(url: str) -> str:
    from daemon.masking import mask_url

    return mask_url(url)


def _colours() -> bool:
    """https://no-color.org; nothing but text where it is no terminal."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
