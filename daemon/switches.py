"""What was switched over MQTT, and holds after a restart."""

from __future__ import annotations

import json
from collections.abc import Sequence

from daemon.storage import Store

__all__ = ["Switches"]


class Switches:
    """Remembers switches of cameras, and the profile, in the state directory.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def enabled(self, camera: str, configured: bool) -> bool:
        """Whether a camera is on: as switched last, unless the configuration was changed since."""
        found = self._store.get(f"{camera}/enabled")
        if found is None:
            return configured
        try:
            on, configured_then = json.loads(found)
        except (ValueError, TypeError):  # of a damaged database
            return configured
        return bool(on) if configured_then == configured else configured

    def set_enabled(self, camera: str, on: bool, configured: bool) -> None:
        """Remembers that a camera was switched."""
        self._store.set(f"{camera}/enabled", json.dumps([on, configured]))

    def alerts(self, camera: str) -> bool:
        """Whether a camera raises alerts."""
        return self._store.get(f"{camera}/alerts") != "OFF"

    def set_alerts(self, camera: str, on: bool) -> None:
        """Remembers that a camera's alerts were switched."""
        self._store.set(f"{camera}/alerts", "ON" if on else "OFF")

    def profile(self, known: Sequence[str]) -> str | None:
        """The profile that was chosen last, else the first; None where there are none."""
        chosen = self._store.get("profile")
        return chosen if chosen in known else next(iter(known), None)

    def set_profile(self, name: str) -> None:
        """Remembers the profile."""
        self._store.set("profile", name)
