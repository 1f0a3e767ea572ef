"""What the cameras of the measurement show: crops of real footage with so many people in view, H.264."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from daemon.demo.sample import fetch_sample
from daemon.planning.footage import CLOSE, Crop

__all__ = ["SCENES", "Scene", "clip_of"]

SOURCE_RATE = 10  # frames a second of vtest.avi
KEY_SECONDS = 2.0  # between two key frames, as cameras are set


@dataclass(frozen=True, slots=True)
class Scene:
    """A crop of OpenCV's vtest.avi (768x576, 5.6 people by its ground truth), scaled to a camera's size.

    Attributes:
        people: in view, on average (ground truth of PETS09-S2L1: centre of the box inside the crop).
        crop: left, top, width, height in px of the original.
        width: of the camera in px.
        height: of the camera in px.
        bit_rate: bits a second; what a camera of this size sends.
    """

    people: float
    crop: Crop
    width: int
    height: int
    bit_rate: int


SCENES = {
    "vga-3": Scene(3.0, CLOSE["4:3"], 640, 480, 800_000),
    "vga-6": Scene(5.6, (0, 0, 768, 576), 640, 480, 800_000),
    "1080p-3": Scene(3.0, CLOSE["16:9"], 1920, 1080, 3_000_000),
    "1080p-6": Scene(5.6, (0, 96, 768, 432), 1920, 1080, 3_000_000),
}
"""By name: size of the picture, and people in view."""


def clip_of(name: str, rate: int, folder: Path) -> Path:
    """The scene as H.264 without B-frames, coded once and kept in `folder`.

    At another rate than the footage's 10 frames a second people move faster or slower, as much as the rate
    differs: frames are neither dropped nor shown twice.
    """
    scene = SCENES[name]
    path = folder / f"{name}-{rate}.mp4"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    print(f"coding {path.name}", flush=True)
    partial = path.with_suffix(".part.mp4")
    with av.open(str(partial), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = scene.width, scene.height, "yuv420p"
        stream.bit_rate = scene.bit_rate
        # High profile, CABAC, loop filter: what a camera's encoder does. No scene cuts: key frames by time.
        stream.options = {"preset": "veryfast", "bf": "0", "g": str(round(KEY_SECONDS * rate)),
                          "sc_threshold": "0", "maxrate": str(scene.bit_rate),
                          "bufsize": str(scene.bit_rate)}  # fmt: skip
        for number, picture in enumerate(_crops(scene)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame = frame.reformat(scene.width, scene.height, "yuv420p", interpolation="BICUBIC")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    partial.replace(path)
    return path


def _crops(scene: Scene) -> list[NDArray[np.uint8]]:
    left, top, width, height = scene.crop
    pictures = []
    with av.open(str(fetch_sample(lambda line: print(line, flush=True)))) as container:
        for frame in container.decode(container.streams.video[0]):
            picture = frame.to_ndarray(format="bgr24")
            pictures.append(np.ascontiguousarray(picture[top : top + height, left : left + width]))
    return pictures
