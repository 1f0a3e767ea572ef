"""Answers to a camera's challenge: Digest (RFC 7616, RFC 2069) and Basic (RFC 7617)."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator, Sequence

__all__ = ["Login"]

_TOKEN = re.compile(
    r'([a-zA-Z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*))'  # a parameter
    r"|([a-zA-Z][a-zA-Z0-9_-]*)(?=[\s,]|$)"  # a scheme
)
_LONGEST = 2048  # characters of a header: the time to take it apart grows with their square
_HASHES = {"MD5": "md5", "MD5-SESS": "md5", "SHA-256": "sha256", "SHA-256-SESS": "sha256"}


class Login:
    """One user at one camera.

    Args:
        user: name.
        password: its password.
    """

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._challenge: dict[str, str] | None = None
        self._count = 0

    def take(self, challenges: Sequence[str]) -> bool:
        """Takes the WWW-Authenticate headers of a reply; False where none can be answered."""
        best: dict[str, str] | None = None
        for found in (one for text in challenges for one in _challenges(text[:_LONGEST])):
            if found["scheme"] == "digest" and _hash_of(found) is not None:
                if best is None or best["scheme"] == "basic" or _hash_of(found) == "sha256":
                    best = found
            elif found["scheme"] == "basic" and best is None:
                best = found
        self._challenge, self._count = best, 0
        return best is not None

    @property
    def is_stale(self) -> bool:
        """Whether the last challenge only wants a newer nonce: the password was right."""
        return self._challenge is not None and self._challenge.get("stale", "").lower() == "true"

    def header(self, method: str, url: str) -> str | None:
        """The Authorization header of a request; None before the first challenge."""
        challenge = self._challenge
        if challenge is None:
            return None
        if challenge["scheme"] == "basic":
            pair = f"{self._user}:{self._password}".encode()
            return "Basic " + base64.b64encode(pair).decode()
        return self._digest(challenge, method, url)

    def _digest(self, challenge: dict[str, str], method: str, url: str) -> str:
        name = _hash_of(challenge) or "md5"

        def digest(*parts: str) -> str:
            return hashlib.new(name, ":".join(parts).encode(), usedforsecurity=False).hexdigest()

        realm, nonce = challenge.get("realm", ""), challenge.get("nonce", "")
        first, second = digest(self._user, realm, self._password), digest(method, url)
        own = os.urandom(8).hex()
        session = challenge.get("algorithm", "").upper().endswith("-SESS")
        if session:
            first = digest(first, nonce, own)
        fields = {"username": self._user, "realm": realm, "nonce": nonce, "uri": url}
        plain: dict[str, str] = {}
        if "auth" in [word.strip() for word in challenge.get("qop", "").split(",")]:
            self._count += 1
            number = f"{self._count:08x}"
            fields["cnonce"] = own
            plain = {"qop": "auth", "nc": number}
            fields["response"] = digest(first, nonce, number, own, "auth", second)
        else:
            if session:
                fields["cnonce"] = own
            fields["response"] = digest(first, nonce, second)
        if "opaque" in challenge:
            fields["opaque"] = challenge["opaque"]
        if challenge.get("algorithm"):
            plain["algorithm"] = challenge["algorithm"]
        quoted = [f'{key}="{_escape(value)}"' for key, value in fields.items()]
        return "Digest " + ", ".join([*quoted, *(f"{key}={value}" for key, value in plain.items())])


def _challenges(text: str) -> Iterator[dict[str, str]]:
    """The challenges of one header, which may be several; "scheme" is that of each, in lower case."""
    found: dict[str, str] | None = None
    for name, quoted, plain, scheme in _TOKEN.findall(text):
        if scheme:
            if found is not None:
                yield found
            found = {"scheme": scheme.lower()}
        elif found is not None:
            found.setdefault(name.lower(), quoted or plain)
    if found is not None:
        yield found


def _hash_of(challenge: dict[str, str]) -> str | None:
    return _HASHES.get((challenge.get("algorithm") or "MD5").upper())


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
