"""What a training came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.rejection import Rejection
from classifier.training.fitting import Epoch
from classifier.training.metrics import Scores

__all__ = ["Answers", "Calibration", "HeldOut", "TrainingReport"]


@dataclass(frozen=True, slots=True)
class Answers:
    """Of N windows.

    Attributes:
        logits: (N, C) without temperature.
        distances: (N,) from what was trained on.
        truth: (N,) class numbers.
        takes: (N,) numbers of the takes.
    """

    logits: npt.NDArray[np.float64]
    distances: npt.NDArray[np.float64]
    truth: npt.NDArray[np.int64]
    takes: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One round: answers on its test and validation windows, and the pass whose weights were kept."""

    test: Answers
    validation: Answers
    groups: tuple[str, ...]
    best: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns logits into probabilities one can act on.

    Attributes:
        temperature: divides the logits.
        thresholds: score that nearly all right answers of a label reach, by label.
        rejection: when the answer is unknown; None for never.
    """

    temperature: float
    thresholds: dict[str, float]
    rejection: Rejection | None = None


@dataclass
class TrainingReport:
    """How it came out: scores on groups that training has not seen, and where it was written.

    Attributes:
        labels: names of the C classes.
        takes: by label.
        windows: by label.
        test: scores of the held-out windows of all rounds.
        rounds: scores of each round.
        test_groups: what was held out.
        calibration: of the model.
        reliability: (B, 3) bins of the held-out windows: mean confidence, share right, windows.
        confused: lines on the labels that are taken for each other, with advice.
        notes: what the scores cannot claim.
        curves: one a pass.
        own_split: validation accuracy of the classic recipe on its random split of windows; empty for ours.
        again: whether the network that was written has seen all takes.
        seconds: it took.
        files: model, card, plots.
    """

    labels: tuple[str, ...]
    takes: dict[str, int]
    windows: dict[str, int]
    test: Scores
    rounds: list[Scores]
    test_groups: tuple[str, ...]
    calibration: Calibration
    reliability: npt.NDArray[np.float64]
    confused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    curves: list[Epoch] = field(default_factory=list)
    own_split: list[float] = field(default_factory=list)
    again: bool = False
    seconds: float = 0.0
    files: tuple[Path, ...] = ()

    @property
    def spread(self) -> tuple[float, float, float, float]:
        """Mean and standard deviation over the rounds of accuracy and of macro F1."""
        accuracy = [one.accuracy for one in self.rounds]
        f1 = [one.macro_f1 for one in self.rounds]
        return float(np.mean(accuracy)), float(np.std(accuracy)), float(np.mean(f1)), float(np.std(f1))
