"""`posewatch run`: cameras, workers and the publisher, from start to a clean stop."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from functools import partial
from importlib.metadata import version

from daemon import notify, reports
from daemon.capture import CameraStatus, Frame
from daemon.channel import Channel
from daemon.config import Config
from daemon.engines import Engines
from daemon.homeassistant import BIRTH, announce, birth_topic
from daemon.media import MediaLibrary
from daemon.media.retained import pictures_that_stay
from daemon.messages import Message
from daemon.mqtt import Publisher, read_choice, read_switch
from daemon.pipeline import watches_fights
from daemon.process_usage import ProcessUsage
from daemon.reasons import EndReason
from daemon.scheduler import Scheduler
from daemon.storage import StateLock, Store, state_folder
from daemon.storage.closing import closing_messages
from daemon.switches import Switches
from daemon.topics import SWITCHES, Topics

__all__ = ["Service"]

_log = logging.getLogger(__name__)
_CHECK_INTERVAL = 0.5  # seconds between two looks for cameras that are away


class Service:
    """The daemon. `run` blocks until `stop` is called or SIGTERM or SIGINT arrives.

    Args:
        config: the validated configuration.

    Raises:
        ModelError: a model that the configuration names cannot be loaded.
        StateInUseError: another daemon uses the state directory.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._topics = Topics(config.mqtt.prefix)
        self._stopping = threading.Event()
        self._started_at = time.time()
        self._usage = ProcessUsage()
        folder = state_folder(config.storage)
        self._state_lock = StateLock(folder)
        self._media = MediaLibrary(config, self._topics, folder)
        self._channels = [
            Channel(name, config, self._topics, self._media.camera(name)) for name in config.cameras
        ]
        workers = config.performance.workers or len(os.sched_getaffinity(0))
        active = sum(channel.settings.enabled for channel in self._channels)
        engines = [Engines() for _ in range(max(1, min(workers, active)))]
        self._warm_up(engines)
        self._store = Store(folder, config.storage)
        self._publisher = Publisher(config.mqtt, self._store)
        self._storage_reported: object = None
        self._switches = Switches(self._store)
        self._profiles: list[str] = list(config.profiles)
        self._profile = self._switches.profile(self._profiles)
        self._scheduler: Scheduler[Frame, Engines] = Scheduler(self._channels, engines, self._work)

    def run(self) -> int:
        """Runs until stopped; returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        self._restore()
        self._close_what_was_left_open()
        self._publish([reports.info(self._topics, self._config, self._started_at), *self._initial_state()])
        self._publisher.retire(self._topics_in_use().__contains__)
        self._listen()
        self._publisher.start()
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
            self._look_after_the_store()
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
                fights = watches_fights(channel.settings)
                if fights:
                    engine.fights(channel.settings.fights)
                engine.versions(channel.settings, fights=fights)

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
                    if channel.gone:  # still: the lock may have been a worker's, with the first frame since
                        self._publish(channel.end(EndReason.CAMERA_LOST))

    def _look_after_the_store(self) -> None:
        """Keeps the store in order; says so where the disk fails or is well again, or messages were lost."""
        self._store.tidy()
        self._media.prune(time.time())
        self._close_what_was_left_open()
        if (self._store.status, self._store.dropped) != self._storage_reported:
            self._publish([self._storage_state()])

    def _close_what_was_left_open(self) -> None:
        """What a former process left open, because it was killed or the power went, ended with it."""
        left, alive_at = self._store.left_open
        if left:
            messages = closing_messages(left, alive_at)
            _log.warning("closed_after_crash count=%d", len(messages))
            self._publish(messages)
            self._store.forget_left_open()

    def _publish(self, messages: list[Message]) -> None:
        if messages:
            self._publisher.publish(messages)

    def _restore(self) -> None:
        """Switches are as they were left."""
        for channel in self._channels:
            configured = channel.settings.enabled
            channel.enabled = self._switches.enabled(channel.name, configured)
            channel.pipeline.alerts_enabled = self._switches.alerts(channel.name)
            if self._profile is not None:
                channel.set_profile(self._profile)
            if channel.enabled != configured or not channel.pipeline.alerts_enabled:
                _log.warning(
                    "switched_before camera=%s enabled=%s alerts=%s",
                    channel.name,
                    channel.enabled,
                    channel.pipeline.alerts_enabled,
                )

    def _listen(self) -> None:
        """Takes commands on their exact topics."""
        listen, topics = self._publisher.subscribe, self._topics
        for channel in self._channels:
            for switch in SWITCHES:
                listen(topics.switch_set(channel.name, switch), partial(self._on_switch, channel, switch))
        if self._profiles:
            listen(topics.profile_set(), self._on_profile)
        if self._config.home_assistant.enabled:
            listen(birth_topic(self._config), self._on_home_assistant)

    def _topics_in_use(self) -> set[str]:
        """Retained topics that belong to this configuration, whether or not anything was published there."""
        topics = self._topics
        current = {topics.info(), topics.storage()}
        for channel in self._channels:
            current |= {topics.camera_status(channel.name)}
            current |= pictures_that_stay(channel.name, channel.settings, channel.rules, topics, self._store)
        return current

    def _initial_state(self) -> list[Message]:
        topics = self._topics
        discovery = announce(self._config, version("posewatch"), self._store)
        messages = [*discovery, self._storage_state()]
        for channel in self._channels:
            messages += channel.pipeline.initial_messages()
            messages.append(reports.switch_state(topics, channel.name, "enabled", channel.enabled))
            alerts = channel.pipeline.alerts_enabled
            messages.append(reports.switch_state(topics, channel.name, "alerts", alerts))
            if not channel.enabled:
                messages.append(reports.camera_status(topics, channel.name, channel.camera.status))
        if self._profile is not None:
            messages.append(reports.profile_state(topics, self._profile))
        return messages

    def _storage_state(self) -> Message:
        status, dropped = self._store.status, self._store.dropped
        self._storage_reported = (status, dropped)
        return reports.storage_state(self._topics, status, dropped)

    def _on_status(self, camera: str, status: CameraStatus) -> None:
        reason = status.reason.value if status.reason else None
        _log.info(
            "camera_state camera=%s state=%s reason=%s fps=%s", camera, status.state.value, reason, status.fps
        )
        self._publish([reports.camera_status(self._topics, camera, status)])

    def _on_switch(self, channel: Channel, switch: str, payload: bytes) -> None:
        on = read_switch(payload)
        if switch == "alerts":
            self._switches.set_alerts(channel.name, on)
            with channel.lock:
                self._publish(channel.set_alerts(on))
        else:
            self._switches.set_enabled(channel.name, on, channel.settings.enabled)
            self._switch_camera(channel, on)
        self._publish([reports.switch_state(self._topics, channel.name, switch, on)])
        _log.info("switched camera=%s switch=%s on=%s", channel.name, switch, on)

    def _on_profile(self, payload: bytes) -> None:
        self._profile = read_choice(payload, self._profiles)
        self._switches.set_profile(self._profile)
        for channel in self._channels:
            with channel.lock:
                self._publish(channel.set_profile(self._profile))
        self._publish([reports.profile_state(self._topics, self._profile)])
        _log.info("profile name=%s", self._profile)

    def _on_home_assistant(self, payload: bytes) -> None:
        """It has just started: a broker that forgot what is retained would leave it without devices."""
        if payload == BIRTH:
            self._publisher.resend()

    def _switch_camera(self, channel: Channel, on: bool) -> None:
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
        publisher, status = self._publisher, self._store.status
        payload = {
            **self._usage.read(),
            "queue": publisher.queued,
            "mqtt": {
                "connected": publisher.connected,
                "queued": publisher.queued,
                "dropped": publisher.dropped,
            },
            "storage": {"state": status.state, "reason": status.reason},
            "commands_ignored": publisher.commands_ignored,
            "cameras": cameras,
        }
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
        self._media.close(timeout=3.0)
        self._publisher.close(timeout=5.0)
        self._store.close()
        self._state_lock.release()
        _log.info("stopped")
