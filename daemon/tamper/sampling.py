"""A few thousand pixels of a frame: enough to tell whether the camera still shows what it should.

Pixels are picked, not averaged, so that the cost is the same at any resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "BLOCKS", "COARSE", "FINE", "Sample", "Sampler", "one_colour", "reduce_blocks"]

Floats = NDArray[np.float32]

FINE = (144, 256)
"""Rows and columns of the finer grid, on which sharpness is measured."""
COARSE = (72, 128)
"""Rows and columns of the coarser grid, on which views are compared."""
BLOCK = 8
"""Side of a block in cells of the coarser grid."""
BLOCKS = (COARSE[0] // BLOCK, COARSE[1] // BLOCK)
"""Rows and columns of blocks."""
_STEADY = 0.4  # seconds over which noise is averaged out
_SAME = 3  # levels within which colours are the same: what a codec makes of one colour


@dataclass(frozen=True, slots=True)
class Sample:
    """What was sampled of the last frames.

    Attributes:
        steady: (144, 256) float32 green levels, averaged over a part of a second.
        level: (9, 16) float32 mean level of each block, of this frame alone.
        powers: (2, 2, 9, 16) float32, squared levels: power of the differences of neighbours, and of what is
            a sixteenth of the width apart, by block; first without noise, then without the blur of movement.
        bright: share of this frame that is saturated, 0..1.
    """

    steady: Floats
    level: Floats
    powers: Floats
    bright: float


class Sampler:
    """Samples the frames of one camera, and averages noise out of them."""

    def __init__(self) -> None:
        self._steady: Floats | None = None
        self._powers: Floats | None = None
        self._at = 0.0

    def sample(self, image: NDArray[np.uint8], monotonic: float) -> Sample:
        """Of a frame (H, W, 3) uint8 BGR, at its time in seconds."""
        height, width = image.shape[:2]
        step = max(1, min(width // FINE[1], height // FINE[0]))
        picked = np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step, 1])
        now = cv2.resize(picked, (FINE[1], FINE[0]), interpolation=cv2.INTER_AREA).astype(np.float32)
        if self._steady is None or self._powers is None or monotonic - self._at > 10 * _STEADY:
            alone = _powers(now, now)
            self._steady, self._powers = now, np.stack([alone, alone])
        else:
            share = 1.0 - float(np.exp(-max(monotonic - self._at, 0.0) / _STEADY))
            # The noise of two pictures is not the same: in their product it cancels out.
            powers = np.stack([_powers(now, self._steady), _powers(now, now)])
            self._powers = self._powers + share * (powers - self._powers)
            self._steady = self._steady + share * (now - self._steady)
        self._at = monotonic
        return Sample(
            self._steady, reduce_blocks(now), np.maximum(self._powers, 0.0), float((now >= 250.0).mean())
        )


def _powers(now: Floats, before: Floats) -> Floats:
    """(2, 9, 16) power of differences of neighbours, and of what is a sixteenth of the width apart."""
    powers = np.zeros((2, *BLOCKS), np.float32)
    for index, apart in enumerate((1, FINE[1] // 16)):
        product = np.zeros_like(now)
        product[:, apart:] = (now[:, apart:] - now[:, :-apart]) * (before[:, apart:] - before[:, :-apart])
        product[apart:] += (now[apart:] - now[:-apart]) * (before[apart:] - before[:-apart])
        powers[index] = reduce_blocks(product)
    return powers


def reduce_blocks(cells: Floats) -> Floats:
    """(9, 16) means of the blocks of a grid, finer or coarser."""
    size = cells.shape[0] // BLOCKS[0]
    means: Floats = cells.reshape(BLOCKS[0], size, BLOCKS[1], size).mean(axis=(1, 3))
    return means


def one_colour(image: NDArray[np.uint8]) -> tuple[float, int, int]:
    """How far a frame is of one colour.

    Args:
        image: (H, W, 3) uint8 BGR.

    Returns:
        Share of the frame in its most frequent colour, 0..1; that colour's least and greatest channel.
    """
    height, width = image.shape[:2]
    rows, columns = max(1, height // 36), max(1, width // 64)
    picked = image[rows // 2 :: rows, columns // 2 :: columns].reshape(-1, 3).astype(np.int16)
    middle = np.median(picked, axis=0)
    share = float((np.abs(picked - middle) <= _SAME).all(axis=1).mean())
    return share, int(middle.min()), int(middle.max())
