"""`posewatch run`."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import logging
import os
import sys
import threading
from pathlib import Path

from daemon.commands.parsing import Subparsers, add_command, config_argument

__all__ = ["add_run"]


def add_run(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "run",
        "run the daemon until SIGTERM or Ctrl-C",
        "posewatch run -c /etc/posewatch/posewatch.yaml",
    )
    config_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Loads the configuration and the models, then watches."""
    from daemon.signals import Signals

    signals = Signals()
    signals.take_reload()  # first of all: until then a SIGHUP ends the process

    from daemon.process_usage import share_memory

    share_memory()  # before libraries start their threads

    from daemon.config import load_config
    from daemon.logs import configure_logging
    from daemon.model_trial import try_models
    from daemon.service import Service

    config = load_config(options.config)
    configure_logging(config.log, config.secrets)
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # without standard error
        faulthandler.enable()  # stacks to the journal where a library crashes: names and lines, no values
    logging.getLogger(__name__).info("loading config=%s", options.config)
    try_models(config.cameras.values())
    return _end(Service(config, Path(options.config), signals=signals).run())


def _end(status: int) -> int:
    """Ends the process at once where threads are left, as of a reload that loads models.

    Whatever has to be kept is by now. A thread that comes back from a library when Python has begun to go is
    ended in the midst of it, which ONNX Runtime takes for a crash: it aborts.
    """
    if threading.active_count() > 1:
        logging.shutdown()
        with contextlib.suppress(OSError, AttributeError):
            sys.stderr.flush()
        os._exit(status)
    return status
