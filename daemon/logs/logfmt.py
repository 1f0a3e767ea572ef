"""`key=value` text that can be read back: values with spaces, quotes or control characters are quoted.

Quoted values are JSON strings, so that any reader of logfmt or JSON gets them back.
"""

from __future__ import annotations

import json
import re

__all__ = ["fields_of", "quoted"]

_PLAIN = re.compile(r"[^\s\"'=\\]+")
_TOKEN = re.compile(r'([^\s="]+)(?:=("(?:[^"\\]|\\.)*"|[^\s"]*))?(?:\s+|$)')


def quoted(text: str) -> str:
    """The value as it is, or in quotes where it would not stay one word on one line.

    Example:
        >>> quoted("garden"), quoted("no such path")
        ('garden', '"no such path"')
    """
    if _PLAIN.fullmatch(text) and text.isprintable():
        return text
    quoted_text = json.dumps(text, ensure_ascii=False)
    if quoted_text.isprintable():
        return quoted_text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in quoted_text)


def fields_of(line: str) -> list[tuple[str, str | None]]:
    """Words and fields of a line: (word, None) or (key, value).

    Raises:
        ValueError: it is no such line.

    Example:
        >>> fields_of('WARNING camera_lost camera=door error="no data"')
        [('WARNING', None), ('camera_lost', None), ('camera', 'door'), ('error', 'no data')]
    """
    found: list[tuple[str, str | None]] = []
    position = 0
    while position < len(line):
        match = _TOKEN.match(line, position)
        if match is None:
            raise ValueError(f"no key=value at character {position}: {line[position : position + 40]!r}")
        value: str | None = match[2]
        if value is not None and value.startswith('"'):
            value = json.loads(value)
        found.append((match[1], value))
        position = match.end()
    return found
