"""What to say to Home Assistant, and what was said before.

The format is that of Home Assistant's device discovery (2024.12 and later): a retained message on
`<prefix>/device/<node>[/<camera>]/config` with everything about a device and its entities.

An entity that a rule, a zone or a profile no longer gives does not go by being left out: Home Assistant
removes it when the device's message names its platform alone. `announce` therefore keeps a note of what was
there. A device goes by an empty message on its topic, as any retained topic that is no longer in use gets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from daemon.config import Config
from daemon.homeassistant.devices import Devices
from daemon.messages import Message

__all__ = ["BIRTH", "Components", "Notes", "announce", "birth_topic", "components", "discovery_messages"]

BIRTH = b"online"
"""What Home Assistant says on its birth topic when it has started."""

Components: TypeAlias = Mapping[str, Mapping[str, str]]
"""Platforms of the announced entities: by the topic of the device's message, by component."""

_NOTE = "home_assistant"


class Notes(Protocol):
    """What outlives the process, such as `daemon.storage.Store`."""

    def get(self, name: str) -> str | None:
        """What was set under a name."""

    def set(self, name: str, value: str) -> None:
        """Remembers a value."""


def birth_topic(config: Config) -> str:
    """Where Home Assistant says `online` when it has started; everything retained is sent again then."""
    return f"{config.home_assistant.prefix}/status"


def announce(config: Config, version: str, notes: Notes) -> list[Message]:
    """`discovery_messages` with what was announced before, which is noted for the next time.

    Args:
        config: the configuration.
        version: of posewatch.
        notes: where the note is kept.
    """
    noted = notes.get(_NOTE)
    try:
        known = json.loads(noted) if noted else None
    except ValueError:  # of a damaged database
        known = None
    messages = discovery_messages(config, version, known)
    now = json.dumps(components(messages))
    if now != noted:
        notes.set(_NOTE, now)
    return messages


def discovery_messages(config: Config, version: str, known: Components | None = None) -> list[Message]:
    """The retained messages that make the devices and entities appear; none where discovery is off.

    Args:
        config: the configuration.
        version: of posewatch.
        known: what was announced before, as `components` gave it; entities that are no longer part of their
            device are removed. Devices that are no longer there need an empty message on their topic.
    """
    if not config.home_assistant.enabled:
        return []
    devices = Devices(config, version)
    messages = [devices.service(), *(devices.camera(name) for name in config.cameras)]
    for message in messages:
        _remove_former(message, (known or {}).get(message.topic, {}))
    return messages


def components(messages: Sequence[Message]) -> dict[str, dict[str, str]]:
    """Platform of each component of discovery messages, by topic; those on their way out included.

    A removed component stays named for good: Home Assistant may be off when it is removed.
    """
    found = {}
    for message in messages:
        assert isinstance(message.payload, dict)
        parts = message.payload["components"]
        found[message.topic] = {key: str(part["platform"]) for key, part in parts.items()}
    return found


def _remove_former(message: Message, known: Mapping[str, str]) -> None:
    assert isinstance(message.payload, dict)
    parts = message.payload["components"]
    parts.update({key: {"platform": platform} for key, platform in known.items() if key not in parts})
