"""Which RTSP client reads a camera: our own, or FFmpeg's where ours can make nothing of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from daemon.source_types import CaptureError, Reason

__all__ = ["ReaderChoice"]

_log = logging.getLogger(__name__)

_IN_A_ROW = 2  # answers that a camera may also give while it starts
_MOST = 64
_AGAIN = 3600.0  # seconds after which ours may try again where FFmpeg's connection ended


class ReaderChoice:
    """Chooses for each connection of one camera.

    Ours begins. Where the camera is there and ours can make nothing of what it says or sends, FFmpeg is
    tried. It stays where it gives pictures, and goes where it gives none; then ours has to fail twice as
    often before it is tried again. A wrong password, a wrong path, silence and a network that is away say
    nothing about either.

    Args:
        camera: its name, for the log.
        setting: of the camera: auto or ffmpeg.
        monotonic: seconds.

    Attributes:
        ffmpeg: whether the next connection goes through FFmpeg.
    """

    def __init__(
        self, camera: str, setting: str = "auto", *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._camera, self._fixed, self._monotonic = camera, setting == "ffmpeg", monotonic
        self.ffmpeg = self._fixed
        self._failures, self._wanted = 0, 1
        self._since = 0.0
        self._told: str | None = None

    def failed(self, error: CaptureError, *, streamed: bool) -> None:
        """Takes in how a connection ended, and whether it gave pictures."""
        if self._fixed:
            return
        if self.ffmpeg:
            self._leave_or_stay(streamed)
            return
        if streamed:
            self._failures, self._wanted, self._told = 0, 1, None
            return
        if not error.unusable:
            return
        self._failures += 1
        if self._failures < max(self._wanted, _IN_A_ROW if error.reason is Reason.NETWORK else 1):
            return
        self.ffmpeg, self._failures, self._since = True, 0, self._monotonic()
        if error.reason.value != self._told:
            self._told = error.reason.value
            _log.warning("camera_reader camera=%s reader=ffmpeg reason=%s", self._camera, self._told)

    def _leave_or_stay(self, streamed: bool) -> None:
        if streamed:
            self._wanted = 1
            if self._monotonic() - self._since < _AGAIN:
                return
        else:
            self._wanted = min(2 * self._wanted, _MOST)
        self.ffmpeg = False
