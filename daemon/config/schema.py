"""The JSON Schema for editors, generated from the models that validate."""

from __future__ import annotations

import json
import sys
from typing import Any

from daemon.config.root import Config

__all__ = ["json_schema", "render_schema"]

_VARIABLE: dict[str, Any] = {"type": "string", "pattern": r"\$\{"}
_SCALARS = ("integer", "number", "boolean")


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of posewatch.yaml.

    Wider than the models where the file is: `${ENV}` may stand for any number or switch, and a rule of a
    camera may hold only what differs from the global rule of its name.
    """
    schema = Config.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "posewatch.yaml"
    rules = schema["$defs"]["CameraConfig"]["properties"]["rules"]
    for table in (rules.get("patternProperties", {}), rules):
        for key in list(table) if table is not rules else ["additionalProperties"]:
            if isinstance(table.get(key), dict):
                table[key] = {"anyOf": [table[key], {"type": "object", "not": {"required": ["type"]}}]}
    url = schema["$defs"]["CameraConfig"]["properties"]["url"]
    url["type"] = ["string", "integer"]  # a webcam's number
    widened: dict[str, Any] = _widen(schema)
    return widened


def render_schema() -> str:
    """The text of config/posewatch.schema.json."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _widen(node: Any) -> Any:
    if isinstance(node, list):
        return [_widen(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: value if key in ("default", "examples") else _widen(value) for key, value in node.items()}
    if result.get("type") == "string" and "enum" in result:
        return _either(result)
    return _either(result) if result.get("type") in _SCALARS else result


def _either(node: dict[str, Any]) -> dict[str, Any]:
    outer: dict[str, Any] = {key: node.pop(key) for key in ("title", "description", "default") if key in node}
    return {**outer, "anyOf": [node, _VARIABLE]}


if __name__ == "__main__":
    sys.stdout.write(render_schema())
