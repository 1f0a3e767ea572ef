"""What nobody caught: logged as an event like everything else, instead of printed as it is."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType

__all__ = ["install_hooks"]

_log = logging.getLogger(__name__)


def install_hooks() -> None:
    """Sends uncaught exceptions of every thread, of finalizers, and warnings to the log."""
    sys.excepthook = _on_exception
    threading.excepthook = _on_thread
    sys.unraisablehook = _on_unraisable
    logging.captureWarnings(True)


def _on_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.critical("uncaught_exception thread=%s", "main", exc_info=(kind, error, trace))


def _on_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is None or issubclass(arguments.exc_type, SystemExit):
        return
    name = arguments.thread.name if arguments.thread is not None else "unknown"
    trace = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
    _log.critical("uncaught_exception thread=%s", name, exc_info=trace)


def _on_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    error = unraisable.exc_value
    trace = (unraisable.exc_type, error, unraisable.exc_traceback) if error is not None else None
    # The object is not shown: its repr may hold anything.
    _log.error("unraisable_exception of=%s", type(unraisable.object).__qualname__, exc_info=trace)
