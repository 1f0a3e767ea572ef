"""Lets the running service go on with another configuration: whole, or not at all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from daemon import notify
from daemon.assembly import Assembly
from daemon.cameras import BusyError
from daemon.endpoint import Endpoint
from daemon.process_usage import give_back_memory
from daemon.reload import LOADING, Attempt, Prepared, keep_used

__all__ = ["NotWholeError", "Reloading"]

_log = logging.getLogger(__name__)
_SETTLED = 5.0  # seconds after a reload, in which the last frames of workers that leave come to their end


class NotWholeError(Exception):
    """Half of a configuration may be applied: only a start makes that whole."""


class Reloading:
    """Loads the file again whenever it is asked for, one attempt at a time.

    Args:
        path: the file; None where there is none to load again.
        assembly: what goes by it.
        endpoint: a server that comes and goes with the configuration.
        wake: ends the wait of the main loop, from another thread.
    """

    def __init__(
        self, path: Path | None, assembly: Assembly, endpoint: Endpoint, wake: Callable[[], None]
    ) -> None:
        self._path, self._assembly, self._endpoint, self._wake = path, assembly, endpoint, wake
        self._attempt: Attempt | None = None
        self._hanging: Attempt | None = None
        self._settled_at = float("inf")  # monotonic seconds

    @property
    def is_busy(self) -> bool:
        """Whether an attempt goes on."""
        return self._attempt is not None

    def begin(self) -> None:
        """Begins an attempt."""
        notify.reloading(time.monotonic_ns() // 1000)
        notify.extend_timeout(LOADING)
        _log.info("reloading config=%s", self._path)
        if self._path is None:
            self._refuse("there is no file to load again")
        elif self._hanging is not None and self._hanging.is_alive:
            self._refuse(self._hanging.error)
        else:
            self._hanging = None
            self._attempt = Attempt(self._path, self._assembly.running(), self._wake)

    def turn(self) -> bool:
        """Applies what is ready; returns whether an attempt has come to its end.

        Raises:
            NotWholeError: it failed where nothing can fail.
        """
        if time.monotonic() >= self._settled_at:
            self._settled_at = float("inf")
            give_back_memory()  # of models that were let go of
        attempt = self._attempt
        if attempt is None or not attempt.is_over:
            return False
        self._attempt = None
        if attempt.prepared is not None:
            self._apply(attempt.prepared)
        else:
            self._hanging = attempt
            self._refuse(attempt.error)
        self._settled_at = time.monotonic() + _SETTLED
        return True

    def _apply(self, prepared: Prepared) -> None:
        assembly, changes, former = self._assembly, prepared.changes, self._assembly.config
        began = time.monotonic()
        try:
            self._endpoint.replace(prepared.config)
        except OSError as error:
            self._refuse(f"{self._path}: {error}")
            return
        try:
            assembly.go_on_with(prepared)
        except BusyError as error:
            self._endpoint.replace(former)
            self._refuse(f"{self._path}: {error}")
            return
        except Exception as error:
            raise NotWholeError("the configuration could not be applied whole") from error
        assembly.note_config(None)
        assembly.publish_state()
        names = (changes.added, changes.removed, changes.reconnected, changes.adjusted, changes.sections)
        _log.info(
            "reloaded added=%s removed=%s reconnected=%s adjusted=%s sections=%s seconds=%.2f",
            *(",".join(some) or "-" for some in names),
            time.monotonic() - began,
        )

    def _refuse(self, error: str) -> None:
        assembly = self._assembly
        running = assembly.running()
        keep_used(running.engines, running.config)
        _log.error("reload_refused error=%r; the former configuration holds", error)
        assembly.note_config(error)
        assembly.publish_state()
