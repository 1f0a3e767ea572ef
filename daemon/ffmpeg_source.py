"""Files, and streams that `daemon.rtsp` does not know (UDP, TLS, HTTP, other codecs), through PyAV.

`tests/benchmarks/capture_backends.py` compares PyAV with OpenCV. Both end a silent server in time; OpenCV
has one boolean for every kind of failure, so that a wrong path or password looks like a dead camera, and
converts every frame to BGR whether it is used or not. PyAV names the failure and leaves the conversion to
whoever takes the frame, and the decoder has one thread where we say so.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Generator
from typing import Any
from urllib.parse import urlsplit

import av
import av.error
from av.stream import Discard

from daemon.frames import DecodedPicture
from daemon.masking import mask_source, mask_url
from daemon.opening import MAX_PIXELS, what_may_be_opened
from daemon.resolving import Resolver
from daemon.source_types import CaptureError, EndOfStream, Reason

__all__ = ["FfmpegSource"]

_MAX_DAMAGED_PACKETS = 60
_TIMED_OUT = 0.95  # a failure after this share of a timeout is the timeout
_HEALS_AT_KEYFRAMES = frozenset({"h264", "hevc"})
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


class FfmpegSource:
    """An open file or stream.

    Args:
        source: URL or path.
        transport: of RTSP: tcp or udp.
        open_timeout: seconds to connect and to learn what the stream holds.
        read_timeout: seconds without a picture after which `grab` fails.
        threads: of the decoder.
        resolver: looks up the host, before FFmpeg does so without an end.
        cancelled: whether the camera was stopped.

    Raises:
        CaptureError: it cannot be opened.
    """

    def __init__(
        self,
        source: str,
        *,
        transport: str,
        open_timeout: float,
        read_timeout: float,
        threads: int,
        resolver: Resolver,
        cancelled: Callable[[], bool],
    ) -> None:
        self._name, self._live, self._timeout = mask_source(source), "://" in source, read_timeout
        self.damaged = self.skipped = 0
        options = what_may_be_opened(source)
        started = time.monotonic()
        if self._live:
            self._look_up(source, started + open_timeout, resolver, cancelled)
            options |= {"err_detect": "explode"}
        if source.lower().startswith(("rtsp://", "rtsps://")):
            options |= {
                "rtsp_transport": transport,
                "max_delay": "500000",
                "allowed_media_types": "video",  # sound would look like a camera that is well
                "fpsprobesize": "0",  # else it waits for twenty frames, to guess a rate that is not needed
            }
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
                raise CaptureError(Reason.CODEC, f"{self._name}: is in a codec that nothing here decodes")
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
        self._heals = self._stream.codec_context.name in _HEALS_AT_KEYFRAMES
        self._damaged_in_a_row, self._any = 0, False  # and whether there was any picture
        self._last = time.monotonic()
        self._pictures = self._decode()

    def grab(self) -> DecodedPicture:
        """The next frame."""
        started = self._last = time.monotonic()
        try:
            return next(self._pictures)
        except StopIteration:
            if self._live and time.monotonic() - started >= _TIMED_OUT * self._timeout:
                message = f"{self._name}: reading failed: no data for {self._timeout:g} s"
                raise CaptureError(Reason.TIMEOUT, message) from None
            if not self._live and not self._any:
                message = f"{self._name}: holds no picture that can be decoded"
                raise CaptureError(Reason.CODEC, message) from None
            raise EndOfStream(f"{self._name}: ended") from None
        except (av.error.FFmpegError, OSError) as error:
            elapsed = time.monotonic() - started
            raise _capture_error(error, f"{self._name}: reading failed", self._timeout, elapsed) from None

    def close(self) -> None:
        """Lets go of it."""
        self._pictures.close()
        self._container.close()

    def _look_up(
        self, source: str, deadline: float, resolver: Resolver, cancelled: Callable[[], bool]
    ) -> None:
        parts = urlsplit(source)
        port = parts.port or _PORTS.get(parts.scheme.lower(), 554)
        try:
            resolver.addresses(parts.hostname or "", port, deadline, cancelled)
        except CaptureError as error:
            raise CaptureError(error.reason, f"{self._name}: cannot be opened: {error}") from None

    def _decode(self) -> Generator[DecodedPicture, None, None]:
        waiting = False  # for a picture that does not build on a damaged one
        for packet in self._container.demux(self._stream):
            if self._live and time.monotonic() - self._last > self._timeout:
                reason = Reason.CODEC if waiting or self._damaged_in_a_row else Reason.TIMEOUT
                message = f"{self._name}: reading failed: no picture for {self._timeout:g} s"
                raise CaptureError(reason, message)
            if waiting and packet.size:
                if not packet.is_keyframe:
                    self.damaged += 1
                    continue
                self._stream.codec_context.flush_buffers()
                waiting = False
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                self.damaged += 1
                self._damaged_in_a_row += 1
                if self._damaged_in_a_row > _MAX_DAMAGED_PACKETS:
                    message = f"{self._name}: {self._damaged_in_a_row} damaged packets in a row"
                    raise CaptureError(Reason.CODEC, message) from None
                waiting = self._heals
                continue
            except av.error.EOFError:
                return
            for frame in frames:
                if frame.is_corrupt:
                    self.damaged += 1
                    continue
                self._damaged_in_a_row, self._any = 0, True
                yield DecodedPicture(frame, _seconds(frame))


def _seconds(frame: av.VideoFrame) -> float | None:
    return None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)


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
