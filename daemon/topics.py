"""Every topic of the daemon."""

from __future__ import annotations

__all__ = ["SWITCHES", "Topics"]

SWITCHES = ("enabled", "alerts")


class Topics:
    """Builds and reads topics below one prefix.

    Args:
        prefix: first levels of every topic.
    """

    def __init__(self, prefix: str = "posewatch") -> None:
        self.prefix = prefix

    def status(self) -> str:
        """Retained: online or offline."""
        return f"{self.prefix}/status"

    def info(self) -> str:
        """Retained: version, start, cameras, models."""
        return f"{self.prefix}/info"

    def stats(self) -> str:
        """Load and rates, now and then."""
        return f"{self.prefix}/stats"

    def camera_status(self, camera: str) -> str:
        """Retained: whether the camera streams."""
        return f"{self.prefix}/{camera}/status"

    def people(self, camera: str) -> str:
        """Retained: count of confirmed tracks."""
        return f"{self.prefix}/{camera}/people"

    def zone_people(self, camera: str, zone: str) -> str:
        """Retained: count of confirmed tracks in a zone."""
        return f"{self.prefix}/{camera}/zones/{zone}/people"

    def tracks(self, camera: str) -> str:
        """Every processed frame's people."""
        return f"{self.prefix}/{camera}/tracks"

    def events(self, camera: str) -> str:
        """Tracks that begin, change and end."""
        return f"{self.prefix}/{camera}/events"

    def actions(self, camera: str) -> str:
        """Actions that begin and end."""
        return f"{self.prefix}/{camera}/actions"

    def alerts(self, camera: str) -> str:
        """Alerts that are raised, updated and cleared."""
        return f"{self.prefix}/{camera}/alerts"

    def alert_state(self, camera: str, rule: str) -> str:
        """Retained: ON or OFF."""
        return f"{self.prefix}/{camera}/alert/{rule}"

    def snapshot(self, camera: str, rule: str) -> str:
        """JPEG of the rule's last alert."""
        return f"{self.prefix}/{camera}/snapshot/{rule}"

    def switch_set(self, camera: str, switch: str) -> str:
        """Where commands for a switch come in; "+" for both subscribes to all."""
        return f"{self.prefix}/{camera}/{switch}/set"

    def switch_state(self, camera: str, switch: str) -> str:
        """Retained: ON or OFF."""
        return f"{self.prefix}/{camera}/{switch}/state"

    def parse_switch(self, topic: str) -> tuple[str, str] | None:
        """Camera and switch of a command's topic; None where it is no such topic."""
        if not topic.startswith(self.prefix + "/"):
            return None
        parts = topic[len(self.prefix) + 1 :].split("/")
        if len(parts) != 3 or parts[2] != "set" or parts[1] not in SWITCHES or not parts[0]:
            return None
        return parts[0], parts[1]
