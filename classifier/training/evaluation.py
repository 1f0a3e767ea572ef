"""How well a finished model does on recordings: what `posewatch evaluate` tells. Needs no PyTorch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.model import ActionModel
from classifier.recording import Recording
from classifier.training.advice import advice
from classifier.training.metrics import Scores, reliability, score
from classifier.training.windows import Take, all_windows, name_of, takes_of

__all__ = ["UNKNOWN", "Evaluation", "TakeResult", "evaluate"]

UNKNOWN = "unknown"
_USUAL = 0.5  # score that a label needs where the model does not say


@dataclass(frozen=True, slots=True)
class TakeResult:
    """One recording.

    Attributes:
        name: of its file.
        group: who or where.
        label: the truth.
        windows: how many.
        right: share of windows whose best label is the truth.
        unknown: share of windows that are answered `unknown`.
        answers: the answers, the commonest first, with their shares.
    """

    name: str
    group: str
    label: str
    windows: int
    right: float
    unknown: float
    answers: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of it.

    Attributes:
        scores: of the recordings whose label the model knows, best label against truth.
        reliability: (B, 3) of the same windows.
        takes: those recordings, the worst first.
        foreign: recordings with labels that the model does not know.
        unknown: share of the known windows that are answered `unknown`.
        confused: lines on the most confused pairs, with advice.
        left_out: names of recordings too short for a window.
    """

    scores: Scores
    reliability: npt.NDArray[np.float64]
    takes: tuple[TakeResult, ...]
    foreign: tuple[TakeResult, ...]
    unknown: float
    confused: tuple[str, ...]
    left_out: tuple[str, ...]

    def json(self) -> dict[str, Any]:
        """Everything as values that JSON has."""
        scores = self.scores
        by_label = {
            label: {
                "windows": int(scores.confusion[number].sum()),
                "precision": float(scores.precision[number]),
                "recall": float(scores.recall[number]),
                "f1": float(scores.f1[number]),
            }
            for number, label in enumerate(scores.labels)
        }
        return {
            "labels": list(scores.labels),
            "windows": int(scores.confusion.sum()),
            "accuracy": scores.accuracy,
            "macro_f1": scores.macro_f1,
            "calibration_error": scores.calibration_error,
            "unknown": self.unknown,
            "by_label": by_label,
            "confusion": scores.confusion.tolist(),
            "reliability": self.reliability.tolist(),
            "recordings": [_as_json(take) for take in self.takes],
            "foreign": [_as_json(take) for take in self.foreign],
            "confused": list(self.confused),
            "left_out": list(self.left_out),
        }


def evaluate(model: ActionModel, recordings: Sequence[Recording]) -> Evaluation:
    """Asks the model about every window of some recordings.

    Args:
        model: the model.
        recordings: any; those whose label the model does not know should be answered `unknown`, or `other`
            where the model has that label.
    """
    known = takes_of(recordings, model.labels)
    others = sorted({recording.label for recording in recordings} - set(model.labels))
    foreign = takes_of(recordings, others)
    probabilities, truth, places = _answers(model, known)
    people = {
        label: len({take.group for take in known if take.label == number})
        for number, label in enumerate(model.labels)
    }
    scores = score(probabilities, truth, model.labels)
    takes = _results(model, known, model.labels, probabilities, places)
    decided = _decided(model, probabilities)
    strange = _results(model, foreign, others, *_answers(model, foreign)[::2]) if foreign else []
    used = {take.name for take in (*known, *foreign)}
    return Evaluation(
        scores=scores,
        reliability=reliability(probabilities, truth),
        takes=tuple(sorted(takes, key=lambda take: (take.right, -take.windows))),
        foreign=tuple(strange),
        unknown=float((decided < 0).mean()) if len(decided) else 0.0,
        confused=tuple(advice(scores, people=people)),
        left_out=tuple(name_of(one) for one in recordings if name_of(one) not in used),
    )


def _answers(
    model: ActionModel, takes: Sequence[Take]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Probabilities (N, C), truth (N,) and take numbers (N,); a few takes at a time."""
    parts = [np.empty((0, len(model.labels)), np.float32)]
    truth, places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for first in range(0, len(takes), 16):
        side = range(first, min(first + 16, len(takes)))
        windows = all_windows(takes, side, rate=model.rate, samples=model.samples)
        parts.append(model.probabilities(windows.landmarks, windows.valid, windows.sizes))
        truth.append(windows.labels)
        places.append(windows.takes)
    return np.concatenate(parts), np.concatenate(truth), np.concatenate(places)


def _decided(model: ActionModel, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """(N,) number of the answer, -1 where the best label stays below its threshold: unknown."""
    needed = np.array([model.thresholds.get(label, _USUAL) for label in model.labels])
    best = probabilities.argmax(axis=1)
    strong = probabilities[np.arange(len(best)), best] >= needed[best]
    return np.where(strong, best, -1)


def _results(
    model: ActionModel,
    takes: Sequence[Take],
    labels: Sequence[str],
    probabilities: npt.NDArray[np.float32],
    places: npt.NDArray[np.int64],
) -> list[TakeResult]:
    decided, best = _decided(model, probabilities), probabilities.argmax(axis=1)
    names = (*model.labels, UNKNOWN)
    results = []
    for number, take in enumerate(takes):
        own = places == number
        counts = Counter(names[answer] for answer in decided[own].tolist())
        label, windows = labels[take.label], int(own.sum())
        right = [model.labels[answer] == label for answer in best[own].tolist()]
        answers = tuple((name, count / windows) for name, count in counts.most_common())
        results.append(
            TakeResult(
                take.name,
                take.group,
                label,
                windows,
                float(np.mean(right)),
                counts[UNKNOWN] / windows,
                answers,
            )
        )
    return results


def _as_json(take: TakeResult) -> dict[str, Any]:
    return {
        "name": take.name,
        "group": take.group,
        "label": take.label,
        "windows": take.windows,
        "right": take.right,
        "unknown": take.unknown,
        "answers": dict(take.answers),
    }
