"""A camera that speaks RTSP over TCP and sends H.264 or H.265, as a source of pictures."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from daemon.frames import DecodedPicture
from daemon.masking import mask_source
from daemon.resolving import Resolver
from daemon.rtsp.decoding import DecodedFrame, Decoder
from daemon.rtsp.depacketizing import AccessUnit, Depacketizer
from daemon.rtsp.lag import Lag
from daemon.rtsp.session import Session
from daemon.source_types import CaptureError, EndOfStream, Reason

__all__ = ["RtspSource", "Unsupported"]

_log = logging.getLogger(__name__)
_KEYFRAME_WAIT = 30.0  # seconds; longer than any usual distance of two pictures that stand alone


class Unsupported(Exception):  # noqa: N818 - a turn of the way, not an error
    """The camera sends something else than H.264 or H.265, or sends them out of order."""


class RtspSource:
    """An open stream.

    Args:
        url: rtsp:// with the credentials in it.
        open_timeout: seconds for everything until it plays.
        read_timeout: seconds without a picture after which `grab` fails, however much data comes.
        resolver: looks up the host.
        cancelled: whether the camera was stopped; then every wait ends.
        threads: of the decoder.
        keep_up: whether to leave pictures out where decoding falls behind the stream.

    Raises:
        CaptureError: it cannot be opened.
        Unsupported: its codec is for FFmpeg.
    """

    def __init__(
        self,
        url: str,
        *,
        open_timeout: float,
        read_timeout: float,
        resolver: Resolver,
        cancelled: Callable[[], bool],
        threads: int = 1,
        keep_up: bool = False,
    ) -> None:
        self._name = mask_source(url)
        self._open_timeout, self._read_timeout = open_timeout, read_timeout
        self._begun = time.monotonic()
        self._last: float | None = None  # when the last picture came
        deadline = self._begun + open_timeout
        try:
            self._session = Session(url, deadline, resolver, cancelled)
        except CaptureError as error:
            raise self._failure("cannot be opened", error, open_timeout) from None
        try:
            video = self._session.video
            if video.codec not in ("h264", "hevc") or not video.in_order:
                raise Unsupported(video.codec)
            self._session.play(deadline)
        except CaptureError as error:
            self._session.close()
            raise self._failure("cannot be opened", error, open_timeout) from None
        except BaseException:
            self._session.close()
            raise
        self.rate = video.rate or 25.0
        hevc = video.codec == "hevc"
        self._packets = Depacketizer(hevc=hevc, payload_type=video.payload_type)
        self._decoder = Decoder(video.codec, video.parameter_sets, threads)
        self._ready: deque[DecodedFrame] = deque()
        self._last_packet: float | None = None
        self._first_unit: float | None = None  # that was whole
        self._begun_at: float | None = None  # when decoding could begin
        self._units = 0  # access units since the last picture
        self._lag = Lag(0.5 * read_timeout) if keep_up else None
        self._has_told = False

    @property
    def damaged(self) -> int:
        """Pictures that were not given because they, or what they build on, came damaged."""
        return self._decoder.damaged

    @property
    def skipped(self) -> int:
        """Pictures that were not decoded because decoding had fallen behind the stream."""
        return self._decoder.skipped

    def grab(self) -> DecodedPicture:
        """The next frame."""
        while not self._ready:
            self._read()
        self._last, self._units = time.monotonic(), 0
        return DecodedPicture(*self._ready.popleft())

    def close(self) -> None:
        """Ends the session."""
        self._session.close()

    def _read(self) -> None:
        deadline, patience = self._deadline()
        try:
            packet = self._session.packet(deadline)
        except EndOfStream as error:
            raise EndOfStream(f"{self._name}: {error}") from None
        except CaptureError as error:
            if error.reason is Reason.TIMEOUT and (self._units or self._is_in_vain(patience)):
                text = f"{self._name}: reading failed: data comes, and no whole picture for {patience:g} s"
                raise CaptureError(Reason.CODEC, text, unusable=self._last is None) from None
            raise self._failure("reading failed", error, patience) from None
        self._last_packet = time.monotonic()
        for unit in self._packets.push(packet):
            self._units += 1
            if unit.whole:
                self._first_unit = self._first_unit or self._last_packet
            if self._is_to_skip(unit):
                self._decoder.skip(unit)
            else:
                self._ready.extend(self._decoder.decode(unit))
        if self._decoder.has_begun:
            self._begun_at = self._begun_at or self._last_packet
        waited = time.monotonic() - self._first_unit if self._first_unit is not None else 0.0
        if waited > _KEYFRAME_WAIT and not self._decoder.has_begun:
            _log.warning("camera_without_keyframes source=%s waited=%.0f", self._name, waited)
            self._decoder.take_all()

    def _is_to_skip(self, unit: AccessUnit) -> bool:
        """Whether to leave it out: what waits in the connection grows older and older otherwise."""
        lag = self._lag
        if lag is None:
            return False
        begins, waited = self._decoder.can_begin(unit), self._session.has_waited()
        skips = lag.skips(unit.timestamp / 90000.0, time.monotonic(), begins=begins, waited=waited)
        if skips and not self._decoder.can_skip:
            lag.forget()
            return False
        if skips:
            self._tell(lag.seconds)
        return skips

    def _tell(self, lag: float) -> None:
        """Says it once; how often it happens is counted."""
        if self._has_told:
            return
        self._has_told = True
        _log.warning(
            "camera_behind source=%s lag=%.1f; there is too little time to decode every picture, so it goes "
            "on with the next key frame: lower the camera's own size or rate, or take more cores",
            self._name, lag,
        )  # fmt: skip

    def _deadline(self) -> tuple[float, float]:
        """Until when a picture has to come, and the patience that this is, in seconds."""
        if self._last is not None:
            return self._last + self._read_timeout, self._read_timeout
        if self._first_unit is None:
            return self._begun + self._open_timeout, self._open_timeout
        # It may take long until a picture comes with which decoding can begin, but then there must be one.
        patience = self._read_timeout + 2.0 * _KEYFRAME_WAIT
        if self._begun_at is None or self._first_unit + _KEYFRAME_WAIT < self._begun_at:
            return self._first_unit + patience, patience
        return self._begun_at + self._read_timeout, self._read_timeout

    def _is_in_vain(self, patience: float) -> bool:
        """Whether data comes from which no picture was ever made; a stream that froze is something else."""
        if self._last is not None or self._last_packet is None:
            return False
        return time.monotonic() - self._last_packet < 0.5 * patience

    def _failure(self, what: str, error: CaptureError, patience: float) -> CaptureError:
        text = f"no data for {patience:g} s" if error.reason is Reason.TIMEOUT else str(error)
        unusable = error.unusable and self._last is None
        return CaptureError(error.reason, f"{self._name}: {what}: {text}", unusable=unusable)
