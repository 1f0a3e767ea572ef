"""What is wrong with a state directory."""

from __future__ import annotations

import errno
import sqlite3

__all__ = ["UNREADABLE", "HistoryError", "StateInUseError", "is_damage", "plain_reason"]

UNREADABLE = (sqlite3.Error, ValueError, TypeError, MemoryError)
"""What reading a damaged database raises: SQLite has no checksums, so a changed byte may come up as a value
of another type, as text that is none, or as a length that no memory holds."""

# SQLite's own texts (sqlite3_errstr): codes are part of Python's exceptions from 3.11 on only.
_DAMAGE = (
    "malformed", "not a database", "no such table", "no such column", "has no column", "newer version",
    "could not decode", "constraint failed", "datatype mismatch", "too big",
)  # fmt: skip
_REASONS = {
    "full": "the disk is full",
    "readonly": "the disk is read-only",
    "unable to open": "the database cannot be opened",
    "disk i/o": "the disk gives input/output errors",
    "locked": "another program holds the database",
}
_ERRNO = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
}


class StateInUseError(Exception):
    """Another daemon uses this state directory; one line that says what to do."""


class HistoryError(Exception):
    """There is no history to read; one line that says what to do."""


def is_damage(error: Exception) -> bool:
    """Whether the file itself is bad, so that trying again cannot help."""
    if isinstance(error, sqlite3.Error):
        return any(text in str(error).lower() for text in _DAMAGE)
    return isinstance(error, UNREADABLE)


def plain_reason(error: Exception) -> str:
    """Why the disk does not take anything, in words."""
    if isinstance(error, OSError):
        return _ERRNO.get(error.errno or 0, error.strerror or str(error) or type(error).__name__)
    text = str(error).lower()
    return next((reason for part, reason in _REASONS.items() if part in text), str(error))
