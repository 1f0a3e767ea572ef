"""The model card that goes beside a trained model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classifier.training.outcome import TrainingReport
    from classifier.training.settings import TrainingSettings

__all__ = ["write_card"]

_OURS = """Says what a person is doing from {seconds:g} s of poses at {rate:g} Hz: a linear
layer over a few samples at a time, {layers} LSTM layers of {hidden}, softmax with temperature
{temperature:.2f}. Input (batch, {samples}, features), output (batch, {classes}) probabilities. Labels, rate,
seconds and thresholds are in the metadata of the file."""

_CLASSIC = """Says what a person is doing from ten frames at {rate:g} Hz by the classic recipe of
the tutorials: the 132 raw values of MediaPipe Pose, four LSTM layers of 50 with dropout 0.2, softmax, Adam,
20 epochs.
Input (batch, 10, 132), output (batch, {classes}) probabilities, not calibrated."""


def write_card(
    path: Path,
    model: Path,
    report: TrainingReport,
    settings: TrainingSettings,
    *,
    rate: float,
    note: str,
    licence: str,
) -> None:
    """The model card: what it is, what it was made from, how good it is.

    Args:
        path: the card to write.
        model: the ONNX file it is about.
        report: how good it is.
        settings: how it was trained.
        rate: samples a second of its windows.
        note: paragraph about the data.
        licence: of the weights.

    Raises:
        OSError: the file cannot be written.
    """
    what = (_CLASSIC if settings.recipe == "classic" else _OURS).format(
        seconds=settings.seconds,
        rate=rate,
        layers=settings.layers,
        hidden=settings.hidden,
        temperature=report.calibration.temperature,
        samples=settings.samples,
        classes=len(report.labels),
    )
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    parts = [
        "# Action model",
        f"| | |\n| --- | --- |\n| file | `{model.name}`, {model.stat().st_size} bytes |\n"
        f"| sha256 | `{digest}` |\n| licence | {licence} |",
        f"{what}\n\n{_unknown(report)}",
        note.strip() or "Trained with `posewatch train`.",
        "## Scores",
        _scores(report),
        *([_warnings(report)] if report.notes else []),
        _table(report),
        f"```\n{report.test.table()}\n```",
    ]
    if report.confused:
        parts += ["Most confused:", "\n".join(f"- {line}" for line in report.confused)]
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    temporary.replace(path)


def _unknown(report: TrainingReport) -> str:
    rule = report.calibration.rejection
    below = "The answer is unknown where no label reaches its threshold, which nearly all right answers do"
    if not report.calibration.thresholds:
        return "It never says that it does not know."
    if rule is None:
        return f"{below}."
    return (
        f"{below}, and where a window is far from all that it was taught: from {rule.limit:.2f} times the "
        "usual squared distance on, which 5 % of the held-out windows of known actions are beyond."
    )


def _scores(report: TrainingReport) -> str:
    test, groups = report.test, report.test_groups
    names = ", ".join(groups[:12]) + (", ..." if len(groups) > 12 else "")
    lines = [f"Held-out windows ({len(groups)} groups: {names})."]
    if len(report.rounds) > 1:
        accuracy, accuracy_spread, f1, f1_spread = report.spread
        lines.append(
            f"Cross-validation of {len(report.rounds)} folds by group: accuracy {accuracy:.3f} ± "
            f"{accuracy_spread:.3f}, macro F1 {f1:.3f} ± {f1_spread:.3f} (mean and deviation of the folds)."
        )
    if report.again:
        lines.append("The network in the file was then trained once more, on all groups.")
    lines.append(
        f"Macro F1 {test.macro_f1:.3f}, accuracy {test.accuracy:.3f}, "
        f"calibration error {test.calibration_error:.3f}."
    )
    if report.own_split:
        lines.append(
            f"On the recipe's own random split of overlapping windows: accuracy {report.own_split[-1]:.4f}; "
            "its windows share nine of ten frames with those it was trained on."
        )
    return "\n".join(lines)


def _warnings(report: TrainingReport) -> str:
    return "\n".join(
        f"- **{line}**" if line.split(":")[0].isupper() else f"- {line}" for line in report.notes
    )


def _table(report: TrainingReport) -> str:
    test, thresholds = report.test, report.calibration.thresholds
    rows = "\n".join(
        f"| {label} | {report.takes.get(label, 0)} | {report.windows.get(label, 0)} | "
        f"{int(test.confusion[number].sum())} | {test.precision[number]:.3f} | {test.recall[number]:.3f} | "
        f"{test.f1[number]:.3f} | {thresholds.get(label, 0.5):.2f} |"
        for number, label in enumerate(report.labels)
    )
    return (
        "| label | takes | windows | test windows | precision | recall | F1 | threshold |\n"
        f"| --- | --- | --- | --- | --- | --- | --- | --- |\n{rows}"
    )
