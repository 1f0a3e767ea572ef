"""Drives the pipeline over a clip in one thread, to be looked at from outside (`flame_graph.py` starts it).

    python tests/benchmarks/profiling/drive.py CLIP [--frames 200] [--settings NAME] [--time-native]

Prints one JSON object: ms a frame of the thread's processor time and, with --time-native, what of it was
spent in calls of ONNX Runtime and of OpenCV, taken by a clock around every call.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import onnxruntime

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from daemon.benchmarking.settings import variant  # noqa: E402
from daemon.capture import EndOfStream, FrameReader  # noqa: E402
from daemon.engines import Engines  # noqa: E402
from daemon.pipeline import CameraPipeline  # noqa: E402
from daemon.topics import Topics  # noqa: E402

_WARM_UP = 20  # frames
_RUNS = ("run", "run_with_iobinding", "run_with_ort_values")


class NativeTimer:
    """Sums the processor time of this thread inside calls, by name of their library."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = False

    def wrap(self, library: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed; a call within a timed one is part of that."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            self._inside, began = True, time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[library] = self.seconds.get(library, 0.0) + time.thread_time() - began
                self._inside = False

        return timed

    def install(self) -> None:
        """Puts the clock around every function of OpenCV and every run of a network."""
        for name in dir(cv2):
            function = getattr(cv2, name)
            if type(function).__name__ == "builtin_function_or_method":
                setattr(cv2, name, self.wrap("opencv", function))
        for name in _RUNS:
            method = getattr(onnxruntime.InferenceSession, name)
            setattr(onnxruntime.InferenceSession, name, self.wrap("onnxruntime", method))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--settings", default="defaults")
    parser.add_argument("--time-native", action="store_true")
    options = parser.parse_args()
    timer = NativeTimer()
    if options.time_native:
        timer.install()
    settings = variant(options.settings, str(options.clip))
    pipeline, engines = CameraPipeline("benchmark", settings, Topics()), Engines()
    with FrameReader("benchmark", str(options.clip)) as reader:
        for _ in range(_WARM_UP):
            pipeline.process(reader.read(), engines)
        timer.seconds.clear()
        began = time.thread_time()
        frames = profiled_frames(reader, pipeline, engines, options.frames)
        spent = time.thread_time() - began
    native = {name: 1000.0 * seconds / frames for name, seconds in timer.seconds.items()}
    json.dump({"frames": frames, "milliseconds": 1000.0 * spent / frames, "native": native}, sys.stdout)
    return 0


def profiled_frames(reader: FrameReader, pipeline: CameraPipeline, engines: Engines, frames: int) -> int:
    """Reads and processes frames; stacks that hold this function's name are those that count."""
    clock = pipeline.clock
    for done in range(frames):
        try:
            with clock.stage("read"):
                frame = reader.read()
        except EndOfStream:
            return done
        pipeline.process(frame, engines)
    return frames


if __name__ == "__main__":
    sys.exit(main())
