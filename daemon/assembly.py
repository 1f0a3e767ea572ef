"""The parts of the service that a configuration makes, and how they go on with another one."""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack
from importlib.metadata import version

from daemon import reports
from daemon.cameras import BusyError, Cameras, awaited, held
from daemon.channel import Channel
from daemon.config import Config
from daemon.controls import Controls
from daemon.deadline import Deadline
from daemon.fight_reader import watches_fights
from daemon.figures import ConfigFigures
from daemon.health.journal import log_messages
from daemon.homeassistant import announce
from daemon.logs import configure_logging
from daemon.media import MediaLibrary
from daemon.media.retained import pictures_that_stay
from daemon.messages import Message
from daemon.mqtt import Publisher
from daemon.reload import Prepared, Running, engines_for, keep_used
from daemon.storage import Store, state_folder
from daemon.storage.closing import closing_messages
from daemon.switches import Switches
from daemon.topics import Topics

__all__ = ["Assembly"]

_log = logging.getLogger(__name__)
_PATIENCE = 5.0  # seconds to wait for the frames and the command that are in hand


class Assembly:
    """Makes and keeps the parts, and publishes how the service is.

    Args:
        config: the validated configuration.

    Attributes:
        config: that holds.
        config_figures: how the file was when it was loaded last, and since when in UTC epoch seconds.

    Raises:
        ModelError: a model that the configuration names cannot be loaded.
    """

    def __init__(self, config: Config) -> None:
        self.config, self.topics = config, Topics(config.mqtt.prefix)
        now = time.time()
        self.config_figures, self.config_since = ConfigFigures("ok", None, now, 0), now
        self._started_at = now
        folder = state_folder(config.storage)
        self.media = MediaLibrary(config, self.topics, folder)
        engines = engines_for(config, [], _worker_count(config))
        self.store = Store(folder, config.storage)
        self.publisher = Publisher(config.mqtt, self.store)
        self._switches = Switches(self.store)
        self.controls = Controls(config, self._switches, self.publish, self.publisher)
        channels = [self._make_channel(name, config, self.topics, self.media) for name in config.cameras]
        self.cameras = Cameras(channels, engines, self.publish, self.topics)
        self._name_models()
        self._storage_told: object = None
        self._told: dict[str, object] = {}  # payloads of the service's own retained topics

    @property
    def providers(self) -> dict[str, str]:
        """What runs the models of the first camera now, by kind."""
        first = next(iter(self.cameras)).settings
        return self.cameras.scheduler.contexts[0].run_by(first, fights=watches_fights(first))

    def start(self) -> None:
        """Says how everything is, and starts everything."""
        for channel in self.cameras:
            self.controls.restore(channel)
        self._close_what_was_left_open()
        for channel in self.cameras:
            self.publish(channel.pipeline.initial_messages())
        self.publish_state()
        self.controls.listen(self.cameras)
        self.publisher.start()
        self.cameras.start()

    def publish(self, messages: list[Message]) -> None:
        """Hands messages over: to the broker, and to the history."""
        if messages:
            self.publisher.publish(messages)
            log_messages(messages)

    def publish_state(self) -> None:
        """Publishes what is new of the service's retained state; clears topics that are no longer in use."""
        topics = self.topics
        service = [
            reports.info(
                topics, self.config, self._started_at, next(iter(self.cameras)).models, self.providers
            ),
            reports.config_state(topics, self.config_figures, self.config_since),
            self._storage_state(),
            *announce(self.config, version("posewatch"), self.store),
            *self.controls.states(self.cameras),
        ]
        current = {one.topic for one in service}
        for channel in self.cameras:
            current |= {one.topic for one in channel.pipeline.initial_messages()}
            current.add(topics.camera_status(channel.name))
            settings, rules = channel.settings, channel.rules
            current |= pictures_that_stay(channel.name, settings, rules, topics, self.store)
        news = [one for one in service if self._told.get(one.topic) != one.payload]
        self._told = {one.topic: one.payload for one in service}
        self.publish(news)
        self.publisher.retire(current.__contains__, own=True)

    def note_config(self, error: str | None) -> None:
        """Notes that the file was refused, or (None) that what it says holds now."""
        now, before = time.time(), self.config_figures
        if (error is None) != (before.error is None):
            self.config_since = now
        self.config_figures = (
            ConfigFigures("ok", None, now, before.reloads + 1)
            if error is None
            else ConfigFigures("invalid", error, before.loaded_at, before.reloads)
        )

    def look_after_the_store(self) -> None:
        """Keeps the store in order; says so where the disk fails or is well again, or messages were lost."""
        self.store.tidy()
        self.media.prune(time.time())
        self._close_what_was_left_open()
        if (self.store.status, self.store.dropped) != self._storage_told:
            self.publish([self._storage_state()])

    def running(self) -> Running:
        """What runs now, for whoever prepares another configuration."""
        return Running(
            self.config,
            {channel.name: channel for channel in self.cameras},
            self.cameras.scheduler.contexts,
            self.media,
            self._make_channel,
            _worker_count,
        )

    def go_on_with(self, prepared: Prepared) -> None:
        """Applies another configuration.

        Raises:
            BusyError: a frame or a command is in hand for too long; nothing was changed.
        """
        config, changes, cameras, controls = prepared.config, prepared.changes, self.cameras, self.controls
        begins = config.mqtt.enabled and not self.config.mqtt.enabled
        other_profile = self._switches.profile(config.profiles) != controls.profile
        touched = {*changes.removed, *prepared.changed}
        patience = Deadline(_PATIENCE)
        with ExitStack() as stack:
            # 1. What is in hand comes to its end, and nothing new begins where something changes.
            if not controls.lock.acquire(timeout=patience.left()):
                raise BusyError("a command is in hand for too long")
            stack.callback(controls.lock.release)
            concerned = [one for one in cameras if other_profile or begins or one.name in touched]
            stack.enter_context(awaited(concerned))
            for channel in concerned:
                stack.enter_context(held(channel, patience.left()))
            # 2. From here on nothing can fail.
            configure_logging(config.log, config.secrets | self.config.secrets)
            for name in changes.removed:
                cameras.remove(name)
            self.config, self.topics, self.media = config, prepared.topics, prepared.media
            self.media.settle()
            self.store.set_limits(config.storage)
            cameras.topics = prepared.topics
            controls.adopt(config)
            self.publisher.reconfigure(config.mqtt)
            for name, successor in prepared.changed.items():
                cameras.change(name, successor, controls.restore)
            for channel in prepared.added.values():
                controls.restore(channel)
                cameras.add(channel)
            cameras.sort(list(config.cameras))
            if other_profile:
                for channel in cameras:
                    self.publish(channel.set_profile(controls.profile))
            if begins:
                self._told.clear()
                for channel in cameras:
                    self.publish(channel.pipeline.initial_messages())
                    cameras.tell(channel)
            cameras.scheduler.resize(prepared.engines)
            controls.listen(cameras)
            self._name_models()
        # 3. What only the former configuration needed goes.
        keep_used(prepared.engines, config)

    def _make_channel(self, name: str, config: Config, topics: Topics, media: MediaLibrary) -> Channel:
        return Channel(
            name, config.cameras[name], topics, media.camera(name), left_open=self.store.open_items
        )

    def _name_models(self) -> None:
        """Which models each camera uses, as their files were when they were loaded."""
        engines = self.cameras.scheduler.contexts[0]
        for channel in self.cameras:
            channel.models = engines.versions(channel.settings, fights=watches_fights(channel.settings))

    def _close_what_was_left_open(self) -> None:
        """What a former process left open, because it was killed or the power went, ended with it."""
        left, alive_at = self.store.left_open
        if left:
            messages = closing_messages(left, alive_at)
            _log.warning("closed_after_crash count=%d", len(messages))
            self.publish(messages)
            self.store.forget_left_open()

    def _storage_state(self) -> Message:
        status, dropped = self.store.status, self.store.dropped
        self._storage_told = (status, dropped)
        return reports.storage_state(self.topics, status, dropped)


def _worker_count(config: Config) -> int:
    """One a core, and no more than there are cameras."""
    workers = config.performance.workers or len(os.sched_getaffinity(0))
    return max(1, min(workers, sum(camera.enabled for camera in config.cameras.values())))
