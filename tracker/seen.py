"""What a frame shows: its detections, freed of nonsense, and how far people hide each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.matching import covered_share

if TYPE_CHECKING:
    from tracker.detector import Detections

__all__ = ["Seen", "look_at"]

Floats = NDArray[np.float64]

_FAR = 1e6  # px from the corner of the image, beyond which a box is nonsense
_LIKELY = 0.3  # score from which a detection may stand in front of another


@dataclass(slots=True)
class Seen:
    """The detections of a frame.

    Attributes:
        boxes: (N, 4) left, top, right, bottom in px.
        scores: (N,).
        appearance: (N, 120) descriptors, or None.
        covered: (N,) share of the box that another likely person covers; all 0 without descriptors.
    """

    boxes: Floats
    scores: Floats
    appearance: NDArray[np.float32] | None
    covered: Floats


def look_at(detections: Detections, appearance: NDArray[np.float32] | None) -> Seen:
    """The detections that are boxes: a model of the user's may give anything, and what is none is nobody."""
    boxes = np.asarray(detections.boxes, np.float64).reshape(-1, 4)
    scores = np.asarray(detections.scores, np.float64).reshape(-1)
    # One look at all of them first: nonsense is rare, and not a number is never below anything.
    if len(scores) and not (
        np.abs(boxes).max() < _FAR and (boxes[:, 2:] - boxes[:, :2]).min() > 0 and np.isfinite(scores.sum())
    ):
        sane = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & (np.abs(boxes) < _FAR).all(axis=1)
        sane &= np.isfinite(scores)
        boxes, scores = boxes[sane], scores[sane]
        appearance = None if appearance is None else appearance[sane]
    covered = np.zeros(len(scores))
    if appearance is not None:
        covered = covered_share(boxes, boxes[scores >= _LIKELY])
    return Seen(boxes, scores, appearance, covered)
