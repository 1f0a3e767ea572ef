"""Every topic of the daemon."""

from __future__ import annotations

__all__ = ["SWITCHES", "Topics"]

SWITCHES = ("enabled", "alerts")
_SPECIAL = frozenset("/+#%$ ")


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
        return f"{self.prefix}/{_level(camera)}/status"

    def people(self, camera: str) -> str:
        """Retained: count of confirmed tracks."""
        return f"{self.prefix}/{_level(camera)}/people"

    def zone_people(self, camera: str, zone: str) -> str:
        """Retained: count of confirmed tracks in a zone."""
        return f"{self.prefix}/{_level(camera)}/zones/{_level(zone)}/people"

    def tracks(self, camera: str) -> str:
        """Every processed frame's people."""
        return f"{self.prefix}/{_level(camera)}/tracks"

    def events(self, camera: str) -> str:
        """Tracks that begin, change and end."""
        return f"{self.prefix}/{_level(camera)}/events"

    def actions(self, camera: str) -> str:
        """Actions that begin and end."""
        return f"{self.prefix}/{_level(camera)}/actions"

    def alerts(self, camera: str) -> str:
        """Alerts that are raised, updated and cleared."""
        return f"{self.prefix}/{_level(camera)}/alerts"

    def alert_state(self, camera: str, rule: str) -> str:
        """Retained: ON or OFF."""
        return f"{self.prefix}/{_level(camera)}/alert/{_level(rule)}"

    def snapshot(self, camera: str, rule: str) -> str:
        """JPEG of the rule's last alert."""
        return f"{self.prefix}/{_level(camera)}/snapshot/{_level(rule)}"

    def snapshots(self, camera: str) -> str:
        """Those of all rules, to subscribe to."""
        return f"{self.prefix}/{_level(camera)}/snapshot/+"

    def storage(self) -> str:
        """Retained: whether messages are safe on disk."""
        return f"{self.prefix}/storage"

    def config(self) -> str:
        """Retained: whether the configuration file was accepted when it was loaded last."""
        return f"{self.prefix}/config"

    def tamper(self, camera: str) -> str:
        """Retained: whether somebody covers, turns or blinds the camera."""
        return f"{self.prefix}/{_level(camera)}/tamper"

    def switch_set(self, camera: str, switch: str) -> str:
        """Where commands for a switch come in."""
        return f"{self.prefix}/{_level(camera)}/{switch}/set"

    def switch_state(self, camera: str, switch: str) -> str:
        """Retained: ON or OFF."""
        return f"{self.prefix}/{_level(camera)}/{switch}/state"

    def profile_set(self) -> str:
        """Where the profile is chosen."""
        return f"{self.prefix}/profile/set"

    def profile_state(self) -> str:
        """Retained: name of the profile in use."""
        return f"{self.prefix}/profile/state"


def _level(name: str) -> str:
    """A name as one level of a topic: what has a meaning in topics is escaped as in URLs."""
    return "".join(
        character
        if character.isprintable() and character not in _SPECIAL
        else "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
        for character in name
    )
