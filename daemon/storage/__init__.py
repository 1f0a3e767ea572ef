"""The state directory: messages that wait for the broker, history, what is open, switches."""

from __future__ import annotations

from daemon.storage.entries import Entry, Rank, Report
from daemon.storage.errors import StateInUseError
from daemon.storage.folder import StateLock, database_path, state_folder
from daemon.storage.store import Store

__all__ = [
    "Entry",
    "Rank",
    "Report",
    "StateInUseError",
    "StateLock",
    "Store",
    "database_path",
    "state_folder",
]
