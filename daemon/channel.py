"""One camera of the service: its capture, its pipeline, its figures, and what happens when its code fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from daemon.capture import Camera, CameraState, CameraStatus, Frame, Reason
from daemon.config import CameraConfig, Rule
from daemon.config.rules import rules_of
from daemon.engines import Engines
from daemon.evidence import ModelVersions
from daemon.media import AlertMedia
from daemon.messages import Message
from daemon.overload import CameraLoad
from daemon.pipeline import CameraPipeline
from daemon.reasons import EndReason
from daemon.reconnect import Backoff
from daemon.sources import is_live
from daemon.storage.closing import closing_messages
from daemon.storage.entries import Entry
from daemon.tamper import KnownView
from daemon.timing import LatencyMeter, StageClock
from daemon.topics import Topics

__all__ = ["FAILURES_IN_A_ROW", "Channel", "Successor"]

_log = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 5
"""Frames whose processing fails one after the other before the camera's code starts anew."""

_RESTART = (1.0, 60.0)  # seconds until it does: at first, and at most
_WELL = 60.0  # seconds of work after which the next wait is short again
_LOG_INTERVAL = 60.0  # seconds between two tracebacks of one camera


@dataclass(frozen=True, slots=True)
class Successor:
    """What a camera goes on with under another configuration; made while it still goes by the former one.

    Attributes:
        settings: of the camera.
        topics: where messages go.
        media: gives alerts their pictures and clips.
        pipeline: new.
        camera: a new stream; None keeps the one that there is.
    """

    settings: CameraConfig
    topics: Topics
    media: AlertMedia
    pipeline: CameraPipeline
    camera: Camera | None


class Channel:
    """One camera with its pipeline and its figures. The lock orders what is published for the camera.

    Whoever publishes without it (how the camera is) or at the end of a frame also holds `telling` and looks
    whether the camera is `closed`: nothing may follow what was said last of it.

    Args:
        name: the camera's name in the configuration.
        settings: its effective settings.
        topics: where messages go.
        media: gives alerts their pictures and clips.
        profile: that is in use; None where the configuration has none.
        left_open: last messages of what is open of a camera, should its pipeline be unable to end it.
    """

    def __init__(
        self,
        name: str,
        settings: CameraConfig,
        topics: Topics,
        media: AlertMedia,
        *,
        profile: str | None = None,
        left_open: Callable[[str], list[Entry]] = lambda _: [],
    ) -> None:
        self.name, self.settings = name, settings
        self._topics, self._media, self._profile, self._left_open = topics, media, profile, left_open
        self.clock = StageClock()
        self.pipeline = self._make_pipeline()
        self.camera = Camera(name, settings)
        self.latency = LatencyMeter()
        self.lock, self.telling = threading.Lock(), threading.Lock()
        self.awaited = False  # no frame is taken: somebody waits for the lock
        self.enabled = settings.enabled
        self.closed = False  # removed: whoever has a frame of it in hand publishes nothing any more
        self.models: ModelVersions = {}
        self.last_captured_at = time.time()
        self._last_monotonic: float | None = None  # of the last frame that the pipeline has seen
        self.processed_at: float | None = None  # monotonic seconds
        self.frames_processed = self.errors = self.restarts = 0
        self._before = (0, 0, 0, 0)  # counts of streams before this one
        self.load = CameraLoad()
        self.failed: float | None = None  # UTC epoch seconds since when its code fails
        self._in_a_row = 0
        self._backoff = Backoff(*_RESTART)
        self._profile_is_due = False
        self._retry_at = self._restarted_at = self._logged_at = float("-inf")  # monotonic seconds
        self.told: tuple[CameraState, Reason | None, bool] | None = None  # in its status topic

    @property
    def rules(self) -> Mapping[str, Rule]:
        """Rules that this camera goes by, by name."""
        return rules_of(self.name, self.settings.rules, self.settings.zones)

    @property
    def status(self) -> CameraStatus:
        """How the camera is; one whose pictures cannot be processed does not stream, as far as users go."""
        status, failed = self.camera.status, self.failed
        if failed is None or status.state is not CameraState.STREAMING:
            return replace(status, overloaded=self.load.overloaded)
        return CameraStatus(CameraState.STALLED, Reason.ERROR, failed, 0.0)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Frames received, dropped and damaged, and reconnects, of all streams."""
        camera = self.camera
        now = (camera.frames_in, camera.frames_dropped, camera.frames_damaged, camera.reconnects)
        first, second, third, fourth = (a + b for a, b in zip(self._before, now, strict=True))
        return first, second, third, fourth

    @property
    def all_errors(self) -> int:
        """Frames whose processing failed, and failures of one rule or one person in a frame."""
        return self.errors + self.pipeline.errors

    def sample(self, now: float) -> None:
        """Takes the counts for the rates, at a time in monotonic seconds."""
        # A file that is read as fast as it goes loses frames on purpose, and so does code that starts anew.
        paced = self.settings.realtime or is_live(self.settings.source)
        judged = self.enabled and self.failed is None and paced
        received, dropped, _, _ = self.counts
        self.load.sample(received, self.frames_processed, dropped, now, judged=judged)

    def take(self) -> Frame | None:
        """The newest frame of the camera; None while it is switched off, awaited or about to start anew."""
        if not self.enabled or self.closed or self.awaited or time.monotonic() < self._retry_at:
            return None
        try:
            return self.camera.take()
        except Exception as error:  # a picture that cannot be converted
            self._note(error)
            return None

    def process(self, frame: Frame, engines: Engines) -> list[Message]:
        """What a frame leads to. The caller holds the lock."""
        before = self._follow_profile()
        try:
            result = self.pipeline.process(frame, engines)
        except Exception as error:
            self._note(error)
            return before + (self.start_anew() if self.is_broken else [])
        now = time.monotonic()
        self._in_a_row, self.processed_at = 0, now
        self.frames_processed += 1
        self.last_captured_at, self._last_monotonic = frame.captured_at, frame.monotonic
        if self.failed is not None:
            _log.warning(
                "camera_works_again camera=%s after_seconds=%.0f", self.name, time.time() - self.failed
            )
            self.failed = None
        elif self.restarts and now - self._restarted_at > _WELL:
            self._backoff.reset()
        return before + result.messages

    @property
    def is_broken(self) -> bool:
        """Whether frame after frame fails, so that it has to start anew."""
        if self.failed is not None:
            return self._in_a_row > 0
        return self._in_a_row >= FAILURES_IN_A_ROW

    def start_anew(self) -> list[Message]:
        """Ends what is open, and goes on with a new pipeline after a while. The caller holds the lock."""
        wait = self._backoff.next()
        self._in_a_row, self.restarts = 0, self.restarts + 1
        self.failed = self.failed or time.time()
        self._retry_at = self._restarted_at = time.monotonic() + wait
        _log.error(
            "camera_code_failed camera=%s errors=%d restarts=%d retry_in=%.1fs",
            self.name, self.errors, self.restarts, wait,
        )  # fmt: skip
        return self.end(EndReason.FAILED)

    def _note(self, error: Exception) -> None:
        self.errors += 1
        self._in_a_row += 1
        now = time.monotonic()
        trace = now - self._logged_at >= _LOG_INTERVAL
        if trace:
            self._logged_at = now
            _log.error("frame_failed camera=%s errors=%d", self.name, self.errors, exc_info=error)

    @property
    def gone(self) -> bool:
        """Whether the camera gives no frames for longer than anybody is followed unseen."""
        silent = self._last_monotonic is not None and (
            time.monotonic() - self._last_monotonic > self.settings.track.lost
        )
        return silent and self.camera.status.state is not CameraState.STREAMING

    def set_alerts(self, on: bool) -> list[Message]:
        """Switches alerts on or off. The caller holds the lock."""
        return self.pipeline.set_alerts_enabled(on, self.last_captured_at)

    def set_profile(self, name: str | None) -> list[Message]:
        """Goes on with the rules of a profile. The caller holds the lock."""
        self._profile, self._profile_is_due = name, False
        return self.pipeline.set_profile(name, self.last_captured_at)

    def set_profile_later(self, name: str | None) -> None:
        """The same with the next frame, where the one in hand does not come to its end."""
        self._profile, self._profile_is_due = name, True

    def _follow_profile(self) -> list[Message]:
        return self.set_profile(self._profile) if self._profile_is_due else []

    def end(self, reason: EndReason) -> list[Message]:
        """Ends whatever is open; what comes next is new, with new ids. The caller holds the lock."""
        messages = self.close(reason)
        alerts_enabled = self.pipeline.alerts_enabled
        # A camera may come back turned away; who switches it off and on wants to start anew.
        keep = reason not in (EndReason.SWITCHED_OFF, EndReason.CONFIG)
        try:
            following = self._make_pipeline(self.pipeline.view if keep else None)
            self.errors += self.pipeline.errors
            self.pipeline = following
        except Exception as error:  # it goes on with the old one, and fails again if that is of no use
            self._note(error)
        self.pipeline.alerts_enabled = alerts_enabled
        self._last_monotonic = None
        return messages

    def close(self, reason: EndReason) -> list[Message]:
        """The messages that end whatever is open, even if the pipeline is broken."""
        try:
            return self.pipeline.close(self.last_captured_at, reason)
        except Exception:
            _log.exception("not_closed camera=%s; ended as it was last told", self.name)
            return self.close_as_told(reason)

    def close_as_told(self, reason: EndReason) -> list[Message]:
        """The same, from what was published last, without touching the pipeline."""
        messages = closing_messages(self._left_open(self.name), self.last_captured_at, reason)
        try:
            messages += self._make_pipeline().initial_messages()
        except Exception:
            _log.exception("state_unknown camera=%s", self.name)
        return messages

    def prepare(
        self, settings: CameraConfig, topics: Topics, media: AlertMedia, *, new_stream: bool
    ) -> Successor:
        """What it would go on with; changes nothing.

        Raises:
            ModelError: a network of the pipeline is missing or damaged.
        """
        pipeline = CameraPipeline(
            self.name, settings, topics, clock=self.clock, profile=self._profile, media=media
        )
        return Successor(
            settings, topics, media, pipeline, Camera(self.name, settings) if new_stream else None
        )

    def go_on_with(self, successor: Successor) -> list[Message]:
        """Ends whatever is open, and goes on with what was prepared. The caller holds the lock.

        A new stream is not started yet, and the former one must have been asked to stop.
        """
        messages = self.close(EndReason.CONFIG)
        alerts_enabled = self.pipeline.alerts_enabled
        if successor.camera is not None:
            self._before = self.counts
            self.camera, self.told = successor.camera, None
        self.settings, self._topics, self._media = successor.settings, successor.topics, successor.media
        self.errors += self.pipeline.errors
        self.pipeline = successor.pipeline
        self.pipeline.alerts_enabled = alerts_enabled
        self._last_monotonic = self.failed = None
        self._in_a_row, self._retry_at = 0, float("-inf")
        self._backoff.reset()
        return messages

    def _make_pipeline(self, view: KnownView | None = None) -> CameraPipeline:
        return CameraPipeline(
            self.name,
            self.settings,
            self._topics,
            clock=self.clock,
            media=self._media,
            profile=self._profile,
            view=view,
        )
