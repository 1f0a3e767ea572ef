"""Frames for a recording: every frame of a file, the newest of a stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol

from daemon.capture import EndOfStream, Frame, FrameReader
from daemon.config import CameraConfig
from daemon.sources import Picture, Source, is_live, open_source

__all__ = ["FrameFeed", "StreamClock", "open_feed"]

_WAITED = 0.3  # of a frame's period: longer than that a frame was not there yet when it was asked for
_PATIENCE = 3.0  # seconds after which a source that never waits is taken as it is


class FrameFeed(Protocol):
    """Where frames come from."""

    def read(self) -> Frame | None:
        """The next frame; None where there is none yet.

        Raises:
            EndOfStream: there are no more.
            CaptureError: the source cannot be opened or read.
        """
        ...

    def close(self) -> None:
        """Lets go of the source."""
        ...

    def __enter__(self) -> FrameFeed: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_feed(name: str, settings: CameraConfig) -> FrameFeed:
    """Opens a source.

    Args:
        name: for the frames.
        settings: of the camera.

    Raises:
        CaptureError: a file cannot be opened; streams say so from `read`.
    """
    if is_live(settings.source):
        return _LiveFeed(name, settings)
    return _FileFeed(name, settings.source)


class _FileFeed:
    """Every frame, as fast as it is taken."""

    def __init__(self, name: str, source: str) -> None:
        self._reader = FrameReader(name, str(Path(source)))

    def read(self) -> Frame | None:
        return self._reader.read()

    def close(self) -> None:
        self._reader.close()

    def __enter__(self) -> _FileFeed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StreamClock:
    """Seconds of a stream's frames by the camera's own clock.

    Unlike the daemon's `LiveTimeline` it does not follow the arrival of frames: those that come late, or in a
    burst, keep their spacing. Where the camera's clock jumps, or there is none,
    the time of arrival counts.
    """

    _JUMP = 2.0  # seconds by which a step may differ from that of the arrivals
    _MIN_STEP = 1e-3

    def __init__(self) -> None:
        self._last: tuple[float | None, float, float] | None = None

    def seconds(self, pts: float | None, arrival: float) -> float:
        """Time of the next frame; that of the first one is its arrival.

        Args:
            pts: seconds on the camera's clock, or None.
            arrival: monotonic seconds when it was received.
        """
        now = arrival
        if self._last is not None:
            last_pts, last_arrival, last = self._last
            elapsed = arrival - last_arrival
            step = pts - last_pts if pts is not None and last_pts is not None else elapsed
            if step <= 0 or abs(step - elapsed) > self._JUMP:
                step = elapsed
            now = last + max(step, self._MIN_STEP)
        self._last = pts, arrival, now
        return now


class _LiveFeed:
    """The newest frame; those that came while nobody took one are counted by the frame's number.

    A thread reads, so that a machine that is slower than the stream does not fall behind it, and so that an
    interrupt is noticed while a camera does not answer.
    """

    _WAIT = 0.1  # seconds after which `read` gives up, so that keys and windows are looked at

    def __init__(self, name: str, settings: CameraConfig) -> None:
        self._name, self._settings = name, settings
        self._condition = threading.Condition()
        self._newest: tuple[int, Picture, float, float] | None = None
        self._error: BaseException | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)
        self._thread.start()

    def read(self) -> Frame | None:
        with self._condition:
            if self._newest is None and self._error is None:
                self._condition.wait(self._WAIT)
            newest, self._newest = self._newest, None
            if newest is None and self._error is not None:
                raise self._error
        if newest is None:
            return None
        index, picture, captured_at, monotonic = newest
        return Frame(self._name, index, picture, captured_at, monotonic)

    def close(self) -> None:
        self._stopping = True
        self._thread.join(1.0)  # a dead camera holds FFmpeg until its timeout: the thread ends by itself

    def __enter__(self) -> _LiveFeed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._grab()
        except Exception as error:  # handed to whoever reads
            with self._condition:
                self._error = error
                self._condition.notify()

    def _grab(self) -> None:
        settings = self._settings
        source = open_source(
            settings.source,
            transport=settings.transport,
            ffmpeg=settings.reader == "ffmpeg",
            fall_back=True,
            open_timeout=settings.open_timeout,
            read_timeout=settings.read_timeout,
        )
        clock, index = StreamClock(), 0
        try:
            _drain(source, lambda: self._stopping)
            while not self._stopping:
                picture = source.grab()
                now = time.monotonic()
                monotonic = clock.seconds(picture.pts, now)
                with self._condition:
                    self._newest = index, picture, time.time() - (now - monotonic), monotonic
                    self._condition.notify()
                index += 1
        finally:
            source.close()
        raise EndOfStream


def _drain(source: Source, stopping: Callable[[], bool]) -> None:
    """Takes the frames that wait already when a stream is opened: old ones, and the first has no time.

    They come at once, so that a countdown in the time of the stream would be over before it began.
    """
    period, begun = 1.0 / source.rate, time.monotonic()
    source.grab()
    while not stopping():
        asked = time.monotonic()
        source.grab()
        now = time.monotonic()
        if now - asked > _WAITED * period or now - begun > _PATIENCE:
            return
