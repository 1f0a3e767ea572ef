"""Addresses of cameras and of what they send."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit, urlunsplit

from daemon.rtsp.auth import Login
from daemon.source_types import CaptureError, Reason

__all__ = ["bare", "host_of", "join", "login_of"]

_PORT = 554


def login_of(url: str) -> Login | None:
    """User and password of a URL; None where it has none."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    return Login(unquote(parts.username), unquote(parts.password or ""))


def bare(url: str) -> str:
    """Without credentials, for the request line."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))


def host_of(url: str) -> tuple[str, int]:
    """Host and port of a URL that a camera gave, or the user.

    Raises:
        CaptureError: it has none.
    """
    try:
        parts = urlsplit(url)
        # The zone of a link-local address is written %25eth0 in a URL.
        return (parts.hostname or "").replace("%25", "%"), parts.port or _PORT
    except ValueError:
        raise CaptureError(Reason.NETWORK, "the camera sends us to an address that is none") from None


def join(base: str, control: str) -> str:
    """A control URL, by adding it to the base as cameras and FFmpeg do, not by RFC 1808."""
    if not control or control == "*":
        return base
    if "://" in control:
        return control
    return base + control if base.endswith("/") else f"{base}/{control}"
