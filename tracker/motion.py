"""Whether anything moves before a camera that sees nobody, so that the detector can rest a while.

A small grey picture is compared with the one in which the detector last found nobody: whoever comes in
changes it, however slowly, for what has changed adds up until the detector looks again. How much the noise
of the camera changes anyway is learned; where everything changes all the time (rain, leaves) nothing is
still, and the detector keeps its usual pace.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.edges import pick_levels

__all__ = ["MotionGate"]

Floats = NDArray[np.float32]

_ROWS, _COLUMNS = 36, 64  # cells
_LEAST = 4.0  # grey levels that a cell may change by, in any light
_NOISES = 5.0  # deviations of the noise likewise
_START = 2.0  # levels that the noise is taken for before it is known
_RATE = 0.1  # of a new picture in the noise that is remembered


class MotionGate:
    """Compares the pictures of one camera with the one that was last remembered."""

    def __init__(self) -> None:
        self._reference: Floats | None = None
        self._noise = _START

    def still(self, image: NDArray[np.uint8]) -> bool:
        """Whether a picture shows nothing that the remembered one does not.

        Args:
            image: (H, W) or (H, W, 3) uint8; of three channels the middle one counts.
        """
        if self._reference is None:
            return False
        return self._is_still(_cells(image))

    def remember(self, image: NDArray[np.uint8]) -> None:
        """Takes the picture, as for `still`, for one in which there is nobody."""
        cells = _cells(image)
        if self._reference is not None and self._is_still(cells):
            change = np.abs(cells - self._reference)
            # The median over the cells: somebody small who crept in is no noise.
            now = 1.4826 * float(np.sort(change, axis=None)[change.size // 2])
            self._noise += _RATE * (now - self._noise)
        self._reference = cells

    def forget(self) -> None:
        """What was remembered is no longer what the camera shows when it is still."""
        self._reference = None

    def _is_still(self, cells: Floats) -> bool:
        assert self._reference is not None
        change = np.abs(cells - self._reference)
        return float(change.max()) <= max(_LEAST, _NOISES * self._noise)


def _cells(image: NDArray[np.uint8]) -> Floats:
    """(36, 64) float32 mean levels of cells."""
    cells = cv2.resize(pick_levels(image), (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
    return np.asarray(cells, np.float32)
