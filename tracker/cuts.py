"""Cuts: whether a frame shows another scene than the one before, so that nobody is followed across.

A camera that turns, a switch between inputs, a clip in a loop, a covered lens: the people of the frame
before are not in this one. Compared is the layout of light and dark, as the correlation of two tiny pictures,
which neither a change of exposure nor of colour (night, infrared) changes much, nor people who walk.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["CutDetector"]

Floats = NDArray[np.float32]

_ROWS, _COLUMNS, _SAMPLES = 12, 16, 4  # cells, and samples a cell along each side


class CutDetector:
    """Compares the frames of one camera.

    Args:
        same: correlation of the tiny pictures below which two frames show different scenes.
        contrast: standard deviation in grey levels below which a picture says nothing (fog, darkness).
    """

    def __init__(self, *, same: float = 0.5, contrast: float = 4.0) -> None:
        self._same, self._contrast = same, contrast
        self._before: Floats | None = None

    def update(self, image: NDArray[np.uint8]) -> bool:
        """Whether the next frame, (H, W, 3) uint8, starts another scene."""
        now = _tiny(image)
        before, self._before = self._before, now
        if before is None or min(now.std(), before.std()) < self._contrast:
            return False
        first, second = now - now.mean(), before - before.mean()
        correlation = (first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum())
        return bool(correlation < self._same)


def _tiny(image: NDArray[np.uint8]) -> Floats:
    """(12, 16) float32 mean green of cells, each from 4 x 4 pixels."""
    height, width = image.shape[:2]
    rows = ((np.arange(_ROWS * _SAMPLES) + 0.5) * height / (_ROWS * _SAMPLES)).astype(np.intp)
    columns = ((np.arange(_COLUMNS * _SAMPLES) + 0.5) * width / (_COLUMNS * _SAMPLES)).astype(np.intp)
    grid = image[rows[:, None], columns[None], 1].astype(np.float32)
    cells: Floats = grid.reshape(_ROWS, _SAMPLES, _COLUMNS, _SAMPLES).mean(axis=(1, 3))
    return cells
