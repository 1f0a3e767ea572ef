"""Puts the global settings under each camera's own before validation, and finds where a value was written."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from daemon.config.document import KeyPath

__all__ = ["SECTIONS", "merge_cameras", "origin"]

SECTIONS = (
    "detect",
    "filters",
    "track",
    "pose",
    "actions",
    "fights",
    "tamper",
    "snapshots",
    "clips",
    "rules",
)
"""What may be given globally and by camera."""


def merge_cameras(data: Mapping[str, Any], default_rules: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the file's data in which every camera has its complete sections.

    Args:
        data: the file's data; what is not of the expected shape is left for validation to refuse.
        default_rules: the rules in use where the file has no `rules`.
    """
    merged = dict(data)
    if "rules" not in merged:
        merged["rules"] = copy.deepcopy(dict(default_rules))
    cameras = merged.get("cameras")
    if not isinstance(cameras, dict):
        return merged
    merged["cameras"] = {name: _merge_camera(camera, merged) for name, camera in cameras.items()}
    return merged


def _merge_camera(camera: Any, settings: Mapping[str, Any]) -> Any:
    if not isinstance(camera, dict):
        return camera
    result = dict(camera)
    for section in SECTIONS:
        if section in settings and isinstance(settings[section], dict):
            result[section] = _merge(settings[section], camera.get(section, {}))
    return result


def _merge(base: Any, own: Any) -> Any:
    """`own` over `base`, key by key; another `type` (of a rule) takes nothing over."""
    if not isinstance(base, dict) or not isinstance(own, dict):
        return copy.deepcopy(own)
    if "type" in own and own["type"] != base.get("type"):
        return copy.deepcopy(own)
    result = copy.deepcopy(base)
    for key, value in own.items():
        result[key] = _merge(base[key], value) if key in base else copy.deepcopy(value)
    return result


def origin(path: KeyPath, lines: Mapping[KeyPath, int]) -> KeyPath:
    """Where a value of the merged data was written: the camera's own path, or the global one."""
    if len(path) < 3 or path[0] != "cameras" or path[2] not in SECTIONS or path in lines:
        return path
    shared = path[2:]
    # What is missing has no line; it is missing where its parent was written.
    missing = path[:-1] not in lines and shared[:-1] in lines
    return shared if shared in lines or missing else path
