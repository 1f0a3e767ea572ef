"""Every frame of one source, in order: what replay, record and training read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from daemon.sources import Picture, is_live, open_source
from daemon.timeline import FileTimeline, LiveTimeline

__all__ = ["Frame", "FrameReader", "UnreadFrame"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera.

    Attributes:
        camera: name of the camera.
        index: number of the frame, from 0; frames that were skipped count.
        image: (H, W, 3) uint8 BGR.
        captured_at: UTC epoch seconds.
        monotonic: seconds on a clock that only goes forward; differences are real time.
    """

    camera: str
    index: int
    image: NDArray[np.uint8]
    captured_at: float
    monotonic: float


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
        return Frame(camera, self.index, self.picture.image(), self.captured_at, self.monotonic)


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
        frame = Frame(
            self._camera, self._index + self._source.damaged, picture.image(), captured_at, monotonic
        )
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
