"""Mixtures of the weights of models tuned from one start, and the calibration of their score.

Between a start and a model that was tuned from it by small steps the loss is nearly convex, and a mixture
keeps more of what the start knew (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Mapping, Sequence

import torch

from tracker.training.metrics import DetectionMetrics
from tracker.training.network import YoloxNano
from tracker.training.samples import Sample
from tracker.training.validation import measure, merit, report

__all__ = ["blend", "calibrate", "mix"]

_LOG = logging.getLogger(__name__)

_MIXTURES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_SHIFTS = (-0.6, 0.6)  # range of the shift, logits
_HALVINGS = 5


def mix(
    start: YoloxNano,
    tuned: YoloxNano,
    held_out: Sequence[Sample],
    shares: Sequence[float] = _MIXTURES,
    *,
    init: YoloxNano | None = None,
) -> YoloxNano:
    """The best mixture, by `merit`, of a tuned model with the start or with what it went on from.

    Args:
        start: Where the tuned model came from, and what losses are counted against.
        tuned: The tuned model.
        held_out: What is measured on.
        shares: Shares of the tuned model that are tried.
        init: An earlier model from the same start, that the tuned one went on from.
    """
    before = measure(start, held_out)
    best, chosen = -math.inf, tuned
    pairs = [("start", start, share) for share in shares]
    if init is not None:
        pairs += [("init", init, share) for share in shares if share < 1.0]
    for name, other, share in pairs:
        mixture = blend(other, tuned, share)
        metrics = measure(mixture, held_out)
        value = merit(metrics, before)
        report(f"with={name} share={share:.2f}", metrics, value)
        if value > best:
            best, chosen = value, mixture
    return chosen


@torch.no_grad()
def blend(first: YoloxNano, second: YoloxNano, share: float) -> YoloxNano:
    """A network whose weights are those of the first, moved by `share` of the way to the second."""
    result = copy.deepcopy(first)
    for value, other in zip(result.parameters(), second.parameters(), strict=True):
        value.lerp_(other, share)
    return result


def calibrate(network: YoloxNano, held_out: Sequence[Sample], precision: float) -> YoloxNano:
    """Shifts the objectness so that detections of score 0.5 are right as often as wanted.

    A mixture is surer than either model. The thresholds of tracking are scores, so 0.5 should mean the same
    whatever model is loaded; a shift leaves the order of detections, thus the average precision, as it is
    but for a little.

    Args:
        network: The model.
        held_out: What is measured on.
        precision: Wanted share of the detections of score 0.5 or more that are right, mean of the sets.

    Returns:
        A copy with other biases, within 0.6 of the old ones.
    """
    low, high = _SHIFTS
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        reached = _precision(measure(_shifted(network, middle), held_out))
        _LOG.info("shift=%.3f precision=%.3f", middle, reached)
        if reached < precision:
            high = middle
        else:
            low = middle
    return _shifted(network, (low + high) / 2)


@torch.no_grad()
def _shifted(network: YoloxNano, shift: float) -> YoloxNano:
    result = copy.deepcopy(network)
    for bias in result.objectness_biases():
        bias += shift
    return result


def _precision(metrics: Mapping[str, DetectionMetrics]) -> float:
    values = [item.precision_sure for name, item in metrics.items() if name != "all"]
    return sum(values) / len(values)
