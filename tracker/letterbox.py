"""An image in a network's input: which size the input has, where the image lies in it, and boxes back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["GRID", "PADDING", "InputBuffer", "Letterbox", "fitting_size", "letterbox"]

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
    inner, scale = _scaled(image, width, height)
    inner_height, inner_width = inner.shape[:2]
    # Half a pixel goes to the right and the bottom, as ultralytics' LetterBox rounds it.
    left = round((width - inner_width) / 2 - 0.1) if centred else 0
    top = round((height - inner_height) / 2 - 0.1) if centred else 0
    canvas = np.full((height, width, 3), PADDING, dtype=np.uint8)
    canvas[top : top + inner_height, left : left + inner_width] = inner
    return canvas, Letterbox(scale, left, top)


def _scaled(image: Image, width: int, height: int) -> tuple[Image, float]:
    """An image scaled to fit into width x height, and by how much."""
    source_height, source_width = image.shape[:2]
    scale = min(width / source_width, height / source_height)
    inner_width = min(width, max(1, round(source_width * scale)))
    inner_height = min(height, max(1, round(source_height * scale)))
    if (inner_width, inner_height) == (source_width, source_height):
        return image, scale
    inner = cv2.resize(image, (inner_width, inner_height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(inner, np.uint8), scale


class InputBuffer:
    """A network's input that is filled again and again: new memory for each image costs more than filling it.

    For networks that take pixels as they are, padded at the right and the bottom (YOLOX).

    Args:
        width: of the input, pixels.
        height: likewise.
    """

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._values = np.full((1, 3, height, width), PADDING, dtype=np.float32)
        self._inner: tuple[int, ...] | None = None

    def fill(self, image: Image) -> tuple[FloatArray, Letterbox]:
        """Letterboxes an image (H, W, 3) uint8; returns (1, 3, height, width) and where the image lies in it.

        The array is the same one each time.
        """
        inner, scale = _scaled(image, *self._size)
        if inner.shape != self._inner:
            self._values.fill(PADDING)
            self._inner = inner.shape
        self._values[0, :, : inner.shape[0], : inner.shape[1]] = inner.transpose(2, 0, 1)
        return self._values, Letterbox(scale, 0, 0)


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
