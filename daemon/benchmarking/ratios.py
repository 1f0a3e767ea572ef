"""Ratios of one run, which other machines and other days leave as they are, and what became worse in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daemon.errors import UsageError

__all__ = ["TOLERANCE", "Slower", "compare", "ratios_of"]

TOLERANCE = 0.25
"""Share by which a ratio may be worse than the committed one."""

_LEAST_SHARE = 0.02  # of a frame's time by which a stage's share must have grown besides
_SPEED = ", frames/s"  # such ratios depend on the number of cores


@dataclass(frozen=True, slots=True)
class Slower:
    """A ratio that is worse than it was by more than the tolerance."""

    name: str
    was: float
    now: float


def ratios_of(figures: Mapping[str, Any]) -> dict[str, float]:
    """Every ratio that the figures hold; lower is better, but for frames/s.

    Args:
        figures: of `posewatch benchmark`.
    """
    found: dict[str, float] = {}
    settings = figures.get("settings", {})
    if settings:
        stages = settings["defaults"]["stages"]
        total = sum(stages.values())
        found |= {f"share of {name}": value / total for name, value in stages.items()}
        found["defaults to unhurried, time"] = _paired(settings["defaults"], settings["unhurried"])
        found["lite to full, time"] = _paired(settings["lite"], settings["full"])
    workers = figures.get("workers", {})
    for count in [each for each in workers if each != "1"]:
        found[f"{count} workers to 1{_SPEED}"] = _paired(workers[count], workers["1"], "frames_per_second")
    cameras = figures.get("cameras", {})
    for count in [each for each in cameras if each != "1" and "1" in cameras]:
        found[f"{count} cameras to 1, time"] = _paired(cameras[count], cameras["1"])
    people = figures.get("people", {})
    for count in [each for each in people if each != "0" and "0" in people]:
        found[f"{count} people to 0, time"] = _paired(people[count]["defaults"], people["0"]["defaults"])
    for cost in figures.get("detectors", []):
        if cost["setting"] != "default":
            found[f"detector, {cost['setting']} to default, time"] = cost["ratio"]
    pipelines = figures.get("against", {}).get("pipelines", {})
    for name in [each for each in pipelines if each not in ("defaults", "unhurried")]:
        other = pipelines[name]
        for ours in ("defaults", "unhurried"):
            found[f"{ours} to {name}{_SPEED}"] = _paired(pipelines[ours], other, "frames_per_second")
            found[f"{ours} to {name}, time"] = _paired(pipelines[ours], other)
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def compare(
    now: Mapping[str, Any], committed: Mapping[str, Any], tolerance: float = TOLERANCE
) -> tuple[list[Slower], int]:
    """What became worse, and how many ratios could be compared.

    Args:
        now: figures of this run.
        committed: figures of an earlier one, of whatever machine.
        tolerance: share by which a ratio may be worse.

    Raises:
        UsageError: the figures are of another clip, or have no ratio in common.
    """
    if now["clip"] != committed.get("clip"):
        raise UsageError(f"--check: its figures are of {committed.get('clip')}, these of {now['clip']}")
    was, new = committed.get("ratios", {}), now["ratios"]
    names = [name for name in new if name in was]
    if now["cores"] != committed.get("cores"):
        names = [name for name in names if not name.endswith(_SPEED)]
    if not names:
        raise UsageError("--check: no ratio of it was measured in this run: leave --parts out")
    slower = [
        Slower(name, was[name], new[name])
        for name in names
        if _is_worse(name, was[name], new[name], tolerance)
    ]
    return slower, len(names)


def _is_worse(name: str, was: float, now: float, tolerance: float) -> bool:
    if name.endswith(_SPEED):
        return now < was / (1.0 + tolerance)
    if name.startswith("share of ") and now - was < _LEAST_SHARE:
        return False
    return now > was * (1.0 + tolerance)


def _paired(one: Mapping[str, Any], other: Mapping[str, Any], what: str = "processor") -> float:
    """Median of the ratios round by round: what slowed one round slowed both."""
    values: Sequence[float] = one["rounds"][what]
    others: Sequence[float] = other["rounds"][what]
    return float(np.median([value / each for value, each in zip(values, others, strict=True)]))
