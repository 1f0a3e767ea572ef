"""What can be switched over MQTT; it is as it was left after a restart or a reload."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial

from daemon import reports
from daemon.cameras import BusyError, Cameras, awaited, held
from daemon.channel import Channel
from daemon.config import Config
from daemon.deadline import Deadline
from daemon.homeassistant import BIRTH, birth_topic
from daemon.messages import Message
from daemon.mqtt import CommandError, Publisher, read_choice, read_switch
from daemon.mqtt.commands import Handler
from daemon.switches import Switches
from daemon.topics import SWITCHES, Topics

__all__ = ["Controls"]

_log = logging.getLogger(__name__)
_PATIENCE = 5.0  # seconds to wait for the frames that are in hand


class Controls:
    """Carries out commands, and remembers them.

    Args:
        config: the configuration.
        switches: remembers.
        publish: hands messages to the broker.
        publisher: where commands come in.

    Attributes:
        lock: held while a command is carried out, and while the configuration changes.
        profile: in use; None where the configuration has none.
    """

    def __init__(
        self,
        config: Config,
        switches: Switches,
        publish: Callable[[list[Message]], None],
        publisher: Publisher,
    ) -> None:
        self.lock = threading.RLock()
        self._config, self._switches = config, switches
        self._publish, self._publisher = publish, publisher
        self._topics = Topics(config.mqtt.prefix)
        self.profile = switches.profile(config.profiles)

    def adopt(self, config: Config) -> None:
        """Goes by another configuration; `restore`, `listen` and the rules of a profile are the caller's."""
        self._config, self._topics = config, Topics(config.mqtt.prefix)
        self.profile = self._switches.profile(config.profiles)

    def restore(self, channel: Channel) -> None:
        """Leaves a camera as it was switched last."""
        configured = channel.settings.enabled
        channel.enabled = self._switches.enabled(channel.name, configured)
        channel.pipeline.alerts_enabled = self._switches.alerts(channel.name)
        channel.set_profile(self.profile)
        if channel.enabled != configured or not channel.pipeline.alerts_enabled:
            _log.warning(
                "switched_before camera=%s enabled=%s alerts=%s",
                channel.name, channel.enabled, channel.pipeline.alerts_enabled,
            )  # fmt: skip

    def listen(self, cameras: Cameras) -> None:
        """Takes commands on their exact topics, and on no others."""
        handlers: dict[str, Handler] = {
            self._topics.switch_set(channel.name, switch): partial(self._on_switch, cameras, channel, switch)
            for channel in cameras
            for switch in SWITCHES
        }
        if self._config.profiles:
            handlers[self._topics.profile_set()] = partial(self._on_profile, cameras)
        if self._config.home_assistant.enabled:
            handlers[birth_topic(self._config)] = self._on_home_assistant
        self._publisher.listen(handlers)

    def states(self, cameras: Cameras) -> list[Message]:
        """Retained state of every switch."""
        messages = []
        for channel in cameras:
            states: Mapping[str, bool] = {
                "enabled": channel.enabled,
                "alerts": channel.pipeline.alerts_enabled,
            }
            messages += [reports.switch_state(self._topics, channel.name, *state) for state in states.items()]
        if self.profile is not None:
            messages.append(reports.profile_state(self._topics, self.profile))
        return messages

    def _on_switch(self, cameras: Cameras, channel: Channel, switch: str, payload: bytes) -> None:
        on = read_switch(payload)
        with self.lock:
            if channel.closed:
                return
            try:
                if switch == "alerts":
                    with awaited([channel]), held(channel):
                        self._publish(channel.set_alerts(on))
                    self._switches.set_alerts(channel.name, on)
                else:
                    cameras.switch(channel, on)
                    self._switches.set_enabled(channel.name, on, channel.settings.enabled)
            except BusyError as error:
                raise CommandError(f"{error}: nothing was switched") from error
            self._publish([reports.switch_state(self._topics, channel.name, switch, on)])
        _log.info("switched camera=%s switch=%s on=%s", channel.name, switch, on)

    def _on_profile(self, cameras: Cameras, payload: bytes) -> None:
        with self.lock:
            self.profile = read_choice(payload, self._config.profiles)
            self._switches.set_profile(self.profile)
            self.go_by_profile(cameras)
            self._publish([reports.profile_state(self._topics, self.profile)])
        _log.info("profile name=%s", self.profile)

    def go_by_profile(self, cameras: Cameras) -> None:
        """Lets every camera go on with the rules of the profile that is in use."""
        patience = Deadline(_PATIENCE)
        for channel in cameras:
            try:
                with awaited([channel]), held(channel, patience.left()):
                    self._publish(channel.set_profile(self.profile))
            except BusyError as error:  # which must not leave the other cameras without the profile
                channel.set_profile_later(self.profile)
                _log.warning("profile_waits camera=%s reason=%r", channel.name, str(error))

    def _on_home_assistant(self, payload: bytes) -> None:
        """It has just started: a broker that forgot what is retained would leave it without devices."""
        if payload == BIRTH:
            self._publisher.resend()
