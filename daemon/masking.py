"""Hides credentials in any text that may reach a log, a topic or an error.

By what they look like (`mask_url`), because texts come from libraries and cameras; and by what they are
(`Masker`), because the configuration knows its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["MIN_SECRET", "Masker", "mask_source", "mask_url", "parameters_of"]

MIN_SECRET = 4
"""Characters from which a secret is looked for: shorter ones are in every other word."""

_MASK = "***"
# scheme://user:password@host, for passwords that hold @ or : too: up to the last @ before the path. Cameras
# are often given with a / in the password, so what follows the @ must look like a host.
# Bounded, since cameras and brokers choose texts: each part is looked for from every character before it.
_SCHEME = r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]{0,30}://)"
_USERINFO = re.compile(_SCHEME + r"(?P<userinfo>[^\s\"'<>/?#]*)@")
_USERINFO_SLASH = re.compile(_SCHEME + r"(?P<userinfo>[^\s\"'<>:@/]+:[^\s\"'<>@]{0,1024})@")
_SECRET_KEYS = (
    r"(?:[a-z0-9_-]*(?:password|passwd|pwd|secret|token|api_?key|auth)|pass|psw|pw|usr|user|username|login)"
)
_QUERY = re.compile(rf"(?P<key>[?&;]{_SECRET_KEYS}=)[^&;#\s\"'<>]+", re.IGNORECASE)
_PAIR = re.compile(
    r"(?P<key>\b(?:password|passwd|secret|token)=)(?P<value>\"[^\"]*\"|'[^']*'|\S+)", re.IGNORECASE
)
_IS_USER = re.compile(r"(?:user|usr|username|login)=$", re.IGNORECASE)
_HEADER = re.compile(r"(?P<key>\bAuthorization:\s*(?:Basic|Digest|Bearer)\s+)[^\r\n\"']+", re.IGNORECASE)
# Some cameras take login and password in the path: /user=admin&password=x&channel=1, /user=admin_password=x_
_PATH = re.compile(r"(?P<key>(?<=[/_&])(?:user(?:name)?|password|passwd|pwd)=)[^&_/\s\"'<>?]+", re.IGNORECASE)


_CERTAIN = 8  # characters from which a secret is hidden within longer words as well
_CHUNK = 64  # characters that are looked for at once: what was cut off in the middle is found as well
_LONGEST = 4096  # characters of a secret that are looked for
# Edges of a short secret: no letter or digit beyond, but %-encodings and escapes end in one.
_BEFORE = r"(?:(?<![^\W_])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[abfnrtv]))"
_AFTER = r"(?![^\W_])"
_ESCAPES = {
    **{"\\": r"\\\\", '"': r"\\\"", "'": r"\\'", "/": r"\\/", " ": r"\+"},
    **{"\a": r"\\a", "\b": r"\\b", "\t": r"\\t", "\n": r"\\n", "\v": r"\\v", "\f": r"\\f", "\r": r"\\r"},
}


class Masker:
    """Hides known secrets in a text, however they are encoded there, and whatever looks like a credential.

    A secret is found as it is, %-encoded, and with the escapes of Python, JSON and of bytes. From eight
    characters on it is hidden wherever it stands; from four on where it is not part of a longer word;
    shorter ones only by what `mask_url` knows.

    Args:
        secrets: of the configuration.

    Example:
        >>> Masker(["s3 cret-word"])("sent s3%20cret-word to the camera")
        'sent *** to the camera'
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        wanted = sorted({one for one in secrets if len(one) >= MIN_SECRET}, key=lambda one: (-len(one), one))
        parts = list(dict.fromkeys(part for secret in wanted for part in _parts(secret)))
        self._known = re.compile(f"(?:{'|'.join(parts)})+") if parts else None

    def __call__(self, text: str) -> str:
        """The text with every credential in it replaced by `***`."""
        if self._known is not None:
            text = self._known.sub(_MASK, text)
        return mask_url(text)


def _parts(secret: str) -> list[str]:
    """Patterns for a secret: one, or one for each piece of a long one."""
    secret = secret[:_LONGEST]
    if len(secret) >= _CERTAIN:
        starts = range(0, max(len(secret) - _CERTAIN, 1), _CHUNK)
        ends = [*starts[1:], len(secret)]
        return ["".join(map(_pattern, secret[start:end])) for start, end in zip(starts, ends, strict=True)]
    before = _BEFORE if secret[0].isalnum() else ""
    after = _AFTER if secret[-1].isalnum() else ""
    return [before + "".join(map(_pattern, secret)) + after]


def _pattern(character: str) -> str:
    """A character as it is or in any of its encodings."""
    if character.isascii() and character.isalnum():
        return character
    code = ord(character)
    octets = character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass")
    forms = [
        re.escape(character),
        "".join(f"%{octet:02x}" for octet in octets),
        "".join(rf"\\x{octet:02x}" for octet in octets),
        "".join(rf"\\u{units[index]:02x}{units[index + 1]:02x}" for index in range(0, len(units), 2)),
        rf"\\U{code:08x}",
        *([rf"\\x{code:02x}"] if code < 256 else []),
        *([_ESCAPES[character]] if character in _ESCAPES else []),
    ]
    return f"(?:{forms[0]}|(?i:{'|'.join(forms[1:])}))"


def mask_source(source: str) -> str:
    """The URL of a camera, and nothing else, without credentials; whatever characters they are made of.

    Example:
        >>> mask_source("rtsp://admin:my 'pass/word'@10.0.0.5/live")
        'rtsp://***@10.0.0.5/live'
    """
    scheme, mark, rest = source.partition("://")
    if not mark:
        return mask_url(source)
    login, at, place = rest.rpartition("@")
    return mask_url(f"{scheme}://{_MASK}@{place}" if at and login else source)


def parameters_of(source: str) -> list[str]:
    """Passwords, tokens and keys that are given in the query or the path of a camera's URL."""
    found = [match for pattern in (_QUERY, _PATH) for match in pattern.finditer(source)]
    return [match[0][len(match["key"]) :] for match in found if not _IS_USER.search(match["key"])]


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
