"""Where people may fight: squares of the picture in which people are and most of the motion is.

Who fights is often not followed at all: bodies hide each other, bend and lie. So a place is chosen by the motion
of pixels and by detections, also weak ones, and not by tracks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["BODIES", "Region", "RegionFinder", "overlapping"]

_WIDTH = 160  # px of the picture in which motion is looked for
_MEMORY = 1.0  # seconds in which motion and people fade to 1/e
BODIES = 3.0
"""Side of a region in body heights."""

_REACH = 0.4  # side of the square over which motion is summed, in sides of a region
_SURE = 0.25  # score from which a detection tells how tall people are
_BODY = 0.45  # heights of the picture of somebody, as long as nobody is surely seen
_ANYWHERE = 0.05  # weight of motion where nobody is detected, beside 1 where somebody is
_NOISE = 4.0  # grey levels below which a difference between two pictures says nothing
_STILL = 0.4  # mean grey levels a sample in a region below which nothing happens there
_BETTER = 1.5  # motion elsewhere over motion here from which a place is given up
_SAME = 0.35  # IoU from which two places are one
_KEEP = 0.25  # share of the strongest place's motion that another place needs

Floats = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Region:
    """A square of the picture: middle and side as shares of the picture's width."""

    x: float
    y: float
    side: float

    def box(self, width: int) -> Floats:
        """(4,) left, top, right, bottom in px of a picture of this width; may reach beyond it."""
        half = self.side / 2
        return np.array([self.x - half, self.y - half, self.x + half, self.y + half], np.float32) * width


class RegionFinder:
    """Follows where in a camera's pictures people move most.

    Args:
        limit: at most this many regions at a time.
    """

    def __init__(self, limit: int = 2) -> None:
        self._limit = limit
        self._regions: list[Region] = []
        self._before: Image | None = None
        self._last = 0.0
        self._motion: Floats | None = None
        self._people: Floats | None = None
        self._sizes: deque[tuple[float, Floats]] = deque()

    def update(
        self, image: Image, boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], monotonic: float
    ) -> list[Region]:
        """Takes the next picture; returns the regions, the one with the most motion first.

        Args:
            image: (H, W, 3) uint8 BGR.
            boxes: (N, 4) px of people, also of those who are hardly seen.
            scores: (N,) how surely.
            monotonic: seconds.
        """
        height, width = image.shape[:2]
        size = (_WIDTH, max(8, round(_WIDTH * height / width)))
        grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        grey = np.asarray(grey, np.uint8)
        if self._before is None or self._before.shape != grey.shape or self._motion is None:
            self.reset()
            self._motion, self._people = (np.zeros(grey.shape, np.float32) for _ in range(2))
        people = self._take(boxes * (_WIDTH / width), scores, grey.shape, monotonic)
        if self._before is not None:
            self._blend(grey, people, monotonic - self._last)
            self._regions = self._choose()
        self._before, self._last = grey, monotonic
        return list(self._regions)

    def reset(self) -> None:
        """Forgets everything: the camera shows another scene."""
        self._regions, self._before, self._motion, self._people = [], None, None, None
        self._sizes.clear()

    def _take(self, boxes: Floats, scores: Floats, shape: tuple[int, ...], monotonic: float) -> Floats:
        """Draws the people of this picture, and remembers how tall they are and where."""
        drawn = np.zeros(shape, np.float32)
        edges = np.clip(np.round(boxes), 0, [shape[1], shape[0]] * 2).astype(int)
        for (left, top, right, bottom), score in zip(edges.tolist(), scores.tolist(), strict=True):
            part = drawn[top : bottom + 1, left : right + 1]
            np.maximum(part, min(1.0, 2.0 * score), out=part)
        sure = boxes[scores >= _SURE]
        middles, lengths = (sure[:, :2] + sure[:, 2:]) / 2, (sure[:, 2:] - sure[:, :2]).max(axis=1, initial=0.0)
        self._sizes.append((monotonic, np.concatenate([middles, lengths[:, None]], axis=1)))
        while self._sizes and self._sizes[0][0] < monotonic - 1.5 * _MEMORY:
            self._sizes.popleft()
        return drawn

    def _blend(self, grey: Image, people: Floats, elapsed: float) -> None:
        assert self._before is not None
        assert self._motion is not None
        assert self._people is not None
        change = np.asarray(cv2.absdiff(grey, self._before), np.float32)
        # A change of light moves the whole picture; what is left over moves in it.
        change = np.clip(change - max(_NOISE, 2.0 * float(np.median(change))), 0.0, 60.0)
        kept = np.float32(np.exp(-max(elapsed, 0.0) / _MEMORY))
        self._motion = kept * self._motion + (1 - kept) * change
        self._people = np.maximum(kept * self._people, people)

    def _choose(self) -> list[Region]:
        assert self._motion is not None
        assert self._people is not None
        energy = self._motion * (self._people + _ANYWHERE)
        sizes = np.concatenate([size for _, size in self._sizes]) if self._sizes else np.empty((0, 3))
        rows, columns = energy.shape
        usual = float(np.median(sizes[:, 2])) if len(sizes) else _BODY * rows
        chosen: list[tuple[float, Region]] = []
        left = energy.copy()
        for _ in range(self._limit):
            region = self._strongest(left, sizes, usual)
            value = self._value(energy, region)
            for old in self._regions:  # stays where it is, as long as it is nearly as good there
                if _overlap(old, region) >= _SAME or value < _BETTER * self._value(energy, old):
                    if all(_overlap(old, other) < _SAME for _, other in chosen):
                        region, value = old, self._value(energy, old)
                        break
            area = (region.side * _WIDTH * _REACH) ** 2
            if value < _STILL * area or (chosen and value < _KEEP * chosen[0][0]):
                break
            chosen.append((value, region))
            top, bottom, first, last = _part(region, left.shape, 1.0)
            left[top:bottom, first:last] = 0.0
        return [region for _, region in chosen]

    def _strongest(self, energy: Floats, sizes: npt.NDArray[np.float64], usual: float) -> Region:
        """The square with the most motion, as large as the people in it ask for."""
        rows, columns = energy.shape
        size = usual
        column, row = columns / 2, rows / 2
        for _ in range(3):
            side = max(_WIDTH / 20, BODIES * size)
            reach = int(side * _REACH) | 1
            summed = cv2.boxFilter(energy, -1, (reach, reach), normalize=False, borderType=cv2.BORDER_CONSTANT)
            row, column = np.unravel_index(int(np.argmax(summed)), energy.shape)
            if len(sizes):
                near = np.abs(sizes[:, :2] - [column, row]).max(axis=1) < side / 3
                if near.any():
                    size = float(np.percentile(sizes[near, 2], 60))
        side = float(np.clip(BODIES * size, _WIDTH / 20, 1.3 * rows))
        return Region(*_inside(column, row, side, columns, rows), side / _WIDTH)

    @staticmethod
    def _value(energy: Floats, region: Region) -> float:
        top, bottom, first, last = _part(region, energy.shape, _REACH)
        return float(energy[top:bottom, first:last].sum())


def _inside(x: float, y: float, side: float, columns: int, rows: int) -> tuple[float, float]:
    """The middle of a square of this side, moved so that as much as possible is in the picture."""
    x = min(max(x, side / 2), columns - side / 2) if side < columns else columns / 2
    y = min(max(y, side / 2), rows - side / 2) if side < rows else rows / 2
    return x / _WIDTH, y / _WIDTH


def _part(region: Region, shape: tuple[int, ...], share: float) -> tuple[int, int, int, int]:
    """Rows and columns from, to of the middle part of a region."""
    half = region.side * share / 2
    rows = np.clip(np.round(np.array([region.y - half, region.y + half]) * _WIDTH), 0, shape[0])
    columns = np.clip(np.round(np.array([region.x - half, region.x + half]) * _WIDTH), 0, shape[1])
    return int(rows[0]), int(rows[1]), int(columns[0]), int(columns[1])


def _overlap(first: Region, second: Region) -> float:
    """IoU of two squares."""
    reach = (first.side + second.side) / 2
    across = min(first.side, second.side, reach - abs(first.x - second.x))
    down = min(first.side, second.side, reach - abs(first.y - second.y))
    shared = max(0.0, across) * max(0.0, down)
    return shared / max(1e-9, first.side**2 + second.side**2 - shared)


def overlapping(regions: Sequence[Region], region: Region) -> bool:
    """Whether a region is the same place as one of some others."""
    return any(_overlap(region, other) >= _SAME for other in regions)
