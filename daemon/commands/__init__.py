"""One file a command: its arguments, and what it does. Heavy imports happen when the command runs."""

from __future__ import annotations

from daemon.commands.benchmark import add_benchmark
from daemon.commands.check import add_check
from daemon.commands.demo import add_demo
from daemon.commands.evaluate import add_evaluate
from daemon.commands.events import add_events
from daemon.commands.install_service import add_install_service
from daemon.commands.models import add_models
from daemon.commands.record import add_record
from daemon.commands.replay import add_replay
from daemon.commands.run import add_run
from daemon.commands.status import add_status
from daemon.commands.train import add_train
from daemon.commands.train_detector import add_train_detector

__all__ = [
    "add_benchmark",
    "add_check",
    "add_demo",
    "add_evaluate",
    "add_events",
    "add_install_service",
    "add_models",
    "add_record",
    "add_replay",
    "add_run",
    "add_status",
    "add_train",
    "add_train_detector",
]
