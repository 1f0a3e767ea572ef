"""Where people move: differences of small pictures, weighed by where people are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

__all__ = [
    "ANYWHERE",
    "BODIES",
    "SEEN",
    "WIDTH",
    "Glance",
    "MotionMap",
    "energy_of",
    "moving_at_once",
    "place_of",
]

WIDTH = 160
"""px of the small pictures, and of the maps made of them."""

BODIES = 3.0
"""Side of a place in body heights."""

SEEN = 0.2
"""Score from which a detection counts as somebody."""

ANYWHERE = 0.05
"""Weight of motion where nobody is detected, beside 1 where somebody is."""

_INNER = 0.4  # body heights: deviation of the bell over which the motion of a place is summed
_SURE = 0.25  # score from which a detection tells how tall people are
_BODY = 0.45  # heights of the picture of somebody, where nobody is surely seen
_ANOTHER = 0.7  # share of the smaller box that the other one may cover, of two people
_MOVES = 3.0  # mean grey levels of change in the box of somebody who moves
_NOISE = 4.0  # grey levels below which a difference says nothing
_LARGEST = 60.0  # grey levels above which a difference counts no more

Floats = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Glance:
    """What moved since the glance before, and who is where.

    Attributes:
        change: (rows, 160) float32 grey levels.
        people: (rows, 160) float32 0..1, how surely somebody is there.
        boxes: (N, 4) float32 in px of a picture of this width.
        scores: (N,) float32.
    """

    change: Floats
    people: Floats
    boxes: Floats
    scores: Floats


class MotionMap:
    """Compares each picture of a camera with the one before."""

    def __init__(self) -> None:
        self._before: Image | None = None

    def update(self, image: Image, boxes: Floats, scores: Floats) -> Glance:
        """Takes the next picture, (H, W, 3) uint8 BGR, with boxes (N, 4) in its px and scores (N,)."""
        height, width = image.shape[:2]
        size = (WIDTH, max(8, round(WIDTH * height / width)))
        plane = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)  # first: one channel is scaled faster
        grey = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)
        change = np.zeros(grey.shape, np.float32)
        if self._before is not None and self._before.shape == grey.shape:
            difference = np.asarray(cv2.absdiff(grey, self._before), np.uint8)
            # A change of light moves the whole picture; what is left over moves in it.
            still = max(_NOISE, 2.0 * _median(difference))
            change = np.clip(difference.astype(np.float32) - np.float32(still), 0.0, _LARGEST)
        self._before = grey
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4) * np.float32(WIDTH / width)
        scores = np.asarray(scores, np.float32)
        return Glance(change, _drawn(boxes, scores, grey.shape), boxes, scores)


def _median(levels: Image) -> float:
    """The median; by counting, which for bytes is faster than sorting."""
    below = np.bincount(levels.ravel(), minlength=256).cumsum()
    lower, upper = np.searchsorted(below, [(below[-1] + 1) // 2, below[-1] // 2 + 1])
    return (float(lower) + float(upper)) / 2


def _drawn(boxes: Floats, scores: Floats, shape: tuple[int, ...]) -> Floats:
    people = np.zeros(shape, np.float32)
    edges = np.clip(np.round(boxes), 0, [shape[1], shape[0]] * 2).astype(int)
    for (left, top, right, bottom), score in zip(edges.tolist(), scores.tolist(), strict=True):
        part = people[top : bottom + 1, left : right + 1]
        np.maximum(part, min(1.0, 2.0 * score), out=part)
    return people


def energy_of(glances: Sequence[Glance]) -> Floats:
    """(rows, 160) motion in the glances, most of it where people are."""
    change = np.mean([one.change for one in glances], axis=0)
    people = np.maximum.reduce([one.people for one in glances])
    return np.asarray(change * (people + ANYWHERE), np.float32)


def place_of(energy: Floats, glances: Sequence[Glance]) -> Floats:
    """(4,) the square with the most motion, three body heights wide, in px of a picture of width 160."""
    rows, columns = energy.shape
    boxes = np.concatenate([one.boxes[one.scores >= _SURE] for one in glances])
    sizes, middles = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0), (boxes[:, :2] + boxes[:, 2:]) / 2
    size = float(np.median(sizes)) if len(sizes) else _BODY * rows
    row, column = rows // 2, columns // 2
    for _ in range(2):  # with the size of people anywhere, then with that of those who are there
        spread = max(1.0, _INNER * size)
        summed = cv2.GaussianBlur(energy, (0, 0), spread, borderType=cv2.BORDER_CONSTANT)
        row, column = (int(index) for index in np.unravel_index(int(np.argmax(summed)), energy.shape))
        near = np.abs(middles - [column, row]).max(axis=1, initial=0.0) < size
        if near.any():
            size = float(np.percentile(sizes[near], 60))
    half = BODIES * size / 2
    return np.array([column - half, row - half, column + half, row + half], np.float32)


def moving_at_once(place: Floats, glances: Sequence[Glance]) -> int:
    """The most people who moved in a place in one of the glances.

    Of detections that cover each other one counts, and a coat on a chair, which does not move, is nobody.
    """
    return max(_moving(place, one) for one in glances)


def _moving(place: Floats, glance: Glance) -> int:
    rows, columns = glance.change.shape
    middles = (glance.boxes[:, :2] + glance.boxes[:, 2:]) / 2
    inside = ((middles >= place[:2]) & (middles <= place[2:])).all(axis=1) & (glance.scores >= SEEN)
    if not inside.any():
        return 0
    boxes = glance.boxes[inside][np.argsort(-glance.scores[inside], kind="stable")]
    left, top, right, bottom = np.clip(np.round(boxes), 0, [columns, rows] * 2).astype(int).T
    sums = cv2.integral(glance.change)
    within = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    size = (right - left) * (bottom - top)
    found: list[Floats] = []
    for box in boxes[(size > 0) & (within >= _MOVES * size)]:
        if all(_covered(box, other) <= _ANOTHER for other in found):
            found.append(box)
    return len(found)


def _covered(first: Floats, second: Floats) -> float:
    """Share of the smaller box that the other one covers."""
    shared = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    smaller = min(float(np.prod(first[2:] - first[:2])), float(np.prod(second[2:] - second[:2])))
    return float(np.prod(np.maximum(shared, 0.0))) / max(smaller, 1.0)
