"""How good a network is on held-out samples, and which of several is best."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from tracker.heads import Head, HeadDecoder
from tracker.letterbox import fitting_size, letterbox
from tracker.nms import suppress
from tracker.training.metrics import DetectionMetrics, by_set
from tracker.training.network import INPUT_SIDE, STRIDES, YoloxNano
from tracker.training.samples import Sample

__all__ = ["LEAST_SCORE", "measure", "merit", "report"]

_LOG = logging.getLogger(__name__)

LEAST_SCORE = 0.02  # low, so that the precision-recall curve is complete
_LOSS_PENALTY = 3.0


@torch.no_grad()
def measure(network: YoloxNano, samples: Sequence[Sample]) -> dict[str, DetectionMetrics]:
    """Metrics of every set and, as `all`, of their union, through the product's own decoding and NMS."""
    found = []
    truths = []
    for sample in samples:
        image = sample.read()
        height, width = image.shape[:2]
        columns, rows = fitting_size(width, height, INPUT_SIDE * INPUT_SIDE)
        canvas, placed = letterbox(image, columns, rows, centred=False)
        raw = network(torch.from_numpy(canvas.transpose(2, 0, 1)[None].astype(np.float32)))
        raw[..., 4:] = raw[..., 4:].sigmoid()
        candidates = HeadDecoder(Head.YOLOX, STRIDES, rows, columns)(raw.numpy(), LEAST_SCORE)
        kept = suppress(candidates.boxes, candidates.scores, iou=0.65, limit=100)
        found.append((placed.to_source(candidates.boxes[kept], width, height), candidates.scores[kept]))
        truths.append(sample.pixels(width, height))
    return by_set([sample.group for sample in samples], truths, found)


def merit(metrics: Mapping[str, DetectionMetrics], before: Mapping[str, DetectionMetrics]) -> float:
    """What models are chosen by: AP50 and AP50-95, every set counting the same, less a penalty.

    The penalty is three times every loss of AP50 against the start: a detector that gains on falls by
    losing the street is no gain.
    """
    sets = [name for name in metrics if name != "all"]
    quality = np.mean([(metrics[name].ap50 + metrics[name].ap) / 2 for name in sets])
    losses = np.mean([max(0.0, before[name].ap50 - metrics[name].ap50) for name in sets])
    return float(quality - _LOSS_PENALTY * losses)


def report(title: str, metrics: Mapping[str, DetectionMetrics], value: float) -> None:
    """Logs AP50 and AP50-95 of every set."""
    figures = " ".join(f"{name}={item.ap50:.3f}/{item.ap:.3f}" for name, item in metrics.items())
    _LOG.info("%s merit=%.4f lying=%.3f ap50/ap: %s", title, value, metrics["all"].recall_lying, figures)
