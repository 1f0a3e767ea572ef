"""`posewatch run`: cameras, workers and the publisher, from start to a clean stop."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from importlib.metadata import version

from daemon import notify
from daemon.capture import Camera, CameraState, CameraStatus, Frame
from daemon.config import Config
from daemon.engines import Engines
from daemon.homeassistant import discovery_messages
from daemon.messages import Message
from daemon.mqtt import Publisher
from daemon.pipeline import CameraPipeline, watches_fights
from daemon.process_usage import ProcessUsage
from daemon.reasons import EndReason
from daemon.scheduler import Scheduler
from daemon.timing import LatencyMeter
from daemon.topics import Topics

__all__ = ["Service"]

_log = logging.getLogger(__name__)
_CHECK_INTERVAL = 0.5  # seconds between two looks for cameras that are away


class _Channel:
    """One camera with its pipeline and its figures. The lock orders what is published for the camera."""

    def __init__(self, name: str, config: Config, topics: Topics) -> None:
        self.name = name
        self.settings = config.cameras[name]
        self._topics = topics
        self.pipeline = CameraPipeline(name, self.settings, topics)
        self.camera = Camera(name, self.settings)
        self.latency = LatencyMeter()
        self.lock = threading.Lock()
        self.enabled = self.settings.enabled
        self.last_captured_at = time.time()
        self._last_monotonic: float | None = None  # of the last frame that the pipeline has seen
        self.counts = (0, 0)  # frames in and processed at the last report
        self.counted_at = time.monotonic()

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

    def end(self, reason: EndReason) -> list[Message]:
        """Ends whatever is open; what comes next is new, with new ids. The caller holds the lock."""
        messages = self.pipeline.close(self.last_captured_at, reason)
        alerts_enabled = self.pipeline.alerts_enabled
        self.pipeline = CameraPipeline(self.name, self.settings, self._topics)
        self.pipeline.alerts_enabled = alerts_enabled
        self._last_monotonic = None
        return messages


class Service:
    """The daemon. `run` blocks until `stop` is called or SIGTERM or SIGINT arrives.

    Args:
        config: the validated configuration.

    Raises:
        ModelError: a model that the configuration names cannot be loaded.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._topics = Topics(config.mqtt.prefix)
        self._stopping = threading.Event()
        self._started_at = time.time()
        self._usage = ProcessUsage()
        self._channels = [_Channel(name, config, self._topics) for name in config.cameras]
        self._by_name = {channel.name: channel for channel in self._channels}
        workers = config.performance.workers or len(os.sched_getaffinity(0))
        active = sum(channel.settings.enabled for channel in self._channels)
        engines = [Engines() for _ in range(max(1, min(workers, active)))]
        self._warm_up(engines)
        self._publisher = Publisher(config.mqtt, on_command=self._on_command)
        self._scheduler: Scheduler[Frame, Engines] = Scheduler(self._channels, engines, self._work)

    def run(self) -> int:
        """Runs until stopped; returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        self._publisher.start()
        self._publish([self._info(), *self._initial_state()])
        self._scheduler.start()
        for channel in self._channels:
            channel.camera.on_frame = self._scheduler.wake
            channel.camera.on_status = self._on_status
            if channel.enabled:
                channel.camera.start()
        notify.ready()
        notify.status(f"watching {len(self._channels)} cameras")
        _log.info("started cameras=%d workers=%d", len(self._channels), self._scheduler.workers)
        interval = self._config.stats_interval
        due = time.monotonic() + min(interval, 5.0)
        while not self._stopping.wait(min(max(0.0, due - time.monotonic()), _CHECK_INTERVAL)):
            self._end_what_is_gone()
            if time.monotonic() >= due:
                due += interval
                self._publish([self._stats()])
        self._shut_down()
        return 0

    def stop(self) -> None:
        """Asks `run` to end; safe from a signal handler and from any thread."""
        self._stopping.set()

    def _warm_up(self, engines: list[Engines]) -> None:
        """Loads every model now, so that a bad file ends the start and the first frame is not slow."""
        for engine in engines:
            for channel in self._channels:
                engine.detector(channel.settings.detect)
                engine.estimator(channel.settings.pose)
                engine.actions(channel.settings.actions)
                if watches_fights(channel.settings):
                    engine.fights(channel.settings.fights)

    def _work(self, index: int, frame: Frame, engines: Engines) -> None:
        channel = self._channels[index]
        with channel.lock:
            if not channel.enabled:
                return  # switched off while this frame waited
            self._publish(channel.process(frame, engines))
        channel.latency.add(time.monotonic() - frame.monotonic)

    def _end_what_is_gone(self) -> None:
        """A camera that is away sees nobody: no count and no alert may stay as it was."""
        for channel in self._channels:
            if channel.gone:
                with channel.lock:
                    self._publish(channel.end(EndReason.CAMERA_LOST))

    def _publish(self, messages: list[Message]) -> None:
        for message in messages:
            self._publisher.publish(message)

    def _initial_state(self) -> list[Message]:
        messages = discovery_messages(self._config, version("posewatch"))
        for channel in self._channels:
            messages += channel.pipeline.initial_messages()
            messages.append(self._switch_state(channel, "enabled", channel.enabled))
            messages.append(self._switch_state(channel, "alerts", channel.pipeline.alerts_enabled))
            if not channel.enabled:
                messages.append(self._camera_status(channel.name, channel.camera.status))
        return messages

    def _info(self) -> Message:
        settings = next(iter(self._config.cameras.values()))
        models = {
            "detector": str(settings.detect.model or "bundled"),
            "pose": str(settings.pose.model),
            "actions": str(settings.actions.model or "bundled"),
        }
        if watches_fights(settings):
            models["fights"] = str(settings.fights.model or "bundled")
        payload = {
            "version": version("posewatch"),
            "started_at": round(self._started_at, 3),
            "cameras": [channel.name for channel in self._channels],
            "models": models,
        }
        return Message(self._topics.info(), payload, qos=1, retain=True)

    def _camera_status(self, camera: str, status: CameraStatus) -> Message:
        payload = {
            "state": status.state.value,
            "reason": status.reason.value if status.reason else None,
            "since": round(status.since, 3),
            "fps": status.fps,
        }
        return Message(self._topics.camera_status(camera), payload, qos=1, retain=True)

    def _on_status(self, camera: str, status: CameraStatus) -> None:
        _log.info("camera_state camera=%s state=%s reason=%s", camera, status.state.value, status.reason)
        self._publisher.publish(self._camera_status(camera, status))

    def _switch_state(self, channel: _Channel, switch: str, on: bool) -> Message:
        return Message(
            self._topics.switch_state(channel.name, switch), "ON" if on else "OFF", qos=1, retain=True
        )

    def _on_command(self, camera: str, switch: str, on: bool) -> None:
        channel = self._by_name.get(camera)
        if channel is None:
            _log.warning("command_ignored camera=%s reason=unknown_camera", camera)
            return
        if switch == "alerts":
            with channel.lock:
                self._publish(channel.pipeline.set_alerts_enabled(on, channel.last_captured_at))
        else:
            self._switch_camera(channel, on)
        self._publish([self._switch_state(channel, switch, on)])
        _log.info("switched camera=%s switch=%s on=%s", camera, switch, on)

    def _switch_camera(self, channel: _Channel, on: bool) -> None:
        if on == channel.enabled or self._stopping.is_set():
            return
        channel.enabled = on
        if on:
            channel.camera.start()
            return
        channel.camera.stop()
        with channel.lock:
            self._publish(channel.end(EndReason.SWITCHED_OFF))

    def _stats(self) -> Message:
        cameras = {}
        for index, channel in enumerate(self._channels):
            now = time.monotonic()
            counts = (channel.camera.frames_in, self._scheduler.processed[index])
            elapsed = max(now - channel.counted_at, 1e-3)
            cameras[channel.name] = {
                "fps_in": round((counts[0] - channel.counts[0]) / elapsed, 2),
                "fps_processed": round((counts[1] - channel.counts[1]) / elapsed, 2),
                "dropped": channel.camera.frames_dropped,
                "errors": self._scheduler.errors[index],
                "latency_ms": channel.latency.percentiles(),
            }
            channel.counts, channel.counted_at = counts, now
        payload = {**self._usage.read(), "queue": self._publisher.queued, "cameras": cameras}
        return Message(self._topics.stats(), payload, qos=0, retain=False)

    def _shut_down(self) -> None:
        notify.stopping()
        _log.info("stopping")
        for channel in self._channels:
            channel.camera.on_status = None
            channel.camera.stop()
        self._scheduler.stop()
        for channel in self._channels:
            self._publish(channel.pipeline.close(channel.last_captured_at))
        self._publish([self._stats()])
        self._publisher.close(timeout=5.0)
        _log.info("stopped")
