"""What the commands' parsers share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = object  # the class is private, and generic for type checkers only

__all__ = ["Subparsers", "add_command", "config_argument", "positive_integer", "positive_number"]


def add_command(subparsers: Subparsers, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """A subparser whose help ends with an example."""
    return subparsers.add_parser(
        name,
        help=summary,
        description=summary[:1].upper() + summary[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def config_argument(parser: argparse._ActionsContainer, *, required: bool = True) -> None:
    """The `-c FILE` argument."""
    parser.add_argument(
        "-c", "--config", type=Path, required=required, metavar="FILE", help="the configuration (YAML)"
    )


def positive_number(text: str) -> float:
    """A finite number above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: must be a number above 0")
    return value


def positive_integer(text: str) -> int:
    """A whole number above 0, for argparse."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number above 0")
    return int(text)
