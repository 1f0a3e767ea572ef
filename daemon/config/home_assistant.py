"""Home Assistant's MQTT discovery."""

from __future__ import annotations

from pydantic import Field, field_validator

from daemon.config.base import ConfigModel

__all__ = ["HomeAssistantConfig"]


class HomeAssistantConfig(ConfigModel):
    """Devices and entities that appear in Home Assistant by themselves."""

    enabled: bool = Field(
        default=True,
        title="Discovery",
        description="false announces nothing to Home Assistant, and takes back what was announced.",
    )
    prefix: str = Field(
        default="homeassistant",
        title="Discovery prefix",
        description="The discovery prefix of Home Assistant's MQTT integration.",
        min_length=1,
        max_length=128,
    )

    @field_validator("prefix")
    @classmethod
    def _topic(cls, value: str) -> str:
        if any(character in value for character in "+#\0") or value[0] in "/$" or value.endswith("/"):
            raise ValueError("is the start of topics: no + or #, no / at its ends, no $ in front")
        return value
