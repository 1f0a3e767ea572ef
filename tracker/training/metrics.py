"""Average precision and recall of detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker.nms import iou_matrix

__all__ = ["DetectionMetrics", "SmallMetrics", "by_set", "evaluate_detections", "evaluate_small"]

FloatArray = npt.NDArray[np.float32]

_SURE = 0.5  # the score that starts a track
_THRESHOLDS = np.arange(0.5, 0.96, 0.05)
_RECALL_POINTS = np.linspace(0.0, 1.0, 101)  # COCO's interpolation


@dataclass(frozen=True)
class DetectionMetrics:
    """Quality over a set of images.

    Attributes:
        images: Number of images.
        boxes: Number of true boxes.
        ap50: Average precision at IoU 0.5, 101 points.
        ap: Mean of the average precision at IoU 0.5, 0.55 ... 0.95.
        recall: Share of true boxes found at IoU 0.5 by any detection.
        recall_sure: Likewise by a detection of score 0.5 or more (what starts a track).
        precision_sure: Share of the detections of score 0.5 or more that are right at IoU 0.5.
        recall_lying: Share of the wide boxes (width > 1.2 height) found at IoU 0.5 by a detection of score
            0.3 or more; nan without any.
        lying: Number of wide boxes.
        recall_lying_rare: Share of the wide boxes found by detections above the score from which on one
            in ten images holds a false one (IoU below 0.5); nan without wide boxes.
        score_rare: That score.
        ghosts: Detections of score 0.5 or more on nobody (IoU below 0.1 with everyone), per image.
    """

    images: int
    boxes: int
    ap50: float
    ap: float
    recall: float
    recall_sure: float
    precision_sure: float
    recall_lying: float
    lying: int
    recall_lying_rare: float
    score_rare: float
    ghosts: float


def evaluate_detections(
    truths: Sequence[FloatArray], found: Sequence[tuple[FloatArray, FloatArray]]
) -> DetectionMetrics:
    """Matches greedily by score, image by image.

    Args:
        truths: For every image the (G, 4) true boxes.
        found: For every image the (N, 4) boxes and their (N,) scores.
    """
    hits, scores, ghosts = [], [], 0
    lying_scores: list[float] = []
    total = sum(len(truth) for truth in truths)
    for truth, (boxes, values) in zip(truths, found, strict=True):
        order = np.argsort(-values, kind="stable")
        ranked = values[order]
        overlaps = iou_matrix(boxes[order], truth)
        matches = np.stack([_match(overlaps, threshold) for threshold in _THRESHOLDS])
        hits.append(matches >= 0)
        scores.append(ranked)
        size = truth[:, 2:] - truth[:, :2]
        wide = np.flatnonzero(size[:, 0] > 1.2 * size[:, 1])
        lying_scores.extend(ranked[matches[0] == index].max(initial=-1.0) for index in wide)
        ghosts += int((overlaps.max(axis=1, initial=0.0)[ranked >= _SURE] < 0.1).sum())
    all_scores = np.concatenate(scores)
    ranking = np.argsort(-all_scores, kind="stable")
    correct = np.concatenate(hits, axis=1)[:, ranking]
    sure = all_scores[ranking] >= _SURE
    precision = [_average_precision(row, total) for row in correct]
    false_scores = all_scores[ranking][~correct[0]]
    allowed = len(truths) // 10
    least = float(false_scores[allowed]) if allowed < len(false_scores) else 0.0
    return DetectionMetrics(
        images=len(truths),
        boxes=total,
        ap50=precision[0],
        ap=float(np.mean(precision)),
        recall=float(correct[0].sum() / max(total, 1)),
        recall_sure=float(correct[0][sure].sum() / max(total, 1)),
        precision_sure=float(correct[0][sure].sum() / max(int(sure.sum()), 1)),
        recall_lying=_share(lying_scores, 0.3),
        lying=len(lying_scores),
        recall_lying_rare=_share(lying_scores, np.nextafter(least, 1.0)),
        score_rare=least,
        ghosts=ghosts / max(len(truths), 1),
    )


@dataclass(frozen=True)
class SmallMetrics:
    """Quality on people below some height.

    Attributes:
        small: Number of true boxes below it.
        ap50_small: Average precision at IoU 0.5, 101 points; nan without any.
        recall_small: Share found at IoU 0.5 by a detection of score 0.5 or more; nan without any.
    """

    small: int
    ap50_small: float
    recall_small: float


def evaluate_small(
    truths: Sequence[FloatArray], found: Sequence[tuple[FloatArray, FloatArray]], heights: Sequence[float]
) -> SmallMetrics:
    """As COCO evaluates sizes: detections of larger people, and larger ones of nobody, do not count.

    Args:
        truths: As for `evaluate_detections`.
        found: As for `evaluate_detections`.
        heights: For every image the height in pixels below which a person is small.
    """
    correct, scores, total = [], [], 0
    for truth, (boxes, values), height in zip(truths, found, heights, strict=True):
        order = np.argsort(-values, kind="stable")
        taken = _match(iou_matrix(boxes[order], truth), _THRESHOLDS[0])
        small = truth[:, 3] - truth[:, 1] < height
        counts = boxes[order, 3] - boxes[order, 1] < height
        counts[taken >= 0] = small[taken[taken >= 0]]
        correct.append((taken >= 0)[counts])
        scores.append(values[order][counts])
        total += int(small.sum())
    all_scores = np.concatenate(scores)
    ranking = np.argsort(-all_scores, kind="stable")
    ranked = np.concatenate(correct)[ranking]
    sure = int(ranked[all_scores[ranking] >= _SURE].sum())
    if not total:
        return SmallMetrics(0, float("nan"), float("nan"))
    return SmallMetrics(total, _average_precision(ranked, total), sure / total)


def by_set(
    groups: Sequence[str], truths: Sequence[FloatArray], found: Sequence[tuple[FloatArray, FloatArray]]
) -> dict[str, DetectionMetrics]:
    """Metrics of every set and, as `all`, of their union.

    Args:
        groups: For every image the name of its set.
        truths: As for `evaluate_detections`.
        found: As for `evaluate_detections`.
    """
    result = {}
    for group in [*sorted(set(groups)), "all"]:
        chosen = [index for index, name in enumerate(groups) if group in ("all", name)]
        result[group] = evaluate_detections([truths[i] for i in chosen], [found[i] for i in chosen])
    return result


def _share(scores: Sequence[float], least: float) -> float:
    """Share of the scores that are at least so high; nan without any."""
    return float(np.mean(np.asarray(scores) >= least)) if scores else float("nan")


def _match(overlaps: FloatArray, threshold: float) -> npt.NDArray[np.intp]:
    """For each detection, best first, the true box it takes, or -1; each box is taken once."""
    free = overlaps.copy()
    taken = np.full(len(overlaps), -1, dtype=np.intp)
    if free.shape[1] == 0:
        return taken
    for row in np.flatnonzero(overlaps.max(axis=1) >= threshold):
        best = int(free[row].argmax())
        if free[row, best] >= threshold:
            taken[row] = best
            free[:, best] = -1.0
    return taken


def _average_precision(correct: npt.NDArray[np.bool_], total: int) -> float:
    if total == 0 or correct.size == 0:
        return 0.0
    true = np.cumsum(correct)
    recall = true / total
    precision = true / np.arange(1, len(true) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    index = np.searchsorted(recall, _RECALL_POINTS, side="left")
    return float(np.where(index < len(envelope), envelope[np.minimum(index, len(envelope) - 1)], 0.0).mean())
