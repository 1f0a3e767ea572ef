"""Every frame of one source, in order: what replay, record and training read."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from daemon.frames import ArrayPicture
from daemon.sources import Picture, is_live, open_source
from daemon.timeline import FileTimeline, LiveTimeline

__all__ = ["Frame", "FrameReader", "UnreadFrame"]


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Frame:
    """One picture of one camera. What nobody asks for is not converted; no array may be written to.

    Args:
        camera, index, captured_at, monotonic: see below.
        picture: what was decoded, or (H, W, 3) uint8 BGR.

    Attributes:
        camera: name of the camera.
        index: number of the frame, from 0; frames that were skipped count.
        picture: what was decoded.
        captured_at: UTC epoch seconds.
        monotonic: seconds on a clock that only goes forward; differences are real time.
    """

    camera: str
    index: int
    picture: Picture
    captured_at: float
    monotonic: float

    def __init__(
        self,
        camera: str,
        index: int,
        picture: Picture | NDArray[np.uint8],
        captured_at: float,
        monotonic: float,
    ) -> None:
        if isinstance(picture, np.ndarray):
            picture = ArrayPicture(picture)
        values = (camera, index, picture, captured_at, monotonic)
        for field, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, field.name, value)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px; converts nothing."""
        return self.picture.size

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 BGR; converted at the first use."""
        return self.picture.image()

    @property
    def luma(self) -> NDArray[np.uint8]:
        """(H, W) uint8: light and dark as the decoder has it, between the levels of `luma_range`."""
        return self.picture.luma()

    @property
    def luma_range(self) -> tuple[int, int]:
        """Levels of black and white in `luma`: 16 and 235 of most cameras, else 0 and 255."""
        return self.picture.luma_range

    def scaled(self, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width, 3) uint8 BGR: as `cv2.resize` of the image, which is not converted for it."""
        return self.picture.scaled(width, height)


@dataclass(frozen=True, slots=True)
class UnreadFrame:
    """A frame that was not converted yet; what nobody reads costs no more than its decoding.

    Attributes:
        index, captured_at, monotonic: as of a `Frame`.
        picture: what was decoded.
    """

    index: int
    picture: Picture
    captured_at: float
    monotonic: float

    def read(self, camera: str) -> Frame:
        """The frame, for a camera of that name."""
        return Frame(camera, self.index, self.picture, self.captured_at, self.monotonic)


class FrameReader:
    """Reads a source frame by frame, none skipped.

    Of a file, `monotonic` is the presentation time in seconds from the first frame and `captured_at` lies
    `start_time` after it, so that every run gives the same frames at the same times.

    Args:
        camera: name for the frames.
        source: URL, path or webcam.
        start_time: UTC epoch seconds of a file's first frame.
        transport: of RTSP: tcp or udp.
        open_timeout: seconds.
        read_timeout: seconds.
        threads: decoder threads.

    Raises:
        CaptureError: the source cannot be opened.
    """

    def __init__(
        self,
        camera: str,
        source: str,
        *,
        start_time: float = 0.0,
        transport: str = "tcp",
        open_timeout: float = 10.0,
        read_timeout: float = 10.0,
        threads: int = 1,
    ) -> None:
        self._camera, self._start_time, self._live = camera, start_time, is_live(source)
        self._source = open_source(
            source,
            transport=transport,
            fall_back=True,
            open_timeout=open_timeout,
            read_timeout=read_timeout,
            threads=threads,
        )
        self._file_time, self._live_time = FileTimeline(self._source.rate), LiveTimeline()
        self._index = 0

    @property
    def rate(self) -> float:
        """Frames a second as the source declares them."""
        return self._source.rate

    def read(self) -> Frame:
        """The next frame.

        Raises:
            EndOfStream: there are no more.
            CaptureError: the source cannot be read.
        """
        picture = self._source.grab()
        if self._live:
            now = time.monotonic()
            monotonic = self._live_time.monotonic(picture.pts, now)
            captured_at = time.time() - (now - monotonic)
        else:
            monotonic = self._file_time.seconds(picture.pts)
            captured_at = self._start_time + monotonic
        # Pictures that came damaged count as well, so that a number is that of the picture in the file.
        frame = Frame(self._camera, self._index + self._source.damaged, picture, captured_at, monotonic)
        self._index += 1
        return frame

    def close(self) -> None:
        """Lets go of the source."""
        self._source.close()

    def __enter__(self) -> FrameReader:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes."""
        self.close()
