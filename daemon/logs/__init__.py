"""Log lines: one event a line, key=value for people and the journal, or JSON. Credentials are masked."""

from __future__ import annotations

from daemon.logs.configure import configure_logging

__all__ = ["configure_logging"]
