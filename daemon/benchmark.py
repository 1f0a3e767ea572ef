"""Measures the pipeline on a clip: frames a second, where the time goes, start-up and memory.

A measurement belongs in a process of its own, so that memory and start-up are those of nothing else;
`daemon.commands.benchmark` sees to that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.capture import CaptureError, EndOfStream, FrameReader, Reason
from daemon.config import CameraConfig
from daemon.engines import Engines
from daemon.pipeline import CameraPipeline
from daemon.process_usage import resident_bytes
from daemon.timing import StageClock
from daemon.topics import Topics
from tracker.association import TrackState

__all__ = ["Measurement", "measure"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run found.

    Attributes:
        workers: cameras that were processed at the same time, each by one thread with networks of its own.
        frames: of all cameras together.
        seconds: from the first frame to the last one.
        stages: mean ms a frame of each stage, in their order; `read` is decoding and conversion to BGR.
        people: mean number of confirmed tracks a frame.
        start_up: s from the start of the process to the end of its first frame, models and all.
        rss: resident bytes at the end, None where they are unknown.
        width: of the image in px.
        height: of the image in px.
    """

    workers: int
    frames: int
    seconds: float
    stages: dict[str, float]
    people: float
    start_up: float
    rss: int | None
    width: int
    height: int

    @property
    def frames_per_second(self) -> float:
        """Of all cameras together, reading included."""
        return self.frames / self.seconds if self.seconds else 0.0


class _Lane:
    """One camera: the clip, a pipeline and networks, for one thread."""

    def __init__(self, clip: Path, settings: CameraConfig) -> None:
        self._clip, self._settings = clip, settings
        self._engines = Engines()
        self.size = (0, 0)
        self.clock = StageClock()
        self.frames = self.people = 0
        self.error: Exception | None = None

    def warm_up(self) -> None:
        """Loads the networks and processes one frame."""
        self._run(1, lambda _: None)
        self.clock, self.frames, self.people = StageClock(), 0, 0

    def run(self, frames: int, start: threading.Barrier, progress: Callable[[int], None]) -> None:
        """Processes up to `frames` frames once every lane is ready; an error is kept for whoever waits."""
        start.wait()
        try:
            self._run(frames, progress)
        except Exception as error:
            self.error = error

    def _run(self, frames: int, progress: Callable[[int], None]) -> None:
        pipeline = CameraPipeline("benchmark", self._settings, Topics(), clock=self.clock)
        with FrameReader("benchmark", str(self._clip)) as reader:
            while self.frames < frames:
                try:
                    with self.clock.stage("read"):
                        frame = reader.read()
                except EndOfStream:
                    return
                scene = pipeline.process(frame, self._engines).scene
                self.frames += 1
                self.people += sum(person.track.state is TrackState.CONFIRMED for person in scene.people)
                self.size = (scene.width, scene.height)
                progress(self.frames)


def measure(
    clip: Path,
    settings: CameraConfig,
    *,
    workers: int,
    frames: int,
    started: float,
    progress: Callable[[int], None] = lambda _: None,
) -> Measurement:
    """Runs the clip through `workers` pipelines at once, as that many cameras.

    Args:
        clip: a video file.
        settings: of every camera.
        workers: number of threads.
        frames: at most so many of each camera; the first one, in which everything warms up, is repeated.
        started: `time.monotonic()` of the moment at which this process was started.
        progress: called with the frames that the first camera has done.

    Raises:
        CaptureError: the clip cannot be opened or decoded.
        ModelError: a model cannot be loaded.
    """
    lanes = [_Lane(clip, settings) for _ in range(workers)]
    lanes[0].warm_up()
    start_up = time.monotonic() - started
    for lane in lanes[1:]:
        lane.warm_up()
    start = threading.Barrier(workers + 1)
    reports = [progress, *[_silent] * (workers - 1)]
    threads = [
        threading.Thread(target=lane.run, args=(frames, start, report), daemon=True)
        for lane, report in zip(lanes, reports, strict=True)
    ]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    for lane in lanes:
        if lane.error is not None:
            raise lane.error
    done = sum(lane.frames for lane in lanes)
    if not done:
        raise CaptureError(Reason.ENDED, f"{clip}: holds no frames")
    return Measurement(
        workers=workers,
        frames=done,
        seconds=seconds,
        stages=_mean_stages([lane.clock for lane in lanes]),
        people=sum(lane.people for lane in lanes) / max(done, 1),
        start_up=start_up,
        rss=resident_bytes(),
        width=lanes[0].size[0],
        height=lanes[0].size[1],
    )


def _silent(_: int) -> None:
    pass


def _mean_stages(clocks: list[StageClock]) -> dict[str, float]:
    total = StageClock()
    for clock in clocks:
        total.frames += clock.frames
        for name, seconds in clock.seconds.items():
            total.seconds[name] = total.seconds.get(name, 0.0) + seconds
            total.calls[name] = total.calls.get(name, 0) + clock.calls[name]
    return total.milliseconds()
