"""Opens one source of pictures: RTSP, a video file or a webcam. One way of reading and one kind of error."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from daemon.ffmpeg_source import FfmpegSource
from daemon.masking import mask_source
from daemon.resolving import Resolver
from daemon.rtsp import RtspSource, Unsupported
from daemon.source_types import CaptureError, EndOfStream, Picture, Reason, Source
from daemon.webcam import Webcam

__all__ = ["CaptureError", "EndOfStream", "Picture", "Reason", "Source", "is_live", "open_source"]

_WEBCAM = re.compile(r"(?:/dev/video)?(\d+)")


def is_live(source: str) -> bool:
    """True for streams and webcams, False for files."""
    return "://" in source or _WEBCAM.fullmatch(source) is not None


def open_source(
    source: str,
    *,
    transport: str = "tcp",
    ffmpeg: bool = False,
    fall_back: bool = False,
    open_timeout: float = 10.0,
    read_timeout: float = 10.0,
    threads: int = 1,
    keep_up: bool = False,
    resolver: Resolver | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Source:
    """Opens a source.

    Args:
        source: URL, path of a file, or webcam (/dev/video0 or its number).
        transport: of RTSP: tcp or udp.
        ffmpeg: takes FFmpeg, whatever the stream is.
        fall_back: takes FFmpeg at once where our own client can make nothing of an RTSP camera's answers;
            whoever opens again and again leaves that to a `ReaderChoice`.
        open_timeout: seconds to connect and to learn what the stream holds.
        read_timeout: seconds without a picture after which a read fails.
        threads: decoder threads.
        keep_up: leaves out pictures of RTSP over TCP where decoding falls behind; else every one is given.
        resolver: that whoever opens again and again keeps; one of its own by default.
        cancelled: says that nobody waits any more.

    Raises:
        CaptureError: it cannot be opened; `reason` says why.
    """
    webcam = _WEBCAM.fullmatch(source)
    if webcam is not None:
        return Webcam(source, int(webcam[1]))
    if "://" not in source and not Path(source).is_file():
        raise CaptureError(Reason.NOT_FOUND, f"{source}: no such file")
    if not _is_url(source):
        raise CaptureError(Reason.ERROR, f"{mask_source(source)}: is not a valid URL")
    resolver = resolver or Resolver()
    if transport == "tcp" and not ffmpeg and source.lower().startswith("rtsp://"):
        try:
            return RtspSource(
                source,
                open_timeout=open_timeout,
                read_timeout=read_timeout,
                resolver=resolver,
                cancelled=cancelled,
                threads=threads,
                keep_up=keep_up,
            )
        except Unsupported:
            pass
        except CaptureError as error:
            if not (fall_back and error.unusable):
                raise
    return FfmpegSource(
        source,
        transport=transport,
        open_timeout=open_timeout,
        read_timeout=read_timeout,
        threads=threads,
        resolver=resolver,
        cancelled=cancelled,
    )


def _is_url(source: str) -> bool:
    """Whether host and port of a URL can be read; True for files."""
    if "://" not in source:
        return True
    try:
        parts = urlsplit(source)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
