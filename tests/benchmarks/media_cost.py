"""What pictures and clips of alerts cost, with six people on a frame of OpenCV's vtest.avi.

    python tests/benchmarks/media_cost.py

Milliseconds of the worker that has the alert (a picture), and of every frame for what a clip would need of
the time before; bytes of both. Medians and means of the product's own classes, one thread.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "daemon"))

from media_scenes import TOPICS, a_frame, a_scene, an_alert, config  # noqa: E402
from recording_scenes import person  # noqa: E402

from daemon.demo.sample import fetch_sample  # noqa: E402
from daemon.media import MediaLibrary  # noqa: E402
from daemon.scene import Person  # noqa: E402

SIZES = ((640, 480), (1280, 720), (1920, 1080))
RATE, ALERTS, FRAMES = 15, 30, 150


def picture(style: str, image: NDArray[np.uint8], people: list[Person]) -> str:
    """Median milliseconds of an alert's picture, and its kilobytes."""
    size = (image.shape[1], image.shape[0])
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        library = MediaLibrary(config(snapshots={"style": style, "width": 1920}), TOPICS, Path(folder))
        media = library.camera("door")
        for number in range(ALERTS):
            frame, scene = a_frame(number / RATE, image), a_scene(number / RATE, *people, size=size)
            alert = an_alert(number=number + 1)
            begin = time.perf_counter()
            messages = media.attach(frame, scene, [alert])
            times.append(time.perf_counter() - begin)
        library.close()
    payload = messages[0].payload
    assert isinstance(payload, bytes)
    return f"{1e3 * np.median(times):.1f} ms, {len(payload) / 1000:.0f} kB"


def waiting(clips: dict[str, Any], image: NDArray[np.uint8], people: list[Person]) -> str:
    """Mean microseconds of a frame without an alert, and the megabytes that wait for one."""
    size = (image.shape[1], image.shape[0])
    elapsed = 0.0
    with tempfile.TemporaryDirectory() as folder:
        library = MediaLibrary(config(clips=clips), TOPICS, Path(folder))
        media = library.camera("door")
        for number in range(FRAMES):
            frame, scene = a_frame(number / RATE, image), a_scene(number / RATE, *people, size=size)
            begin = time.perf_counter()
            media.attach(frame, scene, [])
            elapsed += time.perf_counter() - begin
        buffered = media.buffered
        media.close()
        library.close()
    return f"{1e6 * elapsed / FRAMES:.1f} µs, {buffered / 1e6:.1f} MB"


def main() -> int:
    cv2.setNumThreads(1)
    with av.open(str(fetch_sample(print))) as container:
        first = next(container.decode(video=0)).to_ndarray(format="bgr24")
    columns: list[list[str]] = []
    for width, height in SIZES:
        image = np.asarray(cv2.resize(first, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
        boxes = [(width * 0.1 * n, height * 0.2, width * (0.1 * n + 0.06), height * 0.8) for n in range(1, 7)]
        people = [person(number, 0.0, box) for number, box in enumerate(boxes, start=1)]
        columns.append([picture(style, image, people) for style in ("skeleton", "blur", "full")])
        off: dict[str, Any] = {"enabled": False}
        for clips in (off, {"enabled": True, "style": "blur"}, {"enabled": True, "style": "full"}):
            columns[-1].append(waiting(clips, image, people))
    names = [f"picture, {style}" for style in ("skeleton", "blur", "full")]
    names += ["a frame, clips off", "a frame, clips blur", "a frame, clips full"]
    print("| | " + " | ".join(f"{width}x{height}" for width, height in SIZES) + " |")
    print("| --- " * 4 + "|")
    for row, name in enumerate(names):
        print(f"| {name} | " + " | ".join(column[row] for column in columns) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
