"""Pictures and clips of alerts, and where they are kept. No other picture leaves the process."""

from __future__ import annotations

from daemon.media.alerts import AlertMedia
from daemon.media.library import MediaLibrary

__all__ = ["AlertMedia", "MediaLibrary"]
