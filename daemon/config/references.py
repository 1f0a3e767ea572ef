"""Names that rules take from elsewhere in the configuration: zones, cameras, profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from daemon.config.camera import CameraConfig
from daemon.config.rule_base import RuleBase

__all__ = ["Problem", "UnknownNamesError", "unknown_names"]

Problem: TypeAlias = tuple[tuple[str | int, ...], str]
"""The key, and what is wrong with it."""


class UnknownNamesError(ValueError):
    """Rules name something that is not there.

    Attributes:
        problems: keys, and what is wrong with each.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{'.'.join(map(str, path))}: {text}" for path, text in problems))


def unknown_names(
    profiles: Sequence[str], rules: Mapping[str, RuleBase], cameras: Mapping[str, CameraConfig]
) -> list[Problem]:
    """What rules name that the configuration does not have.

    Args:
        profiles: all there are.
        rules: the global ones.
        cameras: each with its own rules, which hold the global ones as well.
    """
    found: dict[tuple[str | int, ...], str] = {}
    for path, rule in _rules(rules, cameras):
        # What a camera takes from the global rule of this name is that rule's mistake, if it is one.
        shared = rules.get(str(path[-1])) if path[0] == "cameras" else None
        own = [path[1]] if path[0] == "cameras" else []
        named = [name for name in rule.cameras if name in cameras] or own or list(cameras)
        known = {zone for name in named for zone in cameras[str(name)].zones}
        for key, names, there, what in (
            ("zones", rule.zones, known, f"no zone of {_few(named)}"),
            ("cameras", rule.cameras, cameras, "no camera"),
            ("profiles", rule.profiles, profiles, "no profile"),
        ):
            if shared is not None and names == getattr(shared, key):
                continue
            for index, name in enumerate(names):
                if name not in there:
                    found[(*path, key, index)] = f"{name!r} is {what}: {_remedy(key, there)}"
    return list(found.items())


def _rules(
    rules: Mapping[str, RuleBase], cameras: Mapping[str, CameraConfig]
) -> Iterator[tuple[tuple[str | int, ...], RuleBase]]:
    for name, rule in rules.items():
        yield ("rules", name), rule
    for camera, settings in cameras.items():
        for name, rule in settings.rules.items():
            if rules.get(name) != rule:
                yield ("cameras", camera, "rules", name), rule


def _few(names: Sequence[str | int]) -> str:
    return str(names[0]) if len(names) == 1 else "any camera"


def _remedy(key: str, there: object) -> str:
    names = sorted(map(str, there)) if isinstance(there, (set, tuple, list, dict)) else []
    listed = f"; there are {', '.join(names[:8])}" if names else ""
    return {
        "zones": f"add it to the camera's `zones`{listed}",
        "cameras": f"it is not in `cameras`{listed}",
        "profiles": f"add it to `profiles`{listed}",
    }[key]
