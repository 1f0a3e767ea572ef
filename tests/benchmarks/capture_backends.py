"""PyAV against OpenCV on RTSP over TCP: CPU a frame, time stamps, threads, time to notice a silent server.

    python tests/benchmarks/capture_backends.py CLIP

CLIP is any video; it is encoded to H.264 at 768x576 and 1920x1080, 30 fps, and served by a real RTSP server.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from servers import RtspServer, silent_server

FRAMES = 90
TIMEOUT = 3.0


def encode(clip: Path, target: Path, width: int, height: int) -> None:
    """The first FRAMES * 2 frames as H.264 at 30 fps."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as sink:
        stream = sink.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": "30", "bf": "0", "crf": "23"}
        for number, frame in enumerate(source.decode(video=0)):
            if number >= FRAMES * 2:
                break
            sink.mux(stream.encode(frame.reformat(width, height, "yuv420p")))
        sink.mux(stream.encode())


def read_pyav(url: str, convert: bool) -> list[float]:
    """Presentation times of FRAMES frames through the product's source."""
    from daemon.sources import open_source

    source, times = open_source(url, open_timeout=TIMEOUT, read_timeout=TIMEOUT), []
    for _ in range(FRAMES):
        picture = source.grab()
        times.append(picture.pts or 0.0)
        if convert:
            picture.image()
    return times


def read_opencv(url: str) -> list[float]:
    """What OpenCV gives as times of FRAMES frames."""
    import cv2

    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"
    options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(TIMEOUT * 1000), cv2.CAP_PROP_READ_TIMEOUT_MSEC,
               int(TIMEOUT * 1000), cv2.CAP_PROP_N_THREADS, 1]  # fmt: skip
    capture, times = cv2.VideoCapture(url, cv2.CAP_FFMPEG, options), []
    if not capture.isOpened():
        raise RuntimeError("not opened")
    for _ in range(FRAMES):
        capture.read()
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    return times


def measure(name: str, url: str) -> None:
    """Runs in a process of its own, so that CPU time and threads are this backend's."""
    import cv2  # noqa: F401 - imports are not part of the figures

    import daemon.sources  # noqa: F401

    started, used = time.perf_counter(), time.process_time()
    readers: dict[str, Any] = {
        "pyav": lambda: read_pyav(url, True),
        "pyav-unconverted": lambda: read_pyav(url, False),
        "opencv": lambda: read_opencv(url),
    }
    try:
        times = readers[name]()
    except Exception as error:
        print(f"{name:17} {type(error).__name__}: {error} after {time.perf_counter() - started:.2f} s")
        return
    threads = len(list(Path("/proc/self/task").iterdir()))
    steps = [b - a for a, b in pairwise(times)]
    spread = f"time step {min(steps) * 1000:.1f}..{max(steps) * 1000:.1f} ms"
    used = (time.process_time() - used) / FRAMES * 1000
    print(f"{name:17} {used:.2f} ms CPU a frame, {threads} threads, {spread}")


def main() -> int:
    if len(sys.argv) == 4 and sys.argv[1] == "--measure":
        measure(sys.argv[2], sys.argv[3])
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = {"768x576": (768, 576), "1920x1080": (1920, 1080)}
        for label, (width, height) in sizes.items():
            encode(Path(sys.argv[1]), folder / f"{label}.mp4", width, height)
        with RtspServer(folder) as server, silent_server() as silent:
            urls = {label: server.url(f"{label}.mp4") for label in sizes}
            urls |= {"no such path": server.url("none.mp4"), "silent": f"rtsp://127.0.0.1:{silent}/x"}
            for label, url in urls.items():
                print(f"-- {label}", flush=True)
                for backend in ("pyav", "pyav-unconverted", "opencv"):
                    command = [sys.executable, __file__, "--measure", backend, url]
                    subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
