"""Relays between the daemon and its servers, which can be shut and frozen, and ask cameras' logins."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import socket
import threading
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Relay", "RelayLoop"]

_HOST = "127.0.0.1"
_CSEQ = re.compile(rb"^CSeq:\s*(\d+)", re.IGNORECASE | re.MULTILINE)
_AUTHORIZATION = re.compile(rb"^Authorization:\s*Basic\s+(\S+)", re.IGNORECASE | re.MULTILINE)
Writer: TypeAlias = asyncio.StreamWriter


class RelayLoop:
    """One thread that runs every relay."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> RelayLoop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)


class Relay:
    """A TCP relay to a local port.

    Args:
        loop: where it runs.
        target: the port.
        login: `user:password` that RTSP requests must carry (Basic); None for a plain relay.
    """

    def __init__(self, loop: RelayLoop, target: int, login: str | None = None) -> None:
        self._loop, self._target = loop.loop, target
        self._login = self._expected = None if login is None else base64.b64encode(login.encode())
        self._refusal: bytes | None = None  # what requests are answered with instead
        self._is_open = True
        self._connections: set[Writer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = socket.socket()
        self._listener.bind((_HOST, 0))
        self._listener.listen(1)
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def cut(self) -> None:
        """Ends every connection; new ones are welcome."""
        self._do(self._drop)

    def shut(self) -> None:
        """Ends every connection and lets nobody in."""
        self._do(lambda: (setattr(self, "_is_open", False), self._drop()))

    def open(self) -> None:
        """Lets connections in again."""
        self._do(lambda: setattr(self, "_is_open", True))

    def freeze(self) -> None:
        """Nothing passes, nobody is told, and who connects gets no answer: a router that drops everything."""
        self._do(lambda: self._flowing.clear())

    def thaw(self) -> None:
        """Lets everything through again, what was held back included."""
        self._do(lambda: self._flowing.set())

    def refuse_login(self) -> None:
        """The password was changed at the camera."""
        self._do(lambda: (setattr(self, "_expected", b"another"), self._drop()))

    def lose_path(self) -> None:
        """The camera knows its path no more."""
        self._do(lambda: (setattr(self, "_refusal", b"404 Not Found"), self._drop()))

    def heal(self) -> None:
        """The login and the path are right again."""
        self._do(lambda: (setattr(self, "_expected", self._login), setattr(self, "_refusal", None)))

    def close(self) -> None:
        self.shut()
        self._do(lambda: [task.cancel() for task in self._tasks])
        self._do(self._listener.close)

    def _do(self, action: Callable[[], object]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (action(), done.set()))
        done.wait(10)

    def _drop(self) -> None:
        for connection in self._connections:
            connection.transport.abort()
        self._connections.clear()

    async def _start(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._keep(asyncio.ensure_future(self._accept()))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        while True:
            await self._flowing.wait()
            try:
                client, _ = await self._loop.sock_accept(self._listener)
            except OSError:
                return
            self._keep(asyncio.ensure_future(self._serve(client)))

    async def _serve(self, client: socket.socket) -> None:
        if not self._is_open:
            client.close()
            return
        from_client, to_client = await asyncio.open_connection(sock=client)
        try:
            from_server, to_server = await asyncio.open_connection(_HOST, self._target)
        except OSError:
            to_client.transport.abort()
            return
        ends = {to_client, to_server}
        self._connections |= ends
        forward = self._pump if self._login is None else self._ask
        ways = [
            asyncio.ensure_future(forward(from_client, to_server, to_client)),
            asyncio.ensure_future(self._pump(from_server, to_client, to_server)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        await self._flowing.wait()  # an end does not pass either while nothing does
        for way in ways:
            way.cancel()
        for end in ends:
            with contextlib.suppress(Exception):
                end.close()
        self._connections -= ends

    async def _pump(self, source: asyncio.StreamReader, target: Writer, _back: Writer) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self._pass(data, target)

    async def _ask(self, source: asyncio.StreamReader, target: Writer, back: Writer) -> None:
        """Takes RTSP requests apart, and answers those without the right login."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                first = await source.readexactly(1)
                if first == b"$":  # RTCP between the requests
                    head = await source.readexactly(3)
                    body = await source.readexactly(int.from_bytes(head[1:], "big"))
                    await self._pass(first + head + body, target)
                    continue
                request = first + await source.readuntil(b"\r\n\r\n")
                answer = self._answer(request)
                await self._pass(*((request, target) if answer is None else (answer, back)))

    async def _pass(self, data: bytes, target: Writer) -> None:
        await self._flowing.wait()
        target.write(data)
        await target.drain()

    def _answer(self, request: bytes) -> bytes | None:
        """What a refused request gets; None for one that is right."""
        given = _AUTHORIZATION.search(request)
        if given is None or given[1] != self._expected:
            status = b'401 Unauthorized\r\nWWW-Authenticate: Basic realm="camera"'
        elif self._refusal is not None:
            status = self._refusal
        else:
            return None
        number = _CSEQ.search(request)
        return b"RTSP/1.0 %s\r\nCSeq: %s\r\n\r\n" % (status, number[1] if number else b"0")
