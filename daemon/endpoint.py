"""A server of the service that a configuration has or has not, such as that of health."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from daemon.config import Config

__all__ = ["Endpoint", "Server"]

_log = logging.getLogger(__name__)


class Server(Protocol):
    """What can be started and stopped."""

    def start(self) -> None:
        """Begins to answer.

        Raises:
            OSError: the port is taken, for example.
        """

    def stop(self) -> None:
        """Ends within a second."""


class Endpoint:
    """Keeps the server that the present configuration asks for.

    Args:
        make: the server for a configuration; None where it has none.
        settings: the part of the configuration that it depends on.
    """

    def __init__(
        self,
        make: Callable[[Config], Server | None] = lambda _: None,
        settings: Callable[[Config], object] = lambda _: None,
    ) -> None:
        self._make, self._settings = make, settings
        self._server: Server | None = None
        self._config: Config | None = None

    def start(self, config: Config) -> None:
        """Starts the server of a configuration.

        Raises:
            OSError: it cannot.
        """
        server = self._make(config)
        if server is not None:
            server.start()
        self._server, self._config = server, config

    def replace(self, config: Config) -> None:
        """Goes on with that of another configuration; where it cannot start, the former one does again.

        Raises:
            OSError: it cannot start.
        """
        former = self._config
        if former is not None and self._settings(former) == self._settings(config):
            self._config = config
            return
        self.stop()
        try:
            self.start(config)
        except OSError:
            if former is not None:
                self.start(former)
            raise

    def stop(self) -> None:
        """Ends the server."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()
