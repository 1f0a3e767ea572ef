"""Looks up, in the JSON Schema of the models, which keys are allowed at a path."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from daemon.config.document import KeyPath

__all__ = ["MOVED", "KnownKeys", "nearest"]

MOVED: Mapping[KeyPath, str] = {("mqtt", "queue"): "storage.max_messages"}
"""Keys of earlier versions, and where their setting is now."""


class KnownKeys:
    """The keys that the configuration knows.

    Args:
        schema: JSON Schema of the root model.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def at(self, path: KeyPath, data: Any) -> list[str]:
        """Allowed keys of the mapping at `path`; `data` chooses between alternatives by their constants."""
        nodes = [self._schema]
        for part in path:
            data = _child(data, part)
            nodes = [
                child for node in nodes for option in self._options(node) for child in _step(option, part)
            ]
        options = [option for node in nodes for option in self._options(node) if "properties" in option]
        fitting = [option for option in options if _constants_fit(option, data)] or options
        return sorted({key for option in fitting for key in option["properties"]})

    def _options(self, node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        if "$ref" in node:
            yield from self._options(self._schema["$defs"][node["$ref"].rsplit("/", 1)[-1]])
        alternatives = [*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())]
        for alternative in alternatives:
            yield from self._options(alternative)
        if "$ref" not in node and not alternatives:
            yield node


def nearest(key: str, known: list[str]) -> str | None:
    """The known key that looks most like `key`."""
    lowered = key.lower().replace("-", "_")
    if lowered in known:
        return lowered
    found = difflib.get_close_matches(lowered, known, n=1, cutoff=0.5)
    return found[0] if found else None


def _step(node: Mapping[str, Any], part: str | int) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, int):
        if isinstance(node.get("items"), dict):
            yield node["items"]
        return
    if part in node.get("properties", {}):
        yield node["properties"][part]
    elif isinstance(node.get("additionalProperties"), dict):
        yield node["additionalProperties"]
    yield from node.get("patternProperties", {}).values()


def _child(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None


def _constants_fit(node: Mapping[str, Any], data: Any) -> bool:
    if not isinstance(data, dict):
        return True
    return all(
        data.get(key) == value["const"] for key, value in node["properties"].items() if "const" in value
    )
