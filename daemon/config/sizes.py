"""Sizes in bytes, as people write them."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

__all__ = ["ByteSize", "parse_size"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([kKMGT]?)(i?)B?")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(value: Any) -> int:
    """Bytes of "500MB", "1.5GB" (powers of 1000), "64MiB" (of 1024) or of a whole number.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or (match[3] and not match[2]):
        raise ValueError("must be a size such as 500MB or 2GB, or a number of bytes")
    base, power = 1024 if match[3] else 1000, _POWERS[match[2].upper()]
    size = float(match[1]) * math.pow(base, power)
    if math.isinf(size):
        raise ValueError("is larger than any disk")
    return round(size)


ByteSize: TypeAlias = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?|\.\d+)\s*([kKMGT]i?)?B?\s*$"},
            ]
        }
    ),
]
"""Bytes; written as `500MB`, `2GB`, `64MiB` or a number of bytes. Put the bounds in `Field`."""
