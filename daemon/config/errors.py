"""The error of a configuration that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ConfigError"]


class ConfigError(Exception):
    """Everything that is wrong with a configuration file.

    Attributes:
        messages: one line a mistake, `file:line: key.path: message`, in the order of the file.
    """

    def __init__(self, messages: Iterable[str]) -> None:
        self.messages = tuple(messages)
        super().__init__("\n".join(self.messages))
