"""An image in a network's input: which size the input has, where the image lies in it, and boxes back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["GRID", "PADDING", "Letterbox", "fitting_size", "letterbox"]

FloatArray = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

PADDING = 114
"""Grey that both YOLOX and ultralytics pad with in training."""

GRID = 32
"""Coarsest stride of a network: sides of an open input are multiples of it."""

_PIXEL_SLACK = 1.01  # 544x320, the one size that suits 16:9, has 0.6 % more pixels than 416x416
_WIDEST = 4.0  # longer images are padded: a strip of a network's input sees nothing around a person


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How an image lies in the network's input: input = source * scale + (left, top), pixels."""

    scale: float
    left: int
    top: int

    def to_source(self, boxes: FloatArray, width: int, height: int) -> FloatArray:
        """Boxes (N, 4) of the input as boxes of a source image of width x height, cut at its border."""
        offset = np.array([self.left, self.top, self.left, self.top], dtype=np.float32)
        border = np.array([width, height, width, height], dtype=np.float32)
        mapped: FloatArray = np.clip((boxes - offset) / np.float32(self.scale), 0.0, border)
        return mapped


def letterbox(image: Image, width: int, height: int, *, centred: bool) -> tuple[Image, Letterbox]:
    """Scales an image to fit, keeping its aspect ratio, and pads the rest with grey.

    Args:
        image: (H, W, 3) uint8.
        width: Width of the result, pixels.
        height: Height of the result, pixels.
        centred: Pad on both sides (ultralytics) or at the right and the bottom only (YOLOX).

    Returns:
        The (height, width, 3) uint8 result and where the image lies in it.
    """
    source_height, source_width = image.shape[:2]
    scale = min(width / source_width, height / source_height)
    inner_width = min(width, max(1, round(source_width * scale)))
    inner_height = min(height, max(1, round(source_height * scale)))
    # Half a pixel goes to the right and the bottom, as ultralytics' LetterBox rounds it.
    left = round((width - inner_width) / 2 - 0.1) if centred else 0
    top = round((height - inner_height) / 2 - 0.1) if centred else 0
    canvas = np.full((height, width, 3), PADDING, dtype=np.uint8)
    inner = canvas[top : top + inner_height, left : left + inner_width]
    if (inner_width, inner_height) == (source_width, source_height):
        inner[:] = image
    else:
        inner[:] = cv2.resize(image, (inner_width, inner_height), interpolation=cv2.INTER_LINEAR)
    return canvas, Letterbox(scale, left, top)


def fitting_size(width: int, height: int, pixels: int) -> tuple[int, int]:
    """Width and height of an input, multiples of 32, in which an image is scaled down least.

    A 4:3 image leaves a quarter of a square input to padding, a 16:9 image 44 %; in an input of the
    image's own aspect the same number of pixels, thus the same time, shows people larger.

    Args:
        width: Width of the image, pixels.
        height: Height of the image, pixels.
        pixels: Size of the input: at most 1 % more than this many pixels.
    """
    most = pixels * _PIXEL_SLACK
    first = max(GRID, int(math.sqrt(most / _WIDEST)) // GRID * GRID)
    best, size = 0.0, (first, first)
    for columns in range(first, int(math.sqrt(most * _WIDEST)) + 1, GRID):
        rows = max(GRID, int(most / columns) // GRID * GRID)
        scale = min(columns / width, rows / height)
        if scale > best:
            best, size = scale, (columns, rows)
    # What would be padding alone is left out.
    needed = (math.ceil(side * best / GRID - 1e-6) * GRID for side in (width, height))
    columns, rows = (max(GRID, min(side, limit)) for side, limit in zip(needed, size, strict=True))
    return columns, rows
