"""The command line: `posewatch COMMAND`. Exit status 0 ok, 1 failed, 2 wrong usage or configuration."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

from daemon import commands
from daemon.errors import exit_status

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    _limit_library_threads()
    parser = build_parser()
    options = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    try:
        return run(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `posewatch replay ... --events - | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        status = exit_status(error)
        if status is None:
            raise
        _complain(f"posewatch: {error}")
        return status


def _complain(text: str) -> None:
    """On standard error; in the journal with the priority of an error, for `journalctl -p err`."""
    from daemon.logs.handler import is_journal

    mark = "<3>" if is_journal(sys.stderr) else ""
    print("\n".join(mark + line for line in text.splitlines()), file=sys.stderr)


def _limit_library_threads() -> None:
    """One thread for OpenCV and BLAS: the workers already use every core."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what fails is told by us
    # OpenCV's own wheels have a pool of their own, which knows nothing of OpenMP.
    for name in ("OPENCV_FOR_THREADS_NUM", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="posewatch",
        description="Watches cameras, follows people, reads poses, publishes actions and alerts over MQTT.",
    )
    parser.add_argument("--version", action="version", version=f"posewatch {version('posewatch')}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (
        commands.add_run,
        commands.add_check,
        commands.add_status,
        commands.add_replay,
        commands.add_events,
        commands.add_models,
        commands.add_install_service,
        commands.add_record,
        commands.add_train,
        commands.add_evaluate,
        commands.add_train_detector,
        commands.add_benchmark,
        commands.add_demo,
    ):
        add(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
