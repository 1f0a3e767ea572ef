"""The broker: publishing that survives its outages, and commands that come in."""

from __future__ import annotations

from daemon.mqtt.commands import CommandError, read_choice, read_switch
from daemon.mqtt.publisher import Publisher

__all__ = ["CommandError", "Publisher", "read_choice", "read_switch"]
