"""Home Assistant's MQTT discovery: one device for the service and one for each camera."""

from __future__ import annotations

from daemon.homeassistant.discovery import (
    BIRTH,
    Components,
    Notes,
    announce,
    birth_topic,
    components,
    discovery_messages,
)

__all__ = ["BIRTH", "Components", "Notes", "announce", "birth_topic", "components", "discovery_messages"]
