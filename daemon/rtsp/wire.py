"""The TCP connection to a camera: replies, requests and RTP packets in one stream (RFC 2326, 10.12)."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from daemon.resolving import Address, Resolver
from daemon.source_types import CaptureError, Reason

__all__ = ["Message", "Packet", "Wire"]

_SLICE_MS = 200  # between two looks whether the camera was stopped meanwhile
_CHUNK = 65536
_LONGEST_HEAD, _LONGEST_BODY = 65536, 1 << 20
_RTP_HEADER = 4  # bytes before an interleaved packet: $, channel, length
_START = re.compile(rb"[A-Z_]+[A-Z_/0-9. ]")
_CANDIDATE, _PACKET = re.compile(rb"\$|RTSP/"), re.compile(rb"\$")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FEW = 16  # channels that a camera uses, at most


@dataclass(frozen=True, slots=True)
class Packet:
    """Interleaved data.

    Attributes:
        channel: even for RTP, odd for RTCP.
        data: the packet.
    """

    channel: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A reply, or a request of the camera.

    Attributes:
        status: of a reply; 0 of a request.
        method: of a request; empty of a reply.
        headers: (name in lower case, value), in order.
        body: as it came.
    """

    status: int
    method: str
    headers: tuple[tuple[str, str], ...]
    body: str

    def all(self, name: str) -> list[str]:
        """Values of every header of that name."""
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str:
        """Value of the first header of that name; empty where there is none."""
        return next(iter(self.all(name)), "")


class Wire:
    """A connection; every wait ends at a deadline, and soon after `cancelled` says so.

    Args:
        host: name or address.
        port: TCP port.
        deadline: to be connected, in monotonic seconds.
        resolver: looks up the name.
        cancelled: whether the camera was stopped.

    Raises:
        CaptureError: there is no connection.

    Attributes:
        waited: whether there was a moment without any data since somebody set it to False.
    """

    def __init__(
        self, host: str, port: int, deadline: float, resolver: Resolver, cancelled: Callable[[], bool]
    ) -> None:
        self._cancelled = cancelled
        self._buffer = bytearray()
        self._channels: frozenset[int] = frozenset()
        self.skipped = 0  # bytes that were neither message nor packet
        self.waited = False
        self._socket = self._connect(resolver.addresses(host, port, deadline, cancelled), deadline)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def expect(self, *channels: int) -> None:
        """Which channels data comes on: what claims to be on another is rubbish."""
        self._channels = frozenset(channels)

    def send(self, data: bytes) -> None:
        """Sends all of it; it is short.

        Raises:
            CaptureError: the connection broke.
        """
        try:
            self._socket.settimeout(2.0)
            self._socket.sendall(data)
        except OSError as error:
            raise _broken(error) from None

    def read(self, deadline: float) -> Message | Packet:
        """What comes next.

        Raises:
            CaptureError: nothing came until the deadline, or the connection broke.
        """
        while time.monotonic() < deadline:  # who sends without an end is as late as who sends nothing
            item = self._next()
            if item is not None:
                return item
            self._receive(deadline)
        raise self._late()

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()

    def _connect(self, addresses: list[Address], deadline: float) -> socket.socket:
        error = CaptureError(Reason.TIMEOUT, "no connection in time")
        for number, (family, address) in enumerate(addresses):
            share = (deadline - time.monotonic()) / (len(addresses) - number)
            try:
                return self._reach(family, address, time.monotonic() + share)
            except CaptureError as failure:
                error = failure
        raise error

    def _reach(self, family: int, address: tuple[str | int | bytes, ...], deadline: float) -> socket.socket:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                connection.connect(address)
            poll = select.poll()
            poll.register(connection, select.POLLOUT)
            if not self._await(poll, deadline):
                raise CaptureError(Reason.TIMEOUT, "no connection in time")
            number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, os.strerror(number))
        except OSError as error:
            connection.close()
            raise _broken(error) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def _await(self, poll: select.poll, deadline: float) -> bool:
        """Whether it is ready before the deadline."""
        while not self._cancelled():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if poll.poll(min(_SLICE_MS, 1000 * left + 1)):
                return True
        raise CaptureError(Reason.ENDED, "stopped")

    def _late(self) -> CaptureError:
        # Who only says what nobody understands is not silent.
        return CaptureError(Reason.TIMEOUT, "no data in time", unusable=self.skipped > 0)

    def _receive(self, deadline: float) -> None:
        if not self._poll.poll(0):
            self.waited = True
            if not self._await(self._poll, deadline):
                raise self._late()
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            raise _broken(error) from None
        if not data:
            raise CaptureError(Reason.NETWORK, "the camera closed the connection")
        self._buffer += data

    def _next(self) -> Message | Packet | None:
        """The first whole item of the buffer; None where more has to come."""
        buffer = self._buffer
        while buffer:
            if buffer[0] == 0x24:
                if len(buffer) < _RTP_HEADER:
                    return None
                if self._channels and buffer[1] not in self._channels:
                    if not self._pass_over():
                        return None
                    continue
                end = _RTP_HEADER + int.from_bytes(buffer[2:4], "big")
                if len(buffer) < end:
                    return None
                packet = Packet(buffer[1], bytes(buffer[_RTP_HEADER:end]))
                del buffer[:end]
                return packet
            if buffer[0] in b"\r\n":  # between messages, from careless servers
                del buffer[0]
                continue
            if not _START.match(buffer) and len(buffer) > 1:
                self._skip()
                continue
            line = buffer.find(b"\n")
            if line >= 0 and (b"RTSP/" not in buffer[:line] or b" " not in buffer[:line]):
                self._skip()
                continue
            head = _HEAD_END.search(buffer) if line >= 0 else None
            if head is None:
                if len(buffer) <= _LONGEST_HEAD and b"$" not in buffer[:32]:
                    return None
                self._skip(_PACKET)  # no message here has an end
                continue
            start, end = head.span()
            del head  # it holds the buffer, which must shrink
            return self._message(start, end)
        return None

    def _message(self, head: int, end: int) -> Message | None:
        """The message of whose head the text ends at `head`, and the empty line at `end`."""
        buffer = self._buffer
        text = buffer[:head].decode("utf-8", "replace").replace("\r\n", "\n")
        lines = text.replace("\n ", " ").replace("\n\t", " ").split("\n")  # folded ones are one
        words = lines[0].split(None, 2)
        headers = tuple(
            (name.strip().lower(), value.strip())
            for name, colon, value in (line.partition(":") for line in lines[1:])
            if colon
        )
        length = next((value for name, value in headers if name == "content-length"), "0")
        size = int(length) if length.isdecimal() and len(length) < 9 else 0
        if size > _LONGEST_BODY:
            raise CaptureError(Reason.CODEC, "an answer of the camera is too long", unusable=True)
        if len(buffer) < end + size:
            return None
        body = buffer[end : end + size].decode("utf-8", "replace")
        del buffer[: end + size]
        if words[0].startswith("RTSP/"):
            code = words[1] if len(words) > 1 else ""
            return Message(int(code) if code.isdecimal() and len(code) == 3 else 500, "", headers, body)
        return Message(0, words[0], headers, body)

    def _skip(self, candidate: re.Pattern[bytes] = _CANDIDATE) -> None:
        """Goes on at the next place that looks like the start of something."""
        buffer, place = self._buffer, 1
        found: re.Match[bytes] | None = None
        while place < len(buffer):
            found = candidate.search(buffer, place)
            place = found.start() if found is not None else len(buffer)
            if place + 5 > len(buffer) or self._is_start(place):
                break
            place += 1
        self.skipped += place
        found = None  # it holds the buffer, which must shrink
        del buffer[:place]

    def _pass_over(self) -> bool:
        """Passes over a packet of a stream that nobody asked for, or rubbish; False where more has to come.

        What follows tells: a packet may hold whatever looks like the start of one of ours.
        """
        buffer = self._buffer
        if len(buffer) <= _RTP_HEADER:
            return False
        end = _RTP_HEADER + int.from_bytes(buffer[2:4], "big")
        if buffer[1] < _FEW and buffer[4] & 0xC0 == 0x80:
            if len(buffer) <= end:
                return False
            if buffer[end] == 0x24 or buffer[end : end + 4] == b"RTSP"[: len(buffer) - end]:
                self.skipped += end
                del buffer[:end]
                return True
        self._skip()
        return True

    def _is_start(self, place: int) -> bool:
        buffer = self._buffer
        if buffer[place] != 0x24:
            return buffer[place : place + 5] == b"RTSP/"
        if self._channels and buffer[place + 1] not in self._channels:
            return False
        return buffer[place + 4] & 0xC0 == 0x80  # RTP and RTCP, version 2


def _broken(error: OSError) -> CaptureError:
    if isinstance(error, TimeoutError):
        return CaptureError(Reason.TIMEOUT, "no answer in time")
    return CaptureError(Reason.NETWORK, error.strerror or str(error) or type(error).__name__)
