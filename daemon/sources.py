"""Opens one source of pictures: RTSP, a video file or a webcam. One way of reading and one kind of error.

PyAV reads streams and files (`tests/benchmarks/capture_backends.py` compares it with OpenCV). Both end a
silent server in time; OpenCV has one boolean for every kind of failure, so that a wrong path or password
looks like a dead camera, and converts every frame to BGR whether it is used or not. PyAV names the failure
and leaves the conversion to whoever takes the frame, and the decoder has one thread where we say so.
Webcams go through OpenCV, because PyAV's wheels are built without Video4Linux.
"""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Generator
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import av
import av.error
import numpy as np
from av.stream import Discard
from numpy.typing import NDArray

from daemon.masking import mask_url
from daemon.opening import MAX_PIXELS, what_may_be_opened

__all__ = ["CaptureError", "EndOfStream", "Picture", "Reason", "Source", "is_live", "open_source"]

_MAX_DAMAGED_PACKETS = 60
_TIMED_OUT = 0.95  # a failure after this share of a timeout is the timeout
_WEBCAM = re.compile(r"(?:/dev/video)?(\d+)")


class Reason(str, Enum):
    """Why a camera gives no frames."""

    AUTH = "auth"
    NOT_FOUND = "not_found"
    TIMEOUT = "timeout"
    CODEC = "codec"
    NETWORK = "network"
    ENDED = "ended"
    ERROR = "error"


class CaptureError(Exception):
    """A source cannot be opened or read; the message is one line without credentials.

    Attributes:
        reason: the kind of failure.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class EndOfStream(Exception):  # noqa: N818 - not an error: every file ends
    """There are no more frames."""


class Picture(Protocol):
    """A decoded frame that was not converted yet."""

    @property
    def pts(self) -> float | None:
        """Presentation time in seconds on the clock of the source; None where it has none."""
        ...

    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 BGR, upright."""
        ...


class Source(Protocol):
    """An open source."""

    @property
    def rate(self) -> float:
        """Frames a second as the source declares them; 25 where it does not."""
        ...

    def grab(self) -> Picture:
        """The next decoded frame.

        Raises:
            EndOfStream: there are no more.
            CaptureError: it cannot be read.
        """
        ...

    def close(self) -> None:
        """Lets go of the source."""
        ...


def is_live(source: str) -> bool:
    """True for streams and webcams, False for files."""
    return "://" in source or _WEBCAM.fullmatch(source) is not None


def open_source(
    source: str,
    *,
    transport: str = "tcp",
    open_timeout: float = 10.0,
    read_timeout: float = 10.0,
    threads: int = 1,
) -> Source:
    """Opens a source.

    Args:
        source: URL, path of a file, or webcam (/dev/video0 or its number).
        transport: of RTSP: tcp or udp.
        open_timeout: seconds to connect and to learn what the stream holds.
        read_timeout: seconds without data after which a read fails.
        threads: decoder threads.

    Raises:
        CaptureError: it cannot be opened; `reason` says why.
    """
    webcam = _WEBCAM.fullmatch(source)
    if webcam is not None:
        return _Webcam(source, int(webcam[1]))
    if "://" not in source and not Path(source).is_file():
        raise CaptureError(Reason.NOT_FOUND, f"{source}: no such file")
    return _Stream(source, transport, open_timeout, read_timeout, threads)


class _StreamPicture:
    """A frame of PyAV; holds the decoder's buffers until it is let go."""

    __slots__ = ("_frame",)

    def __init__(self, frame: av.VideoFrame) -> None:
        self._frame = frame

    @property
    def pts(self) -> float | None:
        frame = self._frame
        return None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)

    def image(self) -> NDArray[np.uint8]:
        # threads=1: swscale would otherwise start one thread a core for every conversion.
        image = np.asarray(self._frame.to_ndarray(format="bgr24", threads=1), np.uint8)
        turns = round(self._frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


class _Stream:
    """RTSP and files, through PyAV."""

    def __init__(
        self, source: str, transport: str, open_timeout: float, read_timeout: float, threads: int
    ) -> None:
        self._name, self._live, self._timeout = mask_url(source), "://" in source, read_timeout
        options = what_may_be_opened(source)
        if source.lower().startswith(("rtsp://", "rtsps://")):
            options |= {"rtsp_transport": transport, "max_delay": "500000"}
        started = time.monotonic()
        try:
            address = source if self._live else f"file:{source}"  # a path may look like an address
            self._container = av.open(address, options=options, timeout=(open_timeout, read_timeout))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            elapsed = time.monotonic() - started
            raise _capture_error(error, f"{self._name}: cannot be opened", open_timeout, elapsed) from None
        try:
            if not self._container.streams.video:
                raise CaptureError(Reason.CODEC, f"{self._name}: holds no video")
            self._stream = self._container.streams.video[0]
            if self._stream.codec_context is None:
                raise CaptureError(Reason.CODEC, f"{self._name}: is encoded in a way that is not known here")
            self._stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            self._stream.codec_context.thread_count = threads
            if threads == 1:
                self._stream.codec_context.thread_type = "NONE"
            for stream in self._container.streams:
                if stream is not self._stream:
                    stream.discard = Discard.all
        except BaseException:
            self._container.close()
            raise
        self.rate = _plausible_rate(self._stream)
        self._damaged, self._any = 0, False  # damaged packets in a row; whether there was any picture
        self._pictures = self._decode()

    def grab(self) -> _StreamPicture:
        started = time.monotonic()
        try:
            return next(self._pictures)
        except StopIteration:
            if self._live and time.monotonic() - started >= _TIMED_OUT * self._timeout:
                message = f"{self._name}: reading failed: no data for {self._timeout:g} s"
                raise CaptureError(Reason.TIMEOUT, message) from None
            if not self._live and not self._any:
                raise CaptureError(
                    Reason.CODEC, f"{self._name}: holds no picture that can be decoded"
                ) from None
            raise EndOfStream(f"{self._name}: ended") from None
        except (av.error.FFmpegError, OSError) as error:
            elapsed = time.monotonic() - started
            raise _capture_error(error, f"{self._name}: reading failed", self._timeout, elapsed) from None

    def _decode(self) -> Generator[_StreamPicture, None, None]:
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                self._damaged += 1
                if self._damaged > _MAX_DAMAGED_PACKETS:
                    raise CaptureError(
                        Reason.CODEC, f"{self._name}: {self._damaged} damaged packets in a row"
                    ) from None
                continue
            except av.error.EOFError:
                return
            for frame in frames:
                if self._live and frame.is_corrupt:
                    continue
                self._damaged, self._any = 0, True
                yield _StreamPicture(frame)

    def close(self) -> None:
        self._pictures.close()
        self._container.close()


class _WebcamPicture:
    """A frame of a webcam, converted already."""

    __slots__ = ("_image",)

    pts: float | None = None

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self._image = image

    def image(self) -> NDArray[np.uint8]:
        return self._image


class _Webcam:
    """Video4Linux through OpenCV."""

    def __init__(self, name: str, index: int) -> None:
        import cv2

        self._name = name
        device = Path(f"/dev/video{index}")
        if not device.exists():
            raise CaptureError(
                Reason.NOT_FOUND, f"{name}: no such device {device}: is the webcam plugged in?"
            )
        self._capture = cv2.VideoCapture(index, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise CaptureError(
                Reason.ERROR, f"{name}: cannot be opened: in use, or not a member of the group video?"
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate = rate if 1.0 <= rate <= 240.0 else 25.0

    def grab(self) -> _WebcamPicture:
        good, image = self._capture.read()
        if not good or image is None:
            raise CaptureError(Reason.TIMEOUT, f"{self._name}: gave no frame: unplugged?")
        return _WebcamPicture(np.asarray(image, np.uint8))

    def close(self) -> None:
        self._capture.release()


def _plausible_rate(stream: Any) -> float:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0.1 <= float(rate) <= 240.0:
            return float(rate)
    return 25.0


def _capture_error(error: Exception, what: str, timeout: float, elapsed: float) -> CaptureError:
    # FFmpeg reports an interrupted read in several ways ("Invalid data", end of file): the time tells.
    reason = Reason.TIMEOUT if elapsed >= _TIMED_OUT * timeout else _reason(error)
    if reason is Reason.TIMEOUT:
        return CaptureError(reason, f"{what}: no data for {timeout:g} s")
    advice = {
        Reason.AUTH: "user or password refused",
        Reason.NOT_FOUND: "the camera knows no such path: check the path of the URL",
        Reason.CODEC: "not a video that can be decoded",
    }.get(reason)
    text = advice or mask_url(str(getattr(error, "strerror", None) or error))
    return CaptureError(reason, f"{what}: {' '.join(text.split())}")


def _reason(error: Exception) -> Reason:
    if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, PermissionError)):
        return Reason.AUTH
    if isinstance(error, (av.error.HTTPNotFoundError, FileNotFoundError)):
        return Reason.NOT_FOUND
    if isinstance(error, (av.error.ExitError, TimeoutError, BlockingIOError)):
        return Reason.TIMEOUT
    if isinstance(error, av.error.EOFError):
        return Reason.NETWORK
    if isinstance(
        error, (av.error.InvalidDataError, av.error.DecoderNotFoundError, av.error.PatchWelcomeError)
    ):
        return Reason.CODEC
    if getattr(error, "errno", None) == errno.EINVAL:  # of a kind that is not opened, or too large
        return Reason.CODEC
    if isinstance(error, (av.error.HTTPError, OSError)):
        return Reason.TIMEOUT if getattr(error, "errno", None) == errno.ETIMEDOUT else Reason.NETWORK
    return Reason.ERROR
