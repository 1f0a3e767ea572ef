"""Confusion matrix, curves and reliability diagram as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from classifier.training.metrics import Scores
from tracker.training.curves import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from classifier.training.fitting import Epoch

__all__ = ["write_plots"]


def write_plots(
    path: Path,
    scores: Scores,
    reliability: npt.NDArray[np.float64],
    curves: list[Epoch] | None = None,
) -> None:
    """Draws them side by side, as PNG.

    Args:
        path: the file to write.
        scores: of held-out windows.
        reliability: (B, 3) of `classifier.training.metrics.reliability`.
        curves: of the training, one a pass; None leaves their plot out.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = max(5.0, 0.55 * len(scores.labels) + 2.2)
    widths = [size, 4.2] if curves is None else [size, 4.2, 4.8]
    figure = Figure(figsize=(sum(widths) + 0.6, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(widths), width_ratios=widths)
    _confusion(axes[0], scores)
    _reliability(axes[1], reliability, scores)
    if curves is not None:
        _curves(axes[2], curves)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, path)


def _confusion(axes: Axes, scores: Scores) -> None:
    shares = scores.confusion / np.maximum(scores.confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(scores.labels))
    axes.set_xticks(ticks, scores.labels, rotation=40, ha="right")
    axes.set_yticks(ticks, scores.labels)
    figures = f"accuracy {scores.accuracy:.3f}, macro F1 {scores.macro_f1:.3f}"
    title = f"held-out windows, share of the truth\n{figures}"
    axes.set(xlabel="answer", ylabel="truth", title=title)
    for row, column in np.ndindex(shares.shape):
        if shares[row, column] >= 0.005:
            shade = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{shares[row, column]:.2f}", ha="center", va="center", color=shade)


def _reliability(axes: Axes, bins: npt.NDArray[np.float64], scores: Scores) -> None:
    """How often answers are right that are given with some confidence; grey bars say how many they are."""
    filled = bins[bins[:, 2] > 0]
    axes.plot([0, 1], [0, 1], ":", color="grey", label="as sure as right")
    axes.plot(filled[:, 0], filled[:, 1], "o-", label="held-out windows")
    centres = (np.arange(len(bins)) + 0.5) / len(bins)
    shares = bins[:, 2] / max(1.0, bins[:, 2].sum())
    axes.bar(centres, shares, 0.9 / len(bins), color="0.85", zorder=0, label="share of windows")
    title = f"reliability\ncalibration error {scores.calibration_error:.3f}"
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1.02), title=title)
    axes.legend(loc="upper left", fontsize="small")
    axes.grid(alpha=0.3)


def _curves(axes: Axes, curves: list[Epoch]) -> None:
    passes = np.arange(1, len(curves) + 1)
    axes.plot(passes, [one.loss for one in curves], label="training loss")
    if any(np.isfinite(one.validation_loss) for one in curves):
        axes.plot(passes, [one.validation_loss for one in curves], label="validation loss")
    if any(np.isfinite(one.validation_f1) for one in curves):
        axes.plot(passes, [one.validation_f1 for one in curves], label="validation score")
    axes.set(xlabel="pass", title="training", ylim=(0, None))
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
