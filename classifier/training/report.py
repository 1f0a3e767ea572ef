"""The model card and the plots that go beside a trained model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from classifier.training.metrics import Scores

if TYPE_CHECKING:
    from classifier.training.train import TrainingReport, TrainingSettings

__all__ = ["write_card", "write_plots"]


def write_plots(path: Path, scores: Scores, losses: list[float], validation_f1: list[float]) -> None:
    """Confusion matrix of the test groups and the curves of the training, as PNG.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    shares = scores.confusion / np.maximum(scores.confusion.sum(axis=1, keepdims=True), 1)
    left.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(scores.labels))
    left.set_xticks(ticks, scores.labels, rotation=40, ha="right")
    left.set_yticks(ticks, scores.labels)
    left.set(xlabel="answer", ylabel="truth", title="windows of unseen groups, share of the truth")
    for row, column in np.ndindex(shares.shape):
        if shares[row, column] >= 0.005:
            shade = "white" if shares[row, column] > 0.5 else "black"
            left.text(column, row, f"{shares[row, column]:.2f}", ha="center", va="center", color=shade)
    epochs = np.arange(1, len(losses) + 1)
    right.plot(epochs, losses, label="training loss")
    right.plot(epochs, validation_f1, label="validation macro F1")
    right.set(xlabel="epoch", title="training")
    right.legend()
    right.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def write_card(
    path: Path, model: Path, report: TrainingReport, settings: TrainingSettings, *, note: str, licence: str
) -> None:
    """The model card: what it is, what it was made from, how good it is.

    Args:
        path: the card to write.
        model: the ONNX file it is about.
        report: how good it is.
        settings: how it was trained.
        note: paragraph about the data.
        licence: of the weights.

    Raises:
        OSError: the file cannot be written.
    """
    test = report.test
    rows = "\n".join(
        f"| {label} | {report.takes.get(label, 0)} | {report.windows.get(label, 0)} | "
        f"{int(test.confusion[number].sum())} | {test.precision[number]:.3f} | {test.recall[number]:.3f} | "
        f"{test.f1[number]:.3f} | {report.thresholds[label]:.2f} |"
        for number, label in enumerate(report.labels)
    )
    final = " The network in the file was then trained once more, on all groups." if settings.final else ""
    groups = ", ".join(report.test_groups[:12]) + (", ..." if len(report.test_groups) > 12 else "")
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    path.write_text(
        f"""# Action model

| | |
| --- | --- |
| file | `{model.name}`, {model.stat().st_size} bytes |
| sha256 | `{digest}` |
| licence | {licence} |

Says what a person is doing from {settings.seconds:g} s of poses at {settings.sample_rate:g} Hz: a linear
layer, {settings.layers} LSTM layers of {settings.hidden}, softmax with temperature {report.temperature:.2f}.
Input (batch, {settings.samples}, features), output (batch, {len(report.labels)}) probabilities. Labels, rate,
seconds and thresholds are in the metadata of the file.

{note.strip() or "Trained with `posewatch train`."}

## Scores

Windows of people, places and sources that were in neither training nor calibration
({len(report.test_groups)} groups: {groups}).{final}
Macro F1 {test.macro_f1:.3f}, accuracy {test.accuracy:.3f}, calibration error {test.calibration_error:.3f}.

| label | takes | windows | test windows | precision | recall | F1 | threshold |
| --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

```
{test.table()}
```
""",
        encoding="utf-8",
    )
