"""Decoded frames of PyAV as arrays."""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["to_bgr"]


def to_bgr(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 BGR, upright."""
    # threads=1: swscale would otherwise start one thread a core for every conversion.
    image = np.asarray(frame.to_ndarray(format="bgr24", threads=1), np.uint8)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
