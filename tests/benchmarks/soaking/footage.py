"""What the cameras of the soak show: real footage, small, each camera at another place of it."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from daemon.demo.sample import fetch_sample

__all__ = ["write_clips"]

RATE = 5  # frames a second: enough for the rules, and cheap to serve and to decode
WIDTH = 640
_LONGEST = 80.0  # seconds


def write_clips(folder: Path, cameras: list[str]) -> None:
    """Writes FOLDER/CAMERA/live.mp4 for each camera, H.264 with a key frame a second.

    OpenCV's vtest.avi, as the demo fetches it. Where there is evaluation data ($POSEWATCH_DATA), every fourth
    camera shows falls instead.
    """
    street = _read(fetch_sample(lambda line: print(line, flush=True)))
    data = Path(os.environ.get("POSEWATCH_DATA", "")) / "video" / "urfd_fall"
    falls = sorted(data.glob("*.mp4"))[:3] if os.environ.get("POSEWATCH_DATA") else []
    fallen = [frame for path in falls for frame in _read(path)]
    for number, camera in enumerate(cameras):
        frames = fallen if fallen and number % 4 == 3 else street
        start = number * len(frames) // len(cameras)
        (folder / camera).mkdir(parents=True, exist_ok=True)
        _write(folder / camera / "live.mp4", frames[start:] + frames[:start])


def _read(path: Path) -> list[NDArray[np.uint8]]:
    """Frames at RATE, WIDTH wide."""
    frames: list[NDArray[np.uint8]] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            seconds = float((frame.pts or 0) * (frame.time_base or 0))
            if seconds > _LONGEST:
                break
            if seconds * RATE >= len(frames):
                height = round(WIDTH * frame.height / frame.width / 2) * 2
                frames.append(frame.reformat(WIDTH, height, "yuv420p").to_ndarray())
    return frames


def _write(path: Path, frames: list[NDArray[np.uint8]]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, frames[0].shape[0] * 2 // 3, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "24", "bf": "0", "g": str(RATE)}
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
