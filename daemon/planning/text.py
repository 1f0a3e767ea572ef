"""The plan as lines for people, and as figures for programs."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from daemon.planning.model import USABLE, Demand, UnitCosts, cameras_on, cores_for, limit_of, parts_of

__all__ = ["figures_of", "lines_of"]

_DISTURBED = 0.1  # share of the time from which on it is worth saying
_MORE = (1, 2, 4, 8, 16, 32)  # cores
_LIMITS = {
    "python": "Python's lock, which is one for all cores: further ones need a second service",
    "decoding": "decoding: a sub-stream of fewer pixels, or hardware decoding",
    "detection": "finding people: detect.pause, detect.size",
    "people": "poses and what follows from them, for every person in view",
    "rest": "what every frame takes: a lower fps",
}


def figures_of(costs: UnitCosts, demand: Demand, cores: int) -> dict[str, Any]:
    """Everything that was found, for JSON."""
    parts = parts_of(costs, demand)
    carried = cameras_on(costs, demand, cores)
    return {
        "costs_ms": dataclasses.asdict(costs),
        "demand": dataclasses.asdict(demand),
        "cores": cores,
        "camera_cores": {**dataclasses.asdict(parts), "total": parts.total},
        "cores_needed": cores_for(costs, demand) / (costs.together if cores > 1 else 1.0),
        "cameras": carried,
        "headroom": carried / demand.cameras - 1.0,
        "limit": limit_of(costs, demand, cores),
        "cameras_by_cores": {str(count): cameras_on(costs, demand, count) for count in _MORE},
    }


def lines_of(figures: dict[str, Any]) -> list[str]:
    """The answer first, then why."""
    costs, demand, cores = figures["costs_ms"], figures["demand"], figures["cores"]
    one, carried = figures["camera_cores"], figures["cameras"]
    wanted = (
        f"{demand['cameras']} cameras of {demand['width']}x{demand['height']} {demand['codec']} at "
        f"{demand['fps']:g} frames/s with {demand['people']:g} people in view"
    )
    load = demand["cameras"] / carried * USABLE
    fits = carried >= demand["cameras"]
    answer = (
        f"yes, headroom {100.0 * figures['headroom']:.0f} %: about {math.floor(carried)} such cameras"
        if fits
        else f"no: {_count(carried)}; with more, every camera slows down evenly"
    )
    lines = [
        f"{wanted}, {_cores(cores)}: {answer}",
        f"  in use then {min(load, 1.0) * 100:.0f} % of the cores, of which {100 * USABLE:.0f} % count",
        f"  what limits {_LIMITS[figures['limit']]}",
        "",
        f"one camera {one['total']:.3f} cores: "
        + ", ".join(
            f"{name} {100.0 * one[name] / one['total']:.0f} %"
            for name in ("decoding", "detection", "people", "rest")
        ),
        "what it is made of, in ms of one core:",
    ]
    decoding = ", ".join(f"{codec} {value:.2f}" for codec, value in costs["decoding"].items())
    pose = ", ".join(f"{model} {value:.1f}" for model, value in costs["pose"].items())
    python = "" if costs["python"] is None else f", {costs['python']:.1f} of them with Python's lock"
    rows = [
        ("decoding", f"{decoding} a megapixel"),
        ("detection", f"{costs['detection']:.1f} each, {costs['detections']:.1f} a second"),
        ("person", f"{costs['person']:.2f} a frame (one pose: {pose or 'unknown'})"),
        ("frame", f"{costs['frame']:.2f} besides{python}"),
        ("camera", f"{costs['camera']:.1f} a second besides"),
        (
            "together",
            f"each of {_cores(costs['cores'])} gives {100.0 * costs['together']:.0f} % of one alone",
        ),
    ]
    lines += [f"  {name:<10} {text}" for name, text in rows]
    more = [
        f"{count}: {_plain(value)}"
        for count, value in figures["cameras_by_cores"].items()
        if int(count) != cores
    ]
    if costs["disturbed"] > _DISTURBED:
        lines.append(
            f"  other programs had the core for {100.0 * costs['disturbed']:.0f} % of the time: "
            "these figures are too high, measure again when the machine is quiet"
        )
    if demand["people"] == 0:
        lines.append(
            "  measured where people are: with nobody there for long the detector rests (detect.idle) and "
            "fights are not looked for, so that more cameras fit"
        )
    lines += ["", f"with other numbers of such cores, cameras: {', '.join(more)}"]
    return lines


def _cores(count: int) -> str:
    return f"{count} core{'' if count == 1 else 's'}"


def _count(cameras: float) -> str:
    """In words, for less than one as well."""
    whole = math.floor(cameras)
    if whole == 0:
        return f"not one of them, only {100.0 * cameras:.0f} % of its frames"
    return f"{whole} of them"


def _plain(cameras: float) -> str:
    return f"{cameras:.1f}" if cameras < 10 else f"{math.floor(cameras)}"
