"""The clip as a camera of the wanted size, rate and codec would send it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from daemon.source_types import CaptureError, Reason

__all__ = ["CLOSE", "ENCODERS", "Crop", "code", "crop_for"]

ENCODERS = {"h264": "libx264", "hevc": "libx265"}
"""By codec."""

Crop: TypeAlias = tuple[int, int, int, int]
"""Left, top, width and height in px."""

CLOSE: dict[str, Crop] = {"4:3": (64, 0, 480, 360), "16:9": (64, 64, 480, 270)}
"""Crops of vtest.avi with 3 people in view on average, nearer than in the whole picture, which has 5.6.

Of all crops with so many these cut the fewest people at their border: 0.4 on average.
"""

_FEW = 4.0  # people up to which a crop is like what is asked for
_WIDE = 1.5  # width over height, from which a picture is nearer to 16:9

_BITS = 0.15  # of a pixel: 3 Mbit/s for 1920x1080 at 10 frames a second
_KEY_SECONDS = 2.0
_OPTIONS = {
    "h264": {"preset": "veryfast", "bf": "0", "sc_threshold": "0"},
    "hevc": {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0:scenecut=0"},
}


def crop_for(people: float, width: int, height: int) -> Crop | None:
    """The part of vtest.avi that is like a camera with so many people in view; None for all of it.

    Near people take more than far ones: the larger network reads them, and they come and go faster.
    """
    if people > _FEW:
        return None
    return CLOSE["16:9" if width > _WIDE * height else "4:3"]


def code(
    clip: Path,
    target: Path,
    *,
    codec: str,
    size: tuple[int, int],
    fps: float,
    frames: int,
    crop: Crop | None = None,
) -> int:
    """Writes the beginning of a clip anew; returns how many frames there are.

    Frames are left out where the clip has more in a second, never shown twice: with more frames a second than
    the clip has, people move faster.

    Args:
        clip: a video file.
        target: the file to make, MP4.
        codec: of `ENCODERS`.
        size: width and height in px, even.
        fps: frames a second.
        frames: at most.
        crop: the part of the picture that is shown; None for all of it.

    Raises:
        CaptureError: the clip cannot be read, or this build of FFmpeg has no such encoder.
    """
    width, height = size
    count = 0
    try:
        with av.open(str(clip)) as source, av.open(str(target), "w") as container:
            video = source.streams.video[0]
            step = max(1, round(float(video.average_rate or fps) / fps))
            rate = Fraction(fps).limit_denominator(1001)
            stream = container.add_stream(ENCODERS[codec], rate=rate)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.bit_rate = max(100_000, round(_BITS * width * height * fps))
            stream.options = {**_OPTIONS[codec], "g": str(max(1, round(_KEY_SECONDS * fps)))}
            stream.codec_context.thread_count = 0
            for number, picture in enumerate(source.decode(video)):
                if number % step:
                    continue
                if crop is not None:
                    left, top, across, down = crop
                    part = picture.to_ndarray(format="bgr24")[top : top + down, left : left + across]
                    whole: NDArray[np.uint8] = np.ascontiguousarray(part, np.uint8)
                    picture = av.VideoFrame.from_ndarray(whole, format="bgr24")
                frame = picture.reformat(width, height, "yuv420p", interpolation="BICUBIC")
                frame.pts, frame.time_base = count, 1 / rate
                container.mux(stream.encode(frame))
                count += 1
                if count == frames:
                    break
            container.mux(stream.encode())
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise CaptureError(Reason.CODEC, f"{clip}: cannot be coded as {codec}: {error}") from error
    if not count:
        raise CaptureError(Reason.ENDED, f"{clip}: holds no frames")
    return count
