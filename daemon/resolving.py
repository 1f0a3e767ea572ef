"""Names of hosts: looked up within a time, which the system's own call does not promise."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from daemon.source_types import CaptureError, Reason

__all__ = ["Address", "Resolver"]

Address = tuple[int, tuple[str | int | bytes, ...]]
"""Family, and what `socket.connect` takes."""

_SLICE = 0.2  # seconds between two looks whether nobody wants to know any more


class _Lookup(threading.Thread):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(name=f"resolve-{host}"[:15], daemon=True)
        self.asked = (host, port)
        self.addresses: list[Address] = []
        self.error: str | None = None

    def run(self) -> None:
        host, port = self.asked
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self.addresses = [(int(family), tuple(address)) for family, _, _, _, address in found]
        except (OSError, UnicodeError) as error:
            self.error = getattr(error, "strerror", None) or str(error)


class Resolver:
    """Looks names up for one camera.

    `getaddrinfo` cannot be interrupted and waits for a dead name server as long as resolv.conf says (30 s
    and more). It runs in a thread of its own; while one hangs, no other is started, so that they cannot
    pile up.
    """

    def __init__(self) -> None:
        self._lookup: _Lookup | None = None

    def addresses(
        self, host: str, port: int, deadline: float, cancelled: Callable[[], bool]
    ) -> list[Address]:
        """Addresses of a host, best first.

        Args:
            host: name or address.
            port: TCP port.
            deadline: monotonic seconds.
            cancelled: whether nobody wants to know any more.

        Raises:
            CaptureError: `network`; the name is not known, or nobody answers in time.
        """
        lookup = self._lookup
        if lookup is None or not lookup.is_alive():
            self._lookup = lookup = _Lookup(host, port)
            lookup.start()
        while lookup.is_alive() and time.monotonic() < deadline and not cancelled():
            lookup.join(min(_SLICE, max(0.0, deadline - time.monotonic())))
        if lookup.is_alive() or lookup.asked != (host, port):
            raise CaptureError(Reason.NETWORK, f"{host}: no name server answers")
        self._lookup = None
        if lookup.error is not None or not lookup.addresses:
            raise CaptureError(Reason.NETWORK, f"{host}: no such host: {lookup.error or 'no address'}")
        return lookup.addresses
