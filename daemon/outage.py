"""What the log says of a camera that is away: why, and every hour that it still is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from daemon.masking import mask_url
from daemon.source_types import CaptureError, Reason

__all__ = ["OutageLog"]

_log = logging.getLogger("daemon.capture")
_INTERVAL = 3600.0  # seconds after which the same is said again
_LONG = 30.0  # seconds: a wait above it is worth another line
_MOST = 20  # different errors that are remembered


class OutageLog:
    """Logs each failed attempt to get pictures that says something new.

    A camera is asked every minute, for months if need be: what was said of this outage within the last hour
    is for level `debug` only.

    Args:
        camera: its name.
        monotonic: monotonic seconds.
    """

    def __init__(self, camera: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._camera, self._monotonic = camera, monotonic
        self._said: set[tuple[Reason, str, bool]] = set()
        self._since, self._attempts = float("-inf"), 0

    def failed(self, error: CaptureError, *, after_pictures: bool, retry_in: float) -> None:
        """Takes the end of a connection, or of an attempt to get one.

        Args:
            error: why.
            after_pictures: whether there had been pictures before: a new outage begins.
            retry_in: seconds until the next attempt.
        """
        now = self._monotonic()
        if after_pictures:
            self._attempts = 0
        if after_pictures or now - self._since >= _INTERVAL or len(self._said) >= _MOST:
            self._said.clear()
            self._since = now
        self._attempts += 1
        what = (error.reason, mask_url(str(error)), retry_in > _LONG)
        level = logging.ERROR if error.reason is Reason.ERROR else logging.WARNING
        if what in self._said:
            level = logging.DEBUG
        self._said.add(what)
        detailed = error.reason is Reason.ERROR and _log.isEnabledFor(logging.DEBUG)
        _log.log(
            level,
            "camera_lost camera=%s reason=%s attempt=%d retry_in=%.1fs error=%r",
            self._camera, what[0].value, self._attempts, retry_in, what[1],
            exc_info=error if detailed else None,
        )  # fmt: skip
