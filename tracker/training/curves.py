"""The curves of a detector's training, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["save_figure", "two_plots", "write_curves"]


def write_curves(path: Path, run: Mapping[str, Any]) -> None:
    """Loss by step, and AP50 of every held-out set by pass with the start's as a dotted line.

    Args:
        path: PNG to write.
        run: What `tracker.training.detector.train` writes as JSON: `start` metrics by set, `history` of
            passes with `epoch` and `metrics` by set, `losses` as (step, mean loss).

    Raises:
        OSError: The file cannot be written.
    """
    figure, left, right = two_plots()
    losses = np.array(run["losses"], dtype=np.float64).reshape(-1, 2)
    left.plot(losses[:, 0], losses[:, 1])
    left.set(xlabel="step", ylabel="loss", title="training loss, mean of 50 steps")
    history = [entry for entry in run["history"] if entry["metrics"]]
    passes = [entry["epoch"] for entry in history]
    for name in history[0]["metrics"] if history else ():
        line = right.plot(passes, [entry["metrics"][name]["ap50"] for entry in history], "o-", label=name)[0]
        if name in run["start"]:
            right.axhline(run["start"][name]["ap50"], linestyle=":", color=line.get_color(), linewidth=1)
    right.set(xlabel="pass", ylabel="AP50", ylim=(0, 1), title="held-out images (dotted: the start)")
    if history:
        right.legend(fontsize="small")
    save_figure(figure, path)


def two_plots() -> tuple[Figure, Axes, Axes]:
    """A figure without a screen, with two plots side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    return figure, left, right


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    temporary = path.with_suffix(".png.part")
    figure.savefig(temporary, dpi=80, format="png")
    temporary.replace(path)
