"""Edges that stay the same in any light, and how well two pictures of them fit on each other.

An edge is a complex number: its angle is twice the edge's direction, its length 0 to 1 says how clear it is.
Dark on bright and bright on dark are the same edge (infrared light turns many round), and contrast hardly
counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BLOCK",
    "BLOCKS",
    "CLEAR",
    "COARSE",
    "FINE",
    "Fit",
    "block_fit",
    "clearness",
    "edge_field",
    "fit",
    "pick_levels",
    "plane_of",
    "reduce_blocks",
    "spectrum",
    "stretched",
    "tiny_levels",
]

Floats = NDArray[np.float32]

FINE = (144, 256)
"""Rows and columns of levels that are picked of a picture."""
COARSE = (72, 128)
"""Rows and columns of edges."""
BLOCK = 8
"""Side of a block in cells of edges."""
BLOCKS = (COARSE[0] // BLOCK, COARSE[1] // BLOCK)
"""Rows and columns of blocks."""
CLEAR = 0.03
"""Mean squared length of the edges of a block that shows something."""

_ROWS, _COLUMNS, _SAMPLES = 12, 16, 4  # cells of tiny pictures, and samples a cell along each side
_HALF = 6.0  # levels a cell at which an edge is half as clear as it can be
_NEAR = 3  # cells around no displacement (2.3 % of the width): masts shake in the wind
_BESIDE = 4  # cells from which a place is another one


@dataclass(frozen=True, slots=True)
class Fit:
    """How two pictures fit on each other.

    Attributes:
        here: how far their correlation in the same place stands out, in standard deviations of the rest.
        shift: (rows, columns) in cells where it stands out most near the same place.
        elsewhere: how far it stands out in the best other place.
        there: (rows, columns) of that place.
    """

    here: float
    shift: tuple[int, int]
    elsewhere: float
    there: tuple[int, int]


def plane_of(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) levels of a plane of luma, or of a picture (H, W, 3), whose green is as good."""
    return image if image.ndim == 2 else image[..., 1]


def stretched(levels: Floats, span: tuple[int, int]) -> Floats:
    """Levels between those of black and white as levels of 0 to 255."""
    black, white = span
    if span == (0, 255):
        return levels
    scaled = (levels - np.float32(black)) * np.float32(255.0 / (white - black))
    return np.asarray(np.maximum(scaled, 0.0), np.float32)


def pick_levels(image: NDArray[np.uint8], span: tuple[int, int] = (0, 255)) -> Floats:
    """(144, 256) float32 levels, picked of a frame: the cost is the same at any size.

    Args:
        image: (H, W) luma, or (H, W, 3).
        span: levels of black and white in it.
    """
    height, width = image.shape[:2]
    step = max(1, min(width // FINE[1], height // FINE[0]))
    picked = np.ascontiguousarray(plane_of(image)[step // 2 :: step, step // 2 :: step])
    levels = cv2.resize(picked, (FINE[1], FINE[0]), interpolation=cv2.INTER_AREA).astype(np.float32)
    return stretched(levels, span)


def tiny_levels(image: NDArray[np.uint8], span: tuple[int, int] = (0, 255)) -> Floats:
    """(12, 16) float32 mean levels of cells, each from 4 x 4 pixels; arguments as for `pick_levels`."""
    height, width = image.shape[:2]
    rows = ((np.arange(_ROWS * _SAMPLES) + 0.5) * height / (_ROWS * _SAMPLES)).astype(np.intp)
    columns = ((np.arange(_COLUMNS * _SAMPLES) + 0.5) * width / (_COLUMNS * _SAMPLES)).astype(np.intp)
    grid = plane_of(image)[rows[:, None], columns[None]].astype(np.float32)
    cells: Floats = grid.reshape(_ROWS, _SAMPLES, _COLUMNS, _SAMPLES).mean(axis=(1, 3))
    return stretched(cells, span)


def reduce_blocks(cells: Floats) -> Floats:
    """(9, 16) means of the blocks of a grid, of levels or of edges."""
    return np.asarray(cv2.resize(cells, (BLOCKS[1], BLOCKS[0]), interpolation=cv2.INTER_AREA), np.float32)


def edge_field(steady: Floats) -> Floats:
    """(72, 128, 2) float32 edges of (144, 256) levels. The top and bottom rows of blocks are left empty.

    Names and clocks that a camera writes into its picture stand there, and stay when it is covered.
    """
    rows, columns = COARSE
    cells = cv2.resize(steady, (columns, rows), interpolation=cv2.INTER_AREA)
    right, down = (
        cv2.Sobel(cells, cv2.CV_32F, 1, 0, scale=0.125),
        cv2.Sobel(cells, cv2.CV_32F, 0, 1, scale=0.125),
    )
    across, along = right * right, down * down
    squared = across + along
    weight = 1.0 / (squared + _HALF * _HALF)
    field = cv2.merge([(across - along) * weight, 2.0 * right * down * weight])
    field[:BLOCK] = field[-BLOCK:] = 0.0
    field[:, :1] = field[:, -1:] = 0.0
    return np.asarray(field, np.float32)


def clearness(field: Floats) -> Floats:
    """(9, 16) mean squared length of the edges of each block."""
    return reduce_blocks(_dot(field, field))


def block_fit(one: Floats, other: Floats) -> Floats:
    """(9, 16) how far the edges of each block agree, -1 to 1; 0 where one has none."""
    product = reduce_blocks(_dot(one, other))
    agreed: Floats = product / np.sqrt(clearness(one) * clearness(other) + 1e-9)
    return agreed


def _dot(one: Floats, other: Floats) -> Floats:
    return one[..., 0] * other[..., 0] + one[..., 1] * other[..., 1]


def spectrum(field: Floats) -> Floats:
    """Of an edge field, for `fit`."""
    return np.asarray(cv2.dft(field, flags=cv2.DFT_COMPLEX_OUTPUT), np.float32)


def fit(now: Floats, known: Floats) -> Fit:
    """Compares two spectra."""
    product = cv2.mulSpectrums(now, known, 0, conjB=True)
    surface = cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)[..., 0]
    near, far = _places()
    mean, deviation = cv2.meanStdDev(np.ascontiguousarray(surface), mask=far)
    scale = 1.0 / max(float(deviation[0, 0]), 1e-9)
    _, here, _, where = cv2.minMaxLoc(surface, mask=near)
    _, elsewhere, _, there = cv2.minMaxLoc(surface, mask=far)
    middle = float(mean[0, 0])
    return Fit((here - middle) * scale, _signed(where), (elsewhere - middle) * scale, _signed(there))


def _signed(place: Sequence[int]) -> tuple[int, int]:
    column, row = place[0], place[1]
    rows, columns = COARSE
    return row - rows * (row > rows // 2), column - columns * (column > columns // 2)


@cache
def _places() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Masks of displacements that are near none, and of those that are far from it."""
    rows, columns = (np.minimum(np.arange(n), n - np.arange(n)) for n in COARSE)
    distance = np.maximum(rows[:, None], columns[None])
    return (distance <= _NEAR).astype(np.uint8), (distance > _BESIDE).astype(np.uint8)
