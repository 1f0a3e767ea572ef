"""Output heads of YOLO detectors: which one a model has, and how to read boxes from it.

Three families are told apart by the shape of the only output of a model with input H x W, where A is the
number of cells of the strides 8, 16, 32 (with four levels also 64, "P6", or 4, "P2"):

=================  ==================  ==============================================================
head               output              content
=================  ==================  ==============================================================
YOLOX              (1, A, 5 + nc)      centre offset in cells, log size in cells, objectness, classes
ultralytics v8/11  (1, 4 + nc, A)      centre and size in pixels, classes
end to end (26)    (1, K, 6)           left, top, right, bottom in pixels, score, class; NMS done
=================  ==================  ==============================================================

YOLOX: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", section 2.1. Some YOLOX exports decode the boxes
in the graph; they have the same shape and are recognised by their values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

__all__ = ["Candidates", "Head", "HeadDecoder", "anchor_cells", "recognise"]

FloatArray = npt.NDArray[np.float32]

_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))


class Head(str, Enum):
    """Family of an output head."""

    YOLOX = "yolox"
    YOLOX_DECODED = "yolox-decoded"
    ULTRALYTICS = "ultralytics"
    END_TO_END = "end-to-end"

    @property
    def is_yolox(self) -> bool:
        """Whether the model wants YOLOX's input: 0..255 BGR, padded at the right and the bottom."""
        return self in (Head.YOLOX, Head.YOLOX_DECODED)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Boxes before NMS, in pixels of the network's input.

    Attributes:
        boxes: (N, 4) float32 left, top, right, bottom.
        scores: (N,) float32 in 0..1.
    """

    boxes: FloatArray
    scores: FloatArray


def anchor_cells(height: int, width: int, strides: tuple[int, ...]) -> FloatArray:
    """Cells of all levels, row by row, finest level first: (A, 3) float32 column, row, stride."""
    levels = []
    for stride in strides:
        rows, columns = np.mgrid[0 : height // stride, 0 : width // stride]
        levels.append(np.stack([columns.ravel(), rows.ravel(), np.full(rows.size, stride)], axis=1))
    return np.concatenate(levels).astype(np.float32)


def recognise(
    output: FloatArray, height: int, width: int, *, ultralytics: bool = False
) -> tuple[Head, tuple[int, ...]] | None:
    """Recognises the head from the output of a blank image.

    Args:
        output: What the model gave for a blank image of height x width, as it came.
        height: Input height, pixels.
        width: Input width, pixels.
        ultralytics: It says that ultralytics made it. Its list of boxes may be as long as the grid of a tiny
            input has cells, and would then pass for a YOLOX of one class.

    Returns:
        The head and the strides of its levels (empty for end to end), or None for an unknown shape.
    """
    if output.ndim != 3 or output.shape[0] != 1:
        return None
    _, rows, columns = output.shape
    for strides in _STRIDES:
        cells = sum((height // stride) * (width // stride) for stride in strides)
        if rows == cells and columns >= 6 and not ultralytics:
            # Undecoded offsets are a few cells at most; decoded centres spread over the whole image.
            decoded = float(np.median(np.abs(output[0, :, :2]))) > max(strides) / 2
            return (Head.YOLOX_DECODED if decoded else Head.YOLOX), strides
        if columns == cells and rows >= 5:
            return Head.ULTRALYTICS, strides
    if columns == 6:
        return Head.END_TO_END, ()
    return None


@dataclass(frozen=True)
class HeadDecoder:
    """Reads the candidates of one class from the output of a head.

    Attributes:
        head: Family of the head.
        strides: Strides of its levels, finest first.
        height: Input height, pixels.
        width: Input width, pixels.
        label: Index of the class that is read.
    """

    head: Head
    strides: tuple[int, ...]
    height: int
    width: int
    label: int = 0
    _cells: FloatArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_cells", anchor_cells(self.height, self.width, self.strides or (8,)))

    @property
    def needs_nms(self) -> bool:
        """Whether the candidates may hold several boxes of one object."""
        return self.head is not Head.END_TO_END

    def __call__(self, output: FloatArray, score: float) -> Candidates:
        """Candidates with at least this score.

        Args:
            output: Output of the model, (1, ., .).
            score: Least score.
        """
        rows = output[0].astype(np.float32, copy=False)
        if self.head is Head.END_TO_END:
            chosen = (rows[:, 4] >= score) & (np.rint(rows[:, 5]) == self.label)
            return Candidates(rows[chosen, :4], rows[chosen, 4])
        if self.head is Head.ULTRALYTICS:
            scores = rows[4 + self.label]
            index = np.flatnonzero(scores >= score)
            return Candidates(_corners(rows[:2, index].T, rows[2:4, index].T), scores[index])
        scores = rows[:, 4] * rows[:, 5 + self.label]
        index = np.flatnonzero(scores >= score)
        centre, size = rows[index, :2], rows[index, 2:4]
        if self.head is Head.YOLOX:
            cells = self._cells[index]
            stride = cells[:, 2:]
            centre = (centre + cells[:, :2]) * stride
            # e^8 cells is wider than any image; the cap keeps a wild value from overflowing float32.
            size = np.exp(np.minimum(size, 8.0)) * stride
        return Candidates(_corners(centre, size), scores[index])


def _corners(centre: FloatArray, size: FloatArray) -> FloatArray:
    half = size * np.float32(0.5)
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32, copy=False)
