"""The input of the classic recipe: the 132 raw values of a pose, as tutorials with MediaPipe feed them.

x and y in 0..1 of the image, z in the scale of x, visibility; nothing is relative to the person, so a model
of these values also learns where in the picture somebody stood.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["RAW_COUNT", "RAW_RATE", "RAW_SAMPLES", "RAW_VERSION", "raw_features"]

RAW_VERSION = "raw132"
"""Stored in models of the classic recipe as their `features`."""

RAW_COUNT = 132
RAW_SAMPLES = 10
RAW_RATE = 30.0


def raw_features(
    landmarks: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_], size: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """The raw values of windows.

    Args:
        landmarks: (N, T, 33, 4) px of the image (x, y, z) and visibility.
        valid: (N, T). What is not valid repeats the last valid sample before it (at the start: the first
            one): the tutorials know no gaps, they go on with the next pose that is found.
        size: (2,) or (N, 2) width and height of the image in px.

    Returns:
        (N, T, 132) float32; zeros for a window without a valid sample.
    """
    count, samples = valid.shape
    valid = valid & np.isfinite(landmarks).all(axis=(2, 3))
    places = np.where(valid, np.arange(samples), -1)
    before = np.maximum.accumulate(places, axis=1)
    first = np.where(valid.any(axis=1), valid.argmax(axis=1), 0)
    source = np.where(before < 0, first[:, None], before)
    filled = np.take_along_axis(landmarks, source[:, :, None, None], axis=1).astype(np.float32)
    filled[~valid.any(axis=1)] = 0.0
    width, height = np.moveaxis(np.broadcast_to(np.asarray(size, np.float32), (count, 2)), -1, 0)
    scale = np.stack([width, height, width, np.ones_like(width)], axis=-1)
    return np.asarray(filled / scale[:, None, None, :], np.float32).reshape(count, samples, RAW_COUNT)
