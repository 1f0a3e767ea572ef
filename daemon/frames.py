"""Decoded pictures as arrays, of which each is made when it is asked for and not before.

A decoder gives a plane of luma and two of chroma. Whoever looks at light and dark gets the plane of luma as
it lies there; whoever wants the picture small gets it from small planes; only who looks at details in colour
has the whole picture converted. `tests/benchmarks/decode_cost.py` tells what each costs.
"""

from __future__ import annotations

import av
import av.video.plane
import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["ArrayPicture", "DecodedPicture"]

Image = NDArray[np.uint8]

_FULL, _LIMITED = (0, 255), (16, 235)
_JPEG_RANGE = 2  # AVCOL_RANGE_JPEG
_PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})
_LUMA_FIRST = _PLANAR | {"nv12", "nv21", "nv16", "gray"}


class DecodedPicture:
    """A frame of PyAV; holds the decoder's buffers until it is let go.

    Args:
        frame: as decoded.
        pts: seconds on the clock of the source; None where it has none.
    """

    __slots__ = ("_frame", "_image", "_turns", "pts")

    def __init__(self, frame: av.VideoFrame, pts: float | None) -> None:
        self.pts = pts
        self._frame = frame
        self._turns = round(frame.rotation / 90) % 4
        self._image: Image | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px, upright; converts nothing."""
        frame = self._frame
        return (frame.height, frame.width) if self._turns % 2 else (frame.width, frame.height)

    def image(self) -> Image:
        """(H, W, 3) uint8 BGR, upright; converted once."""
        if self._image is None:
            self._image = self._upright(_to_bgr(self._frame))
        return self._image

    def luma(self) -> Image:
        """(H, W) uint8, upright, not to be written to; the decoder's own where it has such a plane."""
        if not self._is_planar(_LUMA_FIRST):
            return np.asarray(cv2.cvtColor(self.image(), cv2.COLOR_BGR2GRAY), np.uint8)
        luma = _pixels(self._frame.planes[0])
        luma.flags.writeable = False  # later pictures build on it
        return np.rot90(luma, self._turns) if self._turns else luma

    @property
    def luma_range(self) -> tuple[int, int]:
        """Levels of black and white in `luma`: 0 and 255, or 16 and 235 as most cameras send it."""
        frame = self._frame
        limited = self._is_planar(_LUMA_FIRST) and not frame.format.name.startswith(("yuvj", "gray"))
        return _LIMITED if limited and frame.color_range != _JPEG_RANGE else _FULL

    def scaled(self, width: int, height: int) -> Image:
        """(height, width, 3) uint8 BGR, upright, not to be written to; as `cv2.resize` of the image.

        Planes are made small before they become colours, so that the whole picture is not converted.
        """
        frame = self._frame
        if (width, height) == self.size:
            return self.image()
        if not self._is_planar(_PLANAR):
            return np.asarray(cv2.resize(self.image(), (width, height)), np.uint8)
        if self._turns % 2:
            width, height = height, width
        small = av.VideoFrame(width, height, frame.format.name)
        small.color_range, small.colorspace = frame.color_range, frame.colorspace
        for source, target in zip(frame.planes, small.planes, strict=True):
            cv2.resize(_pixels(source), (target.width, target.height), dst=_pixels(target))
        return self._upright(_to_bgr(small))

    def _is_planar(self, formats: frozenset[str]) -> bool:
        """Whether it is in one of these formats, and its rows lie in memory from the top to the bottom."""
        return self._frame.format.name in formats and self._frame.planes[0].line_size > 0

    def _upright(self, image: Image) -> Image:
        return np.ascontiguousarray(np.rot90(image, self._turns)) if self._turns else image


class ArrayPicture:
    """A picture that is an array already.

    Args:
        image: (H, W, 3) uint8 BGR, upright.
    """

    __slots__ = ("_image",)

    pts: float | None = None
    luma_range = _FULL

    def __init__(self, image: Image) -> None:
        self._image = image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        return self._image.shape[1], self._image.shape[0]

    def image(self) -> Image:
        """(H, W, 3) uint8 BGR: what it was made of."""
        return self._image

    def luma(self) -> Image:
        """(H, W) uint8."""
        return np.asarray(cv2.cvtColor(self._image, cv2.COLOR_BGR2GRAY), np.uint8)

    def scaled(self, width: int, height: int) -> Image:
        """(height, width, 3) uint8 BGR."""
        if (width, height) == self.size:
            return self._image
        return np.asarray(cv2.resize(self._image, (width, height)), np.uint8)


def _to_bgr(frame: av.VideoFrame) -> Image:
    # threads=1: swscale would otherwise start one thread a core for every conversion.
    return np.asarray(frame.to_ndarray(format="bgr24", threads=1), np.uint8)


def _pixels(plane: av.video.plane.VideoPlane) -> Image:
    """(H, W) of a plane, in place; rows are longer in memory than in the picture."""
    rows: Image = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
    return rows[: plane.height * plane.line_size].reshape(plane.height, plane.line_size)[:, : plane.width]
