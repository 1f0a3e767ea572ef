"""Small square pictures of a region, as the network wants them."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from classifier.fights.regions import Region

__all__ = ["PADDING", "SIDE", "crop", "reduced"]

SIDE = 288
PADDING = 114
_LONGEST = 800  # px of the pictures that are remembered
_SMOOTH = 1.5  # px of the picture for one of the crop from which it is made smaller first, against aliasing

Image = npt.NDArray[np.uint8]


def reduced(image: Image) -> Image:
    """The picture, (H, W, 3) uint8, no longer than 800 px, as a copy of its own."""
    longest = max(image.shape[:2])
    if longest <= _LONGEST:
        return image.copy()
    share = _LONGEST / longest
    size = (round(image.shape[1] * share), round(image.shape[0] * share))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def crop(image: Image, region: Region, *, mirrored: bool = False) -> Image:
    """(288, 288, 3) uint8 of a region of a picture (H, W, 3) uint8 BGR; grey where it reaches beyond."""
    height, width = image.shape[:2]
    side = max(region.side * width, 2.0)
    scale = 1.0
    if side > _SMOOTH * SIDE:
        scale = 1.3 * SIDE / side
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    factor = SIDE / (side * scale)
    place = np.array(
        [
            [factor, 0.0, SIDE / 2 - region.x * width * scale * factor],
            [0.0, factor, SIDE / 2 - region.y * width * scale * factor],
        ]
    )
    result = np.asarray(
        cv2.warpAffine(image, place, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderValue=(PADDING,) * 3), np.uint8
    )
    return np.ascontiguousarray(result[:, ::-1]) if mirrored else result
