"""Hides credentials in any text that may reach a log, a topic or an error."""

from __future__ import annotations

import re

__all__ = ["mask_url"]

_MASK = "***"
# scheme://user:password@host, for passwords that hold @ or : too: up to the last @ before the path. Cameras
# are often given with a / in the password, so what follows the @ must look like a host.
_USERINFO = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)(?P<userinfo>[^\s\"'<>/?#]*)@")
_USERINFO_SLASH = re.compile(
    r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)(?P<userinfo>[^\s\"'<>:@/]+:[^\s\"'<>@]*)@"
)
_SECRET_KEYS = (
    r"(?:[a-z0-9_-]*(?:password|passwd|pwd|secret|token|api_?key|auth)|pass|psw|pw|usr|user|username|login)"
)
_QUERY = re.compile(rf"(?P<key>[?&;]{_SECRET_KEYS}=)[^&;#\s\"'<>]+", re.IGNORECASE)
_PAIR = re.compile(
    r"(?P<key>\b(?:password|passwd|secret|token)=)(?P<value>\"[^\"]*\"|'[^']*'|\S+)", re.IGNORECASE
)
_HEADER = re.compile(r"(?P<key>\bAuthorization:\s*(?:Basic|Digest|Bearer)\s+)[^\r\n\"']+", re.IGNORECASE)
# Some cameras take login and password in the path: /user=admin&password=x&channel=1, /user=admin_password=x_
_PATH = re.compile(r"(?P<key>(?<=[/_&])(?:user(?:name)?|password|passwd|pwd)=)[^&_/\s\"'<>?]+", re.IGNORECASE)


def mask_url(text: str) -> str:
    """The text with every credential in it replaced by `***`; other text is returned unchanged.

    Covers user and password in URLs, in query strings and in camera paths, `password=...` pairs and
    Authorization headers. Idempotent.

    Example:
        >>> mask_url("cannot open rtsp://admin:s3cret@10.0.0.5/live?token=abc: timeout")
        'cannot open rtsp://***@10.0.0.5/live?token=***: timeout'
    """
    if "://" in text:
        text = _USERINFO_SLASH.sub(rf"\g<scheme>{_MASK}@", text)
        text = _USERINFO.sub(rf"\g<scheme>{_MASK}@", text)
    if "=" in text:
        text = _QUERY.sub(rf"\g<key>{_MASK}", text)
        text = _PATH.sub(rf"\g<key>{_MASK}", text)
        text = _PAIR.sub(_mask_pair, text)
    return _HEADER.sub(rf"\g<key>{_MASK}", text)


def _mask_pair(match: re.Match[str]) -> str:
    value = match["value"]
    if value.startswith(_MASK):
        return match[0]
    # In a URL or a path more parameters may follow; they are no secret.
    end = re.search(r"[&;,)]", value) if value[0] not in "\"'" else None
    return match["key"] + _MASK + (value[end.start() :] if end else "")
