"""The figures as a picture; needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daemon.errors import UsageError

__all__ = ["check_matplotlib", "plot"]

_STAGE_COLOURS = [
    "#4e79a7",
    "#a0cbe8",
    "#f28e2b",
    "#ffbe7d",
    "#e15759",
    "#76b7b2",
    "#b07aa1",
    "#9c755f",
    "#bab0ac",
]


def check_matplotlib() -> None:
    """Looks whether a picture can be made, before the work.

    Raises:
        UsageError: matplotlib is missing.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("--plot needs matplotlib: pip install matplotlib, or posewatch[bench]") from None


def plot(figures: Mapping[str, Any], path: Path) -> None:
    """Draws whatever was measured of pipelines, settings, cameras and people.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    _pipelines(axes[0][0], figures)
    _stages(axes[0][1], figures.get("settings", {}))
    _cameras(axes[1][0], figures.get("cameras", {}))
    _people(axes[1][1], figures.get("people", {}))
    figure.suptitle(f"posewatch {figures['version']}, {figures['clip']}, {figures['cores']} cores")
    figure.savefig(path, dpi=90, metadata={"Software": ""})


def _pipelines(axis: Any, figures: Mapping[str, Any]) -> None:
    """Frames a second of all pipelines; of our workers alone where nothing else was measured."""
    pipelines = figures.get("against", {}).get("pipelines", {})
    if pipelines:
        names = [
            one["what"] + (f", {one['processes']}x" if one["weights"] is not None else "")
            for one in pipelines.values()
        ]
        table = dict(zip(names, pipelines.values(), strict=True))
    else:
        table = {f"{count} workers": one for count, one in figures.get("workers", {}).items()}
    low, middle, high = (
        zip(*(one["frames_per_second"] for one in table.values()), strict=True) if table else ((),) * 3
    )
    places = range(len(table))
    errors = [
        [median - least for median, least in zip(middle, low, strict=True)],
        [most - median for median, most in zip(middle, high, strict=True)],
    ]
    axis.barh(places, middle, xerr=errors if table else None, color="#4e79a7", ecolor="#333333")
    axis.set_yticks(places, list(table), fontsize=8)
    axis.invert_yaxis()
    for place, value in zip(places, middle, strict=True):
        axis.annotate(f"{value:.1f}", (value, place), xytext=(6, 0), textcoords="offset points", va="center")
    axis.margins(x=0.15)
    axis.set_title("all cores: frames a second, decoding included")


def _stages(axis: Any, table: Mapping[str, Any]) -> None:
    """Where a frame's time goes, by settings."""
    names = list(next(iter(table.values()))["stages"]) if table else []
    start = [0.0] * len(table)
    for name, colour in zip(names, _STAGE_COLOURS, strict=False):
        values = [one["stages"].get(name, 0.0) for one in table.values()]
        axis.bar(list(table), values, bottom=start, label=name, color=colour)
        start = [before + value for before, value in zip(start, values, strict=True)]
    if table:
        axis.legend(fontsize=8)
    axis.set_title("one worker: ms of a core a frame, by stage")


def _cameras(axis: Any, table: Mapping[str, Any]) -> None:
    """What a frame costs, by number of cameras."""
    _spread(
        axis,
        {int(count): one["processor"] for count, one in table.items()},
        "ms of a core a frame",
        "#4e79a7",
    )
    axis.set_xlabel("cameras")
    axis.set_ylim(bottom=0)
    axis.set_title("ms of a core a frame, by number of cameras")


def _people(axis: Any, table: Mapping[str, Any]) -> None:
    """What a frame costs, by number of people in view."""
    for name, colour in (("defaults", "#4e79a7"), ("unhurried", "#e15759")):
        _spread(axis, {int(count): both[name]["processor"] for count, both in table.items()}, name, colour)
    if table:
        axis.legend()
    axis.set_xlabel("people in view")
    axis.set_ylim(bottom=0)
    axis.set_title("one worker: ms of a core a frame, by number of people")


def _spread(axis: Any, spreads: Mapping[int, list[float]], label: str, colour: str) -> None:
    if not spreads:
        return
    low, median, high = zip(*spreads.values(), strict=True)
    axis.plot(list(spreads), median, "o-", label=label, color=colour)
    axis.fill_between(list(spreads), low, high, alpha=0.25, color=colour)
