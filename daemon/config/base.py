"""What every configuration model shares: strict keys, and the types for durations, names and paths."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo, WithJsonSchema

__all__ = ["ConfigModel", "Duration", "ExistingPath", "Name", "parse_duration"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|h|d)?")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class ConfigModel(BaseModel):
    """A frozen settings object that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)


def parse_duration(value: Any) -> float:
    """Seconds of "200ms", "2s", "1.5m", "1h", "1d" or of a plain number of seconds.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf  # beyond every bound
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a duration such as 200ms, 2s, 5m or 1h, or a number of seconds")
    return round(float(match[1]) * _UNIT_SECONDS[match[2] or "s"], 6)


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        slug = re.sub(r"[^a-z0-9_-]+", "_", value.lower()).strip("_-") or "name"
        raise ValueError(
            f"names are lower-case letters, digits, _ and -, at most 63: call it {slug[:63]!r} for example"
        )
    return value


def resolve_path(value: Path, info: ValidationInfo) -> Path:
    """Takes a relative path from the folder of the configuration file; `~` is the home folder."""
    path = value.expanduser()
    base = (info.context or {}).get("base")
    return path if base is None or path.is_absolute() else Path(base) / path


def _check_exists(value: Path, info: ValidationInfo) -> Path:
    path = resolve_path(value, info)
    if (info.context or {}).get("base") is not None and not path.is_file():
        raise ValueError(f"no such file: {path}")
    return path


Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?|\.\d+)\s*(ms|s|m|h|d)?\s*$"},
            ]
        }
    ),
]
"""Seconds; written as `2s`, `5m`, `1h`, `200ms` or a number of seconds. Put the bounds in `Field`."""

Name: TypeAlias = Annotated[
    str, AfterValidator(_check_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})
]
"""A name that is also a level of MQTT topics: lower-case letters, digits, `_` and `-`."""

ExistingPath: TypeAlias = Annotated[Path, AfterValidator(_check_exists)]
"""A file that must exist; relative to the folder of the configuration file."""
