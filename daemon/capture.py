"""A camera: one thread that keeps its newest frame, comes back after every failure and says how it is.

What a connection does wrong is the business of `daemon.sources`; here it only ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from daemon.camera_status import CameraState, CameraStatus, StatusRecord
from daemon.config import CameraConfig
from daemon.masking import mask_source
from daemon.outage import OutageLog
from daemon.reader import Frame, FrameReader, UnreadFrame
from daemon.reader_choice import ReaderChoice
from daemon.reconnect import Backoff, Patience
from daemon.resolving import Resolver
from daemon.sources import CaptureError, EndOfStream, Picture, Reason, Source, is_live, open_source
from daemon.timeline import FileClock, LiveTimeline

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
_SLICE = 0.1  # seconds between two looks whether a former thread is gone


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

    Attributes:
        frames_in: frames received.
        frames_dropped: frames that a newer one replaced before anybody took them, or that there was no time
            to decode; what the `fps` limit would not let through does not count.
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
        self._connections = 0
        self._damaged = 0  # of the connections before
        self._source: Source | None = None
        self._resolver = Resolver()
        ours = settings.transport == "tcp" and settings.source.lower().startswith("rtsp://")
        self._choice = ReaderChoice(name, settings.reader if ours else "ffmpeg", monotonic=monotonic)
        self._settings = settings
        self._clock, self._monotonic = clock, monotonic
        self._lock = threading.Lock()
        self._pending: UnreadFrame | None = None
        self._record = StatusRecord(clock, monotonic)
        self._turn = threading.Lock()  # of the one thread that may have a connection
        self._index = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def frames_damaged(self) -> int:
        """Frames that were not given because the stream was damaged."""
        with self._lock:
            return self._damaged + (self._source.damaged if self._source is not None else 0)

    @property
    def reconnects(self) -> int:
        """Connections that gave pictures, after the first one."""
        return max(0, self._connections - 1)

    @property
    def status(self) -> CameraStatus:
        """How the camera is now."""
        with self._lock:
            return self._record.status

    @property
    def has_died(self) -> bool:
        """Whether its thread ended although nobody stopped it and its pictures did not end."""
        thread = self._thread
        if thread is None or thread.is_alive() or self._stopping.is_set():
            return False
        return self._record.state is not CameraState.DISABLED

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
        when its read times out, and gives no frame any more. The next one waits for it, so that however
        often a camera is started and stopped, one of them is inside FFmpeg at most.
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
        return pending.read(self.name)

    def _run(self, stopping: threading.Event) -> None:
        self._set_state(CameraState.CONNECTING, None, stopping)
        while not self._turn.acquire(timeout=_SLICE):
            if stopping.is_set():
                return
        try:
            self._keep_capturing(stopping)
        finally:
            self._turn.release()

    def _keep_capturing(self, stopping: threading.Event) -> None:
        settings = self._settings.reconnect
        patience = Patience(Backoff(settings.min, settings.max), settings.refused)
        outage = OutageLog(self.name, self._monotonic)
        reason: Reason | None = None
        while not stopping.is_set():
            self._set_state(CameraState.CONNECTING, reason, stopping)
            started = self._monotonic()
            error = self._capture_until_it_fails(stopping)
            if stopping.is_set():
                return
            if error is None:
                self._set_state(CameraState.DISABLED, Reason.ENDED, stopping)
                return
            reason = error.reason
            streamed = self._record.state is CameraState.STREAMING
            stalled = streamed and reason is Reason.TIMEOUT
            self._choice.failed(error, streamed=streamed)
            wait = patience.after(reason, self._monotonic() - started if streamed else 0.0)
            outage.failed(error, after_pictures=streamed, retry_in=wait)
            self._set_state(CameraState.STALLED if stalled else CameraState.CONNECTING, reason, stopping)
            stopping.wait(wait)

    def _capture_until_it_fails(self, stopping: threading.Event) -> CaptureError | None:
        """Why there are no more frames; None at the end of a file."""
        try:
            self._capture(stopping)
            if not is_live(self._settings.source):
                _log.info("camera_ended camera=%s", self.name)
                return None
            return CaptureError(Reason.ENDED, f"{mask_source(self._settings.url)}: the stream ended")
        except CaptureError as error:
            return error
        except Exception as error:  # the camera's boundary: whatever it was, try again
            failure = CaptureError(Reason.ERROR, f"{type(error).__name__}: {error}", unusable=True)
            failure.__cause__ = error
            return failure

    def _open(self, stopping: threading.Event) -> Source:
        settings = self._settings
        return open_source(
            settings.source,
            transport=settings.transport,
            ffmpeg=self._choice.ffmpeg,
            open_timeout=settings.open_timeout,
            read_timeout=settings.read_timeout,
            resolver=self._resolver,
            cancelled=stopping.is_set,
            keep_up=True,
        )

    def _capture(self, stopping: threading.Event) -> None:
        """Opens the source and takes in its frames until it ends."""
        clock: FileClock | None = None
        while not stopping.is_set():
            source = self._open(stopping)
            with self._lock:
                self._source = source
            try:
                if is_live(self._settings.source):
                    self._capture_live(source, stopping)
                    return
                clock = clock or FileClock(self._monotonic(), self._clock())
                clock.begin(source.rate)
                self._capture_file(source, clock, stopping)
            finally:
                with self._lock:
                    self._source, self._damaged = None, self._damaged + source.damaged
                source.close()
            if not self._settings.loop:
                return

    def _capture_live(self, source: Source, stopping: threading.Event) -> None:
        timeline = LiveTimeline()
        due = float("-inf")
        before, skipped = self._monotonic(), 0
        while not stopping.is_set():
            try:
                picture = source.grab()
            except EndOfStream:
                return
            arrival = self._monotonic()
            when = timeline.monotonic(picture.pts, arrival)
            if source.skipped > skipped:
                self._count_skipped(source.skipped - skipped, when - before)
            before, skipped = when, source.skipped
            due = self._accept(picture, when, self._clock() - (arrival - when), due, stopping)

    def _capture_file(self, source: Source, clock: FileClock, stopping: threading.Event) -> None:
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

    def _count_skipped(self, count: int, seconds: float) -> None:
        """Counts frames that there was no time to decode, of so many seconds."""
        with self._lock:
            self.frames_in += count
            self._index += count
            self.frames_dropped += min(count, round(seconds * self._settings.fps))

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
            self._record.arrived()
            # A frame that still waits is always replaced by a newer one, due or not.
            if wanted or self._pending is not None:
                self.frames_dropped += self._pending is not None
                self._pending = UnreadFrame(index, picture, captured_at, when)
        if self._record.state is not CameraState.STREAMING:
            self._connections += 1
            self._set_state(CameraState.STREAMING, None, stopping)
        elif self._record.is_rate_due:
            with self._lock:
                status = self._record.rate_to_tell()
            self._tell(status if not stopping.is_set() else None)
        if not wanted:
            return due
        self._call(self.on_frame)
        # On the grid of the limit, so that 25 fps limited to 15 gives 15, not 12.5.
        return when + period if when - due > period else due + period

    def _set_state(
        self, state: CameraState, reason: Reason | None, stopping: threading.Event | None = None
    ) -> None:
        with self._lock:
            if stopping is not None and stopping is not self._stopping:
                return  # a thread that was left behind
            if stopping is not None and stopping.is_set():
                return
            status = self._record.change(state, reason)
        self._tell(status)

    def _tell(self, status: CameraStatus | None) -> None:
        on_status = self.on_status
        if status is not None and on_status is not None:
            self._call(lambda: on_status(self.name, status))

    def _call(self, callback: Callable[[], None] | None) -> None:
        if callback is None:
            return
        try:
            callback()
        except Exception:  # a listener's mistake must not end the camera
            _log.exception("callback_failed camera=%s", self.name)
