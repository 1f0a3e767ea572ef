"""What goes wrong in a demo."""

from __future__ import annotations

__all__ = ["DemoError"]


class DemoError(Exception):
    """The demo cannot go on; the message is one line that says what to do."""
