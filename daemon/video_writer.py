"""Writes H.264 video files."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["VideoWriter"]

_TICKS = 1000  # a second, where the frames have times of their own


class VideoWriter:
    """H.264 in MP4, written to a temporary name (`.NAME.part`) and renamed when whole.

    Args:
        path: the file to make; its folder must exist.
        rate: frames a second of the result; of frames that come with a time, about.
        threads: of the encoder; 0 is one a core.
        mode: who may read the file, before the umask.

    Raises:
        OSError: the file cannot be written (from the constructor or the first write).
    """

    def __init__(self, path: Path, rate: float, *, threads: int = 0, mode: int = 0o666) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.part")
        self._rate = Fraction(rate).limit_denominator(1001)
        self._threads = threads
        self._stream: av.VideoStream | None = None
        self._last = -1
        self._temporary.unlink(missing_ok=True)
        # Made here, for the mode; FFmpeg writes into what is there.
        os.close(os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        try:
            # With the index in front a browser or a messenger can play it while it loads.
            options = {"movflags": "faststart"}
            self._container = av.open(str(self._temporary), "w", format="mp4", options=options)
        except BaseException:
            self._temporary.unlink(missing_ok=True)
            raise

    def write(self, image: NDArray[np.uint8], at: float | None = None) -> None:
        """Adds a frame.

        Args:
            image: (H, W, 3) uint8 BGR; later frames are resized to the first one's size.
            at: seconds from the first frame, always growing; by the rate where left out, for all or for none.
        """
        if self._stream is None:
            self._stream = self._open(image, timed=at is not None)
        size = (self._stream.width, self._stream.height)
        if (image.shape[1], image.shape[0]) != size:
            image = np.asarray(cv2.resize(image, size), np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        if at is not None:
            self._last = max(self._last + 1, round(at * _TICKS))
            frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def _open(self, image: NDArray[np.uint8], timed: bool) -> av.VideoStream:
        stream = self._container.add_stream("libx264", rate=self._rate)
        stream.width = image.shape[1] // 2 * 2
        stream.height = image.shape[0] // 2 * 2
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "23", "preset": "veryfast"}
        stream.codec_context.thread_count = self._threads
        if timed:
            stream.codec_context.time_base = Fraction(1, _TICKS)
        return stream

    def close(self, *, keep: bool = True) -> None:
        """Ends the file; `keep=False` throws it away, and so does a failure.

        Raises:
            OSError: the rest cannot be written.
        """
        try:
            if keep and self._stream is not None:
                for packet in self._stream.encode():
                    self._container.mux(packet)
        except BaseException:
            keep = False
            raise
        finally:
            self._finish(keep=keep)

    def _finish(self, *, keep: bool) -> None:
        try:
            self._container.close()
            if keep and self._stream is not None:
                self._temporary.replace(self._path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keeps the file only where the block ended well."""
        self.close(keep=kind is None)
