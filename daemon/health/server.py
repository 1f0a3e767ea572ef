"""The HTTP server for health and metrics: one thread, whoever asks and however badly.

Not `http.server`: that has a thread a connection, waits for as long as a client sends a byte now and then,
and reads as much as it is sent. Here one thread looks after all connections without waiting for any; each
has a deadline and a limit of bytes, and when there are too many the oldest has to go, so that a probe gets
its answer whatever others do.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable

from daemon.config.health import HealthConfig
from daemon.figures import ServiceFigures
from daemon.health.answers import Answers
from daemon.health.connection import Connection
from daemon.masking import mask_url

__all__ = ["HealthServer"]

_log = logging.getLogger(__name__)
_MAX_CONNECTIONS = 64
_RETRY = 10.0  # seconds between two attempts to listen
_TICK = 1.0  # seconds after which deadlines are looked at, at the latest


class HealthServer:
    """Answers GET /healthz, /readyz, /metrics and /status.

    A taken port is said once in the log, and tried again; the service goes on.

    Args:
        settings: where to listen.
        read: the figures now; called in the server's thread.
        mask: hides credentials in texts.
        retry: seconds between two attempts to listen.

    Attributes:
        addresses: where it listens now, as (address, port).

    Example:
        >>> server = HealthServer(settings, service.figures)  # doctest: +SKIP
        >>> server.start()  # doctest: +SKIP
    """

    def __init__(
        self,
        settings: HealthConfig,
        read: Callable[[], ServiceFigures],
        *,
        mask: Callable[[str], str] = mask_url,
        retry: float = _RETRY,
    ) -> None:
        self._settings, self._retry = settings, retry
        self._answers = Answers(read, mask)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._wake: socket.socket | None = None
        self.addresses: tuple[tuple[str, int], ...] = ()

    def start(self) -> None:
        """Listens, in a thread of its own; does nothing where it is switched off."""
        if not self._settings.enabled or self._thread is not None:
            return
        woken, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._run, args=(woken,), name="health", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Lets go of the port. Waits no longer than `timeout` seconds, for figures that take long."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None and self._wake is not None:
            with contextlib.suppress(OSError):
                self._wake.send(b"x")
            thread.join(timeout)
            self._wake.close()

    def _run(self, woken: socket.socket) -> None:
        complained = False
        with woken:
            while not self._stopping.is_set():
                listeners, reason = listen(self._settings.host, self._settings.port)
                if not listeners:
                    if not complained:
                        _log.warning(
                            "health_unavailable host=%s port=%d reason=%s retry_in=%.0fs",
                            *(self._settings.host, self._settings.port, reason, self._retry),
                        )
                    complained = True
                    self._stopping.wait(self._retry)
                    continue
                try:
                    self._serve(listeners, woken)
                except Exception:  # a bug here must not leave the port dead until the next start
                    _log.exception("health_server_failed")
                    self._stopping.wait(self._retry)
                finally:
                    self.addresses = ()
                    for listener in listeners:
                        listener.close()

    def _serve(self, listeners: list[socket.socket], woken: socket.socket) -> None:
        self.addresses = tuple(
            (str(name[0]), int(name[1])) for name in (one.getsockname() for one in listeners)
        )
        host, port = self._settings.host, self._settings.port
        _log.info("health_listening host=%s port=%d", host, port)
        if any(not ipaddress.ip_address(address).is_loopback for address, _ in self.addresses):
            _log.warning("health_open_to_network host=%s port=%d", host, port)
        connections: dict[socket.socket, Connection] = {}  # the oldest first
        with selectors.DefaultSelector() as selector:
            for one in (*listeners, woken):
                selector.register(one, selectors.EVENT_READ)
            try:
                while not self._stopping.is_set():
                    for key, _ in selector.select(_TICK if connections else None):
                        if isinstance(key.data, Connection):
                            self._attend(key.data, connections, selector)
                        elif key.fileobj is not woken and isinstance(key.fileobj, socket.socket):
                            self._accept(key.fileobj, connections, selector)
                    now = time.monotonic()
                    for connection in [one for one in connections.values() if now >= one.deadline]:
                        _drop(connection, connections, selector)
            finally:
                for connection in list(connections.values()):
                    _drop(connection, connections, selector)

    def _accept(
        self,
        listener: socket.socket,
        connections: dict[socket.socket, Connection],
        selector: selectors.BaseSelector,
    ) -> None:
        try:
            client, _ = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                if connections:  # no more descriptors: give one back
                    _drop(next(iter(connections.values())), connections, selector)
                self._stopping.wait(0.1)
            return
        client.setblocking(False)
        if len(connections) >= _MAX_CONNECTIONS:
            _drop(next(iter(connections.values())), connections, selector)
        connection = Connection(client, time.monotonic())
        connections[client] = connection
        selector.register(client, selectors.EVENT_READ, connection)

    def _attend(
        self,
        connection: Connection,
        connections: dict[socket.socket, Connection],
        selector: selectors.BaseSelector,
    ) -> None:
        if connection.client not in connections:  # dropped in this round
            return
        try:
            goes_on = connection.move(self._answers.to, time.monotonic())
        except Exception:  # ends at this client
            _log.exception("health_request_failed")
            goes_on = False
        if goes_on:
            selector.modify(connection.client, connection.interest, connection)
        else:
            _drop(connection, connections, selector)


def _drop(
    connection: Connection,
    connections: dict[socket.socket, Connection],
    selector: selectors.BaseSelector,
) -> None:
    selector.unregister(connection.client)
    del connections[connection.client]
    connection.client.close()


def listen(host: str, port: int) -> tuple[list[socket.socket], str]:
    """Sockets that listen on every address of the host; none, and why, where there is not one.

    `localhost` is both 127.0.0.1 and ::1; `::` takes IPv4 as well.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        return [], str(getattr(error, "strerror", None) or error)
    listeners: list[socket.socket] = []
    reason = "no address"
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            one = socket.socket(family, kind, protocol)
        except OSError as error:  # no IPv6 here
            reason = str(error.strerror or error)
            continue
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
            one.bind(address)
            one.listen(128)
            one.setblocking(False)
        except OSError as error:
            one.close()
            if error.errno == errno.EADDRINUSE:  # of one address is of all: else half the clients fail
                for other in listeners:
                    other.close()
                return [], str(error.strerror)
            reason = str(error.strerror or error)
            continue
        listeners.append(one)
    return listeners, reason
