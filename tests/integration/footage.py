"""Coded pictures with known content, for cameras of our own making."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

__all__ = ["STREAMS", "Footage", "difference", "footage", "number_of"]

_BITS = 10
_X264 = {"preset": "veryfast", "crf": "23", "bf": "0"}
_X265 = {"preset": "ultrafast", "crf": "25"}
_HEVC = "log-level=none:pools=1:scenecut=0:repeat-headers=1"
STREAMS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("h264", {**_X264, "tune": "zerolatency", "x264-params": "sliced-threads=0:scenecut=0"}),
    "h264 slices, baseline": (
        "h264",
        {**_X264, "tune": "zerolatency", "profile": "baseline", "x264-params": "slices=4:scenecut=0"},
    ),
    "h264 B-frames": ("h264", {**_X264, "bf": "2", "x264-params": "scenecut=0:b-pyramid=none"}),
    "h264 B-pyramid, open GOP": (
        "h264",
        {**_X264, "bf": "3", "x264-params": "scenecut=0:open-gop=1:rc-lookahead=10:b-adapt=0"},
    ),
    "h264 intra refresh": (
        "h264",
        {**_X264, "x264-params": "intra-refresh=1:scenecut=0:sliced-threads=0"},
    ),
    "hevc": ("hevc", {**_X265, "tune": "zerolatency", "x265-params": _HEVC}),
    "hevc B-frames, open GOP": ("hevc", {**_X265, "x265-params": _HEVC + ":bframes=3:open-gop=1"}),
}
"""Name: codec and options of the encoder."""


@dataclass(frozen=True)
class Footage:
    """A clip, coded.

    Attributes:
        codec: h264 or hevc.
        rate: frames a second.
        units: per picture in the order of decoding: its number in order of presentation, and NAL units.
        truth: grey pictures by number, as a decoder shows them where nothing is missing.
        parameters: the parameter sets of the first picture.
    """

    codec: str
    rate: int
    units: tuple[tuple[int, tuple[bytes, ...]], ...]
    truth: tuple[NDArray[np.uint8], ...]
    parameters: tuple[bytes, ...]

    @property
    def hevc(self) -> bool:
        return self.codec == "hevc"


def _kind(unit: bytes, codec: str) -> int:
    return unit[0] >> 1 if codec == "hevc" else unit[0] & 31


@cache
def footage(
    name: str = "h264",
    *,
    frames: int = 60,
    rate: int = 15,
    gop: int = 15,
    width: int = 320,
    height: int = 240,
) -> Footage:
    """A textured scene that moves; the bottom rows hold the number in black and white."""
    codec, options = STREAMS[name]
    encoder: Any = VideoCodecContext.create({"h264": "libx264", "hevc": "libx265"}[codec], "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, rate), Fraction(rate)
    encoder.thread_count = 1
    options = {**options, "g": str(gop)}
    if codec == "hevc":
        options["x265-params"] += f":keyint={gop}:min-keyint={gop}"
    encoder.options = options
    generator = np.random.default_rng(7)
    noise = generator.integers(0, 255, (height // 8 + 30, width // 8 + 50, 3), np.uint8)
    scene = cv2.GaussianBlur(noise.repeat(8, 0).repeat(8, 1), (9, 9), 0)
    packets = []
    for number in range(frames):
        top, left = number * 2 % 200, number * 3 % 300
        image = scene[top : top + height, left : left + width].copy()
        for bit in range(_BITS):
            left, right = (width * place // _BITS for place in (bit, bit + 1))
            image[-40:, left:right] = 220 if number >> bit & 1 else 30
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    units = tuple(
        (int(packet.pts), tuple(one for one in re.split(b"\0\0\0\1|\0\0\1", bytes(packet)) if one))
        for packet in packets
    )
    wanted = (32, 33, 34) if codec == "hevc" else (7, 8)
    parameters = tuple(one for one in units[0][1] if _kind(one, codec) in wanted)
    return Footage(codec, rate, units, _decode(codec, units), parameters)


def _decode(codec: str, units: tuple[tuple[int, tuple[bytes, ...]], ...]) -> tuple[NDArray[np.uint8], ...]:
    decoder: Any = VideoCodecContext.create(codec, "r")
    shown: dict[int, NDArray[np.uint8]] = {}
    for number, parts in units:
        packet = av.Packet(b"".join(b"\0\0\0\1" + part for part in parts))
        packet.pts = number
        for frame in decoder.decode(packet):
            shown[frame.pts] = frame.to_ndarray(format="gray")
    for frame in decoder.decode(None):
        shown[frame.pts] = frame.to_ndarray(format="gray")
    assert sorted(shown) == list(range(len(units)))
    return tuple(shown[number] for number in range(len(units)))


def difference(picture: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Mean difference in grey levels of the worst 16x16 block."""
    if picture.shape != truth.shape:
        return 255.0
    apart = np.abs(picture.astype(np.int16) - truth)
    height, width = (side // 16 for side in truth.shape)
    return float(apart[: height * 16, : width * 16].reshape(height, 16, width, 16).mean((1, 3)).max())


def number_of(image: NDArray[np.uint8]) -> int:
    """The number that is drawn into the bottom rows of a picture."""
    parts = np.array_split(image[-30:-10], _BITS, axis=1)
    return sum(int(part.mean() > 125) << bit for bit, part in enumerate(parts))
