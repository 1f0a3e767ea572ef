"""Confusion matrix, F1 and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Scores", "fit_temperature", "least_scores", "reliability", "score", "softmax"]

_Float = npt.NDArray[np.float64]
_Int = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scores:
    """How well labels are found.

    Attributes:
        labels: names of the C classes.
        confusion: (C, C) windows; row the truth, column the answer.
        nll: mean negative log likelihood of the truth.
        calibration_error: expected calibration error over ten bins, 0..1.
    """

    labels: tuple[str, ...]
    confusion: _Int
    nll: float
    calibration_error: float

    @property
    def accuracy(self) -> float:
        """Share of windows with the right answer."""
        return float(np.trace(self.confusion) / max(1, self.confusion.sum()))

    @property
    def precision(self) -> _Float:
        """(C,) share of the answers that are right."""
        return np.asarray(np.diag(self.confusion) / np.maximum(self.confusion.sum(axis=0), 1))

    @property
    def recall(self) -> _Float:
        """(C,) share of the truth that is found."""
        return np.asarray(np.diag(self.confusion) / np.maximum(self.confusion.sum(axis=1), 1))

    @property
    def f1(self) -> _Float:
        """(C,) harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return np.asarray(2 * self.precision * self.recall / np.maximum(both, 1e-12))

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that occur."""
        present = self.confusion.sum(axis=1) > 0
        return float(self.f1[present].mean()) if present.any() else 0.0

    def table(self) -> str:
        """Confusion matrix with precision, recall and F1 as text."""
        width = max(8, *(len(label) for label in self.labels))
        head = " ".join(f"{label[:7]:>7}" for label in self.labels)
        lines = [f"{'truth':{width}} {head}    prec  recall      F1"]
        for row, label in enumerate(self.labels):
            cells = " ".join(f"{value:7d}" for value in self.confusion[row])
            measures = f"{self.precision[row]:7.3f} {self.recall[row]:7.3f} {self.f1[row]:7.3f}"
            lines.append(f"{label:{width}} {cells} {measures}")
        return "\n".join(lines)


def score(probabilities: npt.NDArray[np.floating], truth: _Int, labels: Sequence[str]) -> Scores:
    """Compares probabilities (N, C) with class numbers (N,)."""
    classes = len(labels)
    answers = probabilities.argmax(axis=1)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (truth, answers), 1)
    chosen = probabilities[np.arange(len(truth)), truth]
    confidence, right = probabilities.max(axis=1), answers == truth
    bins = np.minimum((confidence * 10).astype(int), 9)
    error = sum(
        abs(confidence[bins == place].sum() - right[bins == place].sum()) for place in range(10)
    ) / max(1, len(truth))
    nll = float(-np.log(np.maximum(chosen, 1e-9)).mean()) if len(truth) else 0.0
    return Scores(tuple(labels), confusion, nll, float(error))


def softmax(logits: npt.NDArray[np.floating]) -> _Float:
    """Softmax along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def fit_temperature(logits: npt.NDArray[np.floating], truth: _Int) -> float:
    """The temperature with the best likelihood (Guo et al. 2017, On Calibration of Modern Neural Networks).

    Every class counts alike. 1 when there is nothing to fit.
    """
    if len(truth) < 10:
        return 1.0
    weights = 1.0 / np.bincount(truth, minlength=logits.shape[1])[truth]
    candidates = np.exp(np.linspace(np.log(0.4), np.log(4.0), 60))
    rows = np.arange(len(truth))
    losses = [
        float(-(weights * np.log(np.maximum(softmax(logits / t)[rows, truth], 1e-9))).sum())
        for t in candidates
    ]
    return float(candidates[int(np.argmin(losses))])


def least_scores(
    probabilities: npt.NDArray[np.floating], truth: _Int, labels: Sequence[str], *, kept: float = 0.95
) -> dict[str, float]:
    """For each label the score that nearly all right answers reach: what stays below is no answer.

    Args:
        probabilities: (N, C) of held-out windows.
        truth: (N,) class numbers.
        labels: names of the classes.
        kept: share of a label's right answers that reach its score.

    Returns:
        Scores within 0.3..0.8; 0.5 for a label that is never answered rightly.
    """
    answers = probabilities.argmax(axis=1)
    result = {}
    for number, label in enumerate(labels):
        right = probabilities[(answers == number) & (truth == number), number]
        least = float(np.quantile(right, 1 - kept)) if len(right) else 0.5
        result[label] = round(min(max(least, 0.3), 0.8), 2)
    return result


def reliability(
    probabilities: npt.NDArray[np.floating], truth: npt.NDArray[np.int64], *, bins: int = 10
) -> npt.NDArray[np.float64]:
    """(B, 3) mean confidence, share right and number of windows of each bin; zeros where it is empty."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins).astype(np.float64)
    sums = [np.bincount(place, weights=values, minlength=bins) for values in (confidence, right)]
    return np.stack([*(total / np.maximum(count, 1) for total in sums), count], axis=1)
