"""One camera of the service: its capture, its pipeline and its figures."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from daemon.capture import Camera, CameraState, Frame
from daemon.config import Config, Rule
from daemon.config.rules import rules_of
from daemon.engines import Engines
from daemon.media import AlertMedia
from daemon.messages import Message
from daemon.pipeline import CameraPipeline
from daemon.reasons import EndReason
from daemon.tamper import KnownView
from daemon.timing import LatencyMeter
from daemon.topics import Topics

__all__ = ["Channel"]


class Channel:
    """One camera with its pipeline and its figures. The lock orders what is published for the camera.

    Args:
        name: the camera's name in the configuration.
        config: the whole configuration.
        topics: where messages go.
        media: gives alerts their pictures and clips.
    """

    def __init__(self, name: str, config: Config, topics: Topics, media: AlertMedia) -> None:
        self.name = name
        self.settings = config.cameras[name]
        self._topics, self._media = topics, media
        self._profile: str | None = None
        self.pipeline = self._make_pipeline()
        self.camera = Camera(name, self.settings)
        self.latency = LatencyMeter()
        self.lock = threading.Lock()
        self.enabled = self.settings.enabled
        self.last_captured_at = time.time()
        self._last_monotonic: float | None = None  # of the last frame that the pipeline has seen
        self.counts = (0, 0)  # frames in and processed at the last report
        self.counted_at = time.monotonic()

    @property
    def rules(self) -> Mapping[str, Rule]:
        """Rules that this camera goes by, by name."""
        return rules_of(self.name, self.settings.rules, self.settings.zones)

    def take(self) -> Frame | None:
        """The newest frame of the camera; None while it is switched off."""
        return self.camera.take() if self.enabled else None

    def process(self, frame: Frame, engines: Engines) -> list[Message]:
        """What a frame leads to. The caller holds the lock."""
        result = self.pipeline.process(frame, engines)
        self.last_captured_at, self._last_monotonic = frame.captured_at, frame.monotonic
        return result.messages

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

    def set_profile(self, name: str) -> list[Message]:
        """Goes on with the rules of a profile. The caller holds the lock."""
        self._profile = name
        return self.pipeline.set_profile(name, self.last_captured_at)

    def end(self, reason: EndReason) -> list[Message]:
        """Ends whatever is open; what comes next is new, with new ids. The caller holds the lock."""
        messages = self.pipeline.close(self.last_captured_at, reason)
        alerts_enabled = self.pipeline.alerts_enabled
        # A camera may come back turned away; who switches it off and on wants to start anew.
        keep = reason not in (EndReason.SWITCHED_OFF, EndReason.CONFIG)
        self.pipeline = self._make_pipeline(self.pipeline.view if keep else None)
        self.pipeline.alerts_enabled = alerts_enabled
        self._last_monotonic = None
        return messages

    def _make_pipeline(self, view: KnownView | None = None) -> CameraPipeline:
        return CameraPipeline(
            self.name, self.settings, self._topics, media=self._media, profile=self._profile, view=view
        )
