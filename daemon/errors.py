"""Which error ends a command with which exit status; each of these prints as one line."""

from __future__ import annotations

__all__ = ["UsageError", "exit_status"]


class UsageError(Exception):
    """The command line asks for something that cannot be; the message is one line that says what to do."""


def exit_status(error: BaseException) -> int | None:
    """2 for wrong usage, configuration or model files, 1 for what failed on the way, None for a bug."""
    from classifier.recording import RecordingError
    from classifier.training.errors import TrainingError
    from daemon.capture import CaptureError
    from daemon.config import ConfigError
    from daemon.demo import DemoError
    from daemon.storage.errors import HistoryError, StateInUseError
    from tracker.runtime import MissingModelError, ModelError
    from tracker.store import StoreError

    if isinstance(error, MissingModelError):
        return 1  # the service tries again: the network may be there by then
    if isinstance(
        error, (UsageError, ConfigError, ModelError, RecordingError, StateInUseError, HistoryError)
    ):
        return 2
    if isinstance(error, (StoreError, CaptureError, TrainingError, DemoError, OSError)):
        return 1
    return None
