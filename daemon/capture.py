"""A camera: one thread that keeps its newest frame, comes back after every failure and says how it is.

Figures behind the choice of PyAV are in `daemon.sources`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from daemon.config import CameraConfig
from daemon.masking import mask_source, mask_url
from daemon.reader import Frame, FrameReader
from daemon.reconnect import Backoff
from daemon.sources import CaptureError, EndOfStream, Picture, Reason, Source, is_live, open_source
from daemon.timeline import FileTimeline, LiveTimeline

__all__ = [
    "Camera",
    "CameraState",
    "CameraStatus",
    "CaptureError",
    "EndOfStream",
    "Frame",
    "FrameReader",
    "Reason",
]

_log = logging.getLogger(__name__)
_RATE_AFTER, _RATE_EVERY = 5.0, 30.0  # seconds of streaming before its rate is told, and between two times
_RATE_CHANGE = 0.1  # share by which it must differ
_STABLE_SECONDS = 5.0  # a stream that lasted this long makes the next wait short again


class CameraState(str, Enum):
    """What a camera is doing."""

    STREAMING = "streaming"
    CONNECTING = "connecting"
    STALLED = "stalled"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera is.

    Attributes:
        state: what it is doing.
        reason: why it gives no frames, as far as that is known.
        since: UTC epoch seconds of the last change of state.
        fps: frames a second received of late; 0 while not streaming.
    """

    state: CameraState
    reason: Reason | None
    since: float
    fps: float


@dataclass(frozen=True, slots=True)
class _Pending:
    """The newest frame, not converted yet."""

    index: int
    picture: Picture
    captured_at: float
    monotonic: float


class Camera:
    """Captures one camera in one thread.

    Frames are converted when they are taken, so a frame that nobody takes costs its decoding only.
    `on_frame()` and `on_status(name, status)`, of a change of the state or of the rate, are called from the
    capture thread, without any lock held.

    Args:
        name: name of the camera.
        settings: its settings.
        clock: UTC epoch seconds.
        monotonic: monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        settings: CameraConfig,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.on_frame: Callable[[], None] | None = None
        self.on_status: Callable[[str, CameraStatus], None] | None = None
        self.frames_in = 0
        self.frames_dropped = 0
        self.frames_damaged = 0
        self.reconnects = 0
        self._settings = settings
        self._clock, self._monotonic = clock, monotonic
        self._lock = threading.Lock()
        self._pending: _Pending | None = None
        self._state, self._since = CameraState.DISABLED, clock()
        self._reason: Reason | None = None
        self._arrivals: deque[float] = deque(maxlen=60)
        self._told_rate, self._rate_due = 0.0, float("inf")
        self._index = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def status(self) -> CameraStatus:
        """How the camera is now."""
        with self._lock:
            return CameraStatus(self._state, self._reason, self._since, self._fps())

    @property
    def has_died(self) -> bool:
        """Whether its thread ended although nobody stopped it and its pictures did not end."""
        thread = self._thread
        if thread is None or thread.is_alive() or self._stopping.is_set():
            return False
        return self._state is not CameraState.DISABLED

    def start(self) -> None:
        """Starts capturing; does nothing while it runs."""
        if self._thread is not None and self._thread.is_alive() and not self._stopping.is_set():
            return
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._stopping,), name=f"capture-{self.name}", daemon=True
        )
        self._thread.start()

    def stop(self, timeout: float = 1.0) -> None:
        """Ends capturing within `timeout` seconds.

        A thread that waits for a dead camera inside FFmpeg cannot be woken: it is left to end by itself
        when its read times out, and gives no frame any more.
        """
        self._stopping.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        with self._lock:
            self._pending = None
        self._set_state(CameraState.DISABLED, None)

    def take(self) -> Frame | None:
        """The newest frame that was not taken yet, or None; never waits for the camera."""
        with self._lock:
            pending, self._pending = self._pending, None
        if pending is None:
            return None
        return Frame(
            self.name, pending.index, pending.picture.image(), pending.captured_at, pending.monotonic
        )

    def _run(self, stopping: threading.Event) -> None:
        settings = self._settings
        backoff = Backoff(settings.reconnect.min, settings.reconnect.max)
        reason: Reason | None = None
        while not stopping.is_set():
            self._set_state(CameraState.CONNECTING, reason, stopping)
            started = self._monotonic()
            try:
                self._capture(stopping)
                if stopping.is_set():
                    return
                raise CaptureError(Reason.ENDED, f"{mask_source(settings.url)}: the stream ended")
            except CaptureError as error:
                if error.reason is Reason.ENDED and not is_live(settings.source):
                    _log.info("camera_ended camera=%s", self.name)
                    self._set_state(CameraState.DISABLED, Reason.ENDED, stopping)
                    return
                streamed = self._state is CameraState.STREAMING
                reason = error.reason
                if streamed and self._monotonic() - started >= _STABLE_SECONDS:
                    backoff.reset()
                wait = backoff.next()
                if not stopping.is_set():
                    _log.warning(
                        "camera_lost camera=%s reason=%s retry_in=%.1fs error=%r",
                        self.name,
                        reason.value,
                        wait,
                        mask_url(str(error)),
                    )
            except Exception as error:  # the camera's boundary: whatever it was, try again
                reason, wait, streamed = Reason.ERROR, backoff.next(), True
                _log.error(
                    "camera_failed camera=%s retry_in=%.1fs error=%s",
                    self.name,
                    wait,
                    mask_url(f"{type(error).__name__}: {error}"),
                )
            stalled = streamed and reason is Reason.TIMEOUT
            self._set_state(CameraState.STALLED if stalled else CameraState.CONNECTING, reason, stopping)
            stopping.wait(wait)

    def _capture(self, stopping: threading.Event) -> None:
        """Opens the source and takes in its frames until it ends."""
        settings = self._settings
        source = open_source(
            settings.source,
            transport=settings.transport,
            open_timeout=settings.open_timeout,
            read_timeout=settings.read_timeout,
        )
        try:
            if is_live(settings.source):
                self._capture_live(source, stopping)
                return
            clock = _FileClock(self._monotonic(), self._clock())
            while True:
                clock.begin(source.rate)
                self._capture_file(source, clock, stopping)
                if not settings.loop or stopping.is_set():
                    return
                source.close()
                source = open_source(settings.source)
        finally:
            source.close()

    def _capture_live(self, source: Source, stopping: threading.Event) -> None:
        timeline = LiveTimeline()
        due = float("-inf")
        while not stopping.is_set():
            try:
                picture = source.grab()
            except EndOfStream:
                return
            arrival = self._monotonic()
            when = timeline.monotonic(picture.pts, arrival)
            due = self._accept(picture, when, self._clock() - (arrival - when), due, stopping)

    def _capture_file(self, source: Source, clock: _FileClock, stopping: threading.Event) -> None:
        due = float("-inf")
        while not stopping.is_set():
            try:
                picture = source.grab()
            except EndOfStream:
                return
            when, captured_at = clock.place(picture.pts)
            if self._settings.realtime and stopping.wait(max(0.0, when - self._monotonic())):
                return
            due = self._accept(picture, when, captured_at, due, stopping)

    def _accept(
        self, picture: Picture, when: float, captured_at: float, due: float, stopping: threading.Event
    ) -> float:
        """Counts a frame and keeps it where the `fps` limit allows it; returns when the next one is due."""
        if stopping.is_set():
            return due
        period = 1.0 / self._settings.fps
        wanted = when >= due - 0.1 * period
        with self._lock:
            self.frames_in += 1
            index, self._index = self._index, self._index + 1
            self._arrivals.append(self._monotonic())
            # A frame that still waits is always replaced by a newer one, due or not.
            if wanted or self._pending is not None:
                self.frames_dropped += self._pending is not None
                self._pending = _Pending(index, picture, captured_at, when)
        if self._state is not CameraState.STREAMING:
            self._set_state(CameraState.STREAMING, None, stopping)
            self._told_rate, self._rate_due = 0.0, self._monotonic() + _RATE_AFTER
        elif self._monotonic() >= self._rate_due:
            self._tell_rate(stopping)
        if not wanted:
            return due
        self._call(self.on_frame)
        # On the grid of the limit, so that 25 fps limited to 15 gives 15, not 12.5.
        return when + period if when - due > period else due + period

    def _tell_rate(self, stopping: threading.Event) -> None:
        """Says how many frames a second come: when a stream begins that is not known yet."""
        self._rate_due = self._monotonic() + _RATE_EVERY
        status = self.status
        if stopping.is_set() or abs(status.fps - self._told_rate) <= _RATE_CHANGE * self._told_rate:
            return
        self._told_rate = status.fps
        if self.on_status is not None:
            on_status = self.on_status
            self._call(lambda: on_status(self.name, status))

    def _set_state(
        self, state: CameraState, reason: Reason | None, stopping: threading.Event | None = None
    ) -> None:
        with self._lock:
            if stopping is not None and stopping is not self._stopping:
                return  # a thread that was left behind
            if stopping is not None and stopping.is_set():
                return
            if (state, reason) == (self._state, self._reason):
                return
            if state is not CameraState.STREAMING:
                self._arrivals.clear()
            self._state, self._reason, self._since = state, reason, self._clock()
            status = CameraStatus(state, reason, self._since, self._fps())
        if self.on_status is not None:
            on_status = self.on_status
            self._call(lambda: on_status(self.name, status))

    def _call(self, callback: Callable[[], None] | None) -> None:
        if callback is None:
            return
        try:
            callback()
        except Exception:  # a listener's mistake must not end the camera
            _log.exception("callback_failed camera=%s", self.name)

    def _fps(self) -> float:
        if self._state is not CameraState.STREAMING or len(self._arrivals) < 2:
            return 0.0
        elapsed = max(self._monotonic(), self._arrivals[-1]) - self._arrivals[0]
        return round((len(self._arrivals) - 1) / max(elapsed, 1e-3), 1)


class _FileClock:
    """Places a file's frames on our clocks, one round after the other."""

    def __init__(self, monotonic: float, captured_at: float) -> None:
        self._monotonic, self._captured_at = monotonic, captured_at
        self._base = self._end = self._period = 0.0
        self._timeline = FileTimeline(25.0)

    def begin(self, rate: float) -> None:
        """Starts a round."""
        self._timeline = FileTimeline(rate)
        self._base = self._end
        self._period = 1.0 / rate

    def place(self, pts: float | None) -> tuple[float, float]:
        """Monotonic time and UTC epoch seconds of the next frame."""
        seconds = self._base + self._timeline.seconds(pts)
        self._end = seconds + self._period
        return self._monotonic + seconds, self._captured_at + seconds
