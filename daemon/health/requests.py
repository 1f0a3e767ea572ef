"""HTTP/1.1 as far as a health server needs it: GET and HEAD without a body, one request a connection.

RFC 9112 for the form of requests; whatever does not follow it is refused in one line.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from http import HTTPStatus

__all__ = ["MAX_REQUEST", "Answer", "Request", "is_whole", "read_request", "refusal"]

MAX_REQUEST = 8192
"""Bytes of request line and headers together; browsers and Prometheus send less than a thousand."""

_LINE = re.compile(rb"([A-Za-z]{1,16}) (\S{1,4096}) HTTP/1\.[01]")
_HOST = re.compile(r"\[(?P<v6>[0-9a-fA-F:.]+)\](?::\d{1,5})?|(?P<name>[^:\s\[\]]*)(?::\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        path: without the query.
        is_head: whether only the headers are wanted.
    """

    path: str
    is_head: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said.

    Attributes:
        status: of HTTP.
        body: bytes of it.
        content_type: of the body.
        headers: further ones.
    """

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self, *, head_only: bool = False) -> bytes:
        """The bytes on the wire; nothing about the software that wrote them."""
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            "Connection: close",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + (b"" if head_only else self.body)


def refusal(status: HTTPStatus, text: str, *headers: tuple[str, str]) -> Answer:
    """An answer of one line."""
    return Answer(status, f"{text}\n".encode(), headers=headers)


def is_whole(received: bytes | bytearray) -> bool:
    """Whether there is nothing to wait for: the headers are complete, or it is no HTTP, or too long."""
    return (
        b"\r\n\r\n" in received
        or b"\n\n" in received
        or len(received) > MAX_REQUEST
        or not received[:1].isalpha()
    )


def read_request(received: bytes) -> Request | Answer:
    """The request in these bytes, of which `is_whole` was true, or the answer that refuses it."""
    head = re.split(rb"\r?\n\r?\n", received, maxsplit=1)[0]
    if len(head) > MAX_REQUEST:
        return refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request is too long")
    first, *rest = re.split(rb"\r?\n", head)
    line = _LINE.fullmatch(first)
    if line is None or not line[2].startswith((b"/", b"http://", b"*")):
        return refusal(HTTPStatus.BAD_REQUEST, "this is no HTTP/1.1 request")
    hosts = [one[5:].strip() for one in rest if one[:5].lower() == b"host:"]
    if len(hosts) > 1 or not is_own_name(hosts[0].decode("latin-1") if hosts else ""):
        return refusal(HTTPStatus.FORBIDDEN, "ask by address: this name is none of this machine's")
    if line[1] not in (b"GET", b"HEAD"):
        return refusal(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", ("Allow", "GET, HEAD"))
    path = line[2].decode("latin-1").split("?", 1)[0]
    return Request(path, line[1] == b"HEAD")


def is_own_name(host: str) -> bool:
    """Whether a Host header may name this machine.

    A page in a browser can make its own name point to this machine (DNS rebinding), and read what it asks
    for under that name; it cannot do so with an address, with `localhost` or with a name without dots.
    """
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = (match["v6"] or match["name"] or "").lower().rstrip(".")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(".localhost") or name == socket.gethostname().lower()
    return True
