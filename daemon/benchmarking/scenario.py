"""One way to run the pipeline: so many cameras, workers, these settings, this footage."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.capture import CaptureError, EndOfStream, FrameReader, Reason
from daemon.config import CameraConfig
from daemon.engines import Engines
from daemon.pipeline import CameraPipeline
from daemon.timing import StageClock, in_order
from daemon.topics import Topics
from tracker.association import TrackState

__all__ = ["Round", "Scenario"]


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of a scenario took.

    Attributes:
        frames: of all cameras together.
        seconds: from the first frame to the last one.
        processor: seconds of processor time of the whole process.
        stages: s of each stage, all frames together, in their order; `read` is decoding.
        own: the same in processor time of the thread that had the frame.
        people: confirmed tracks, summed over the frames.
    """

    frames: int
    seconds: float
    processor: float
    stages: dict[str, float]
    own: dict[str, float]
    people: int

    @property
    def frames_per_second(self) -> float:
        """Of all cameras together, decoding included."""
        return self.frames / self.seconds if self.seconds else 0.0


class _Clock(StageClock):
    """Also sums the processor time of the thread, which others on the machine change less."""

    def __init__(self) -> None:
        super().__init__()
        self.own: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.thread_time()
        try:
            with super().stage(name):
                yield
        finally:
            self.own[name] = self.own.get(name, 0.0) + time.thread_time() - began


class _Lane:
    """One camera: the clip, over and over, and its pipeline."""

    def __init__(self, name: str, clip: Path, settings: CameraConfig) -> None:
        self._name, self._clip, self._settings = name, clip, settings
        self._reader: FrameReader | None = None
        self._pipeline: CameraPipeline | None = None
        self.clock = _Clock()
        self.left = self.people = 0
        self.size = (0, 0)

    def step(self, engines: Engines) -> None:
        """Reads and processes one frame; at the clip's end it begins anew, as another camera would."""
        for _ in range(2):
            if self._reader is None or self._pipeline is None:
                self._reader = FrameReader(self._name, str(self._clip))
                self._pipeline = CameraPipeline(self._name, self._settings, Topics(), clock=self.clock)
            try:
                with self.clock.stage("read"):
                    frame = self._reader.read()
            except EndOfStream:
                self.close()
                continue
            scene = self._pipeline.process(frame, engines).scene
            self.people += sum(person.track.state is TrackState.CONFIRMED for person in scene.people)
            self.size = (scene.width, scene.height)
            return
        raise CaptureError(Reason.ENDED, f"{self._clip}: holds no frames")

    def reset(self) -> None:
        """Forgets times and counts, not the people."""
        self.clock.seconds.clear()
        self.clock.own.clear()
        self.people = 0

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = self._pipeline = None


class Scenario:
    """Cameras that play a clip as fast as the workers can, whole frames in turns, one of a camera at a time.

    Rounds go on where the one before ended, so that scenarios of one clip see the same frames in each round.

    Args:
        clip: a video file; each camera plays it.
        settings: of every camera.
        engines: the networks, one set a worker.
        cameras: how many; one a worker where left out.
    """

    def __init__(
        self, clip: Path, settings: CameraConfig, engines: Sequence[Engines], *, cameras: int | None = None
    ) -> None:
        self._engines = list(engines)
        self._lanes = [
            _Lane(f"camera{number}", clip, settings) for number in range(cameras or len(self._engines))
        ]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures in px; (0, 0) before the first one."""
        return self._lanes[0].size

    def run(self, frames: int) -> Round:
        """Processes the next `frames` frames of every camera.

        Raises:
            CaptureError: the clip cannot be opened or decoded, or holds no frames.
            ModelError: a model cannot be loaded.
        """
        for lane in self._lanes:
            lane.left = frames
            lane.reset()
        waiting, errors, lock = deque(self._lanes), list[Exception](), threading.Lock()
        stop = threading.Event()

        def work(engines: Engines) -> None:
            while True:
                with lock:
                    if errors or not waiting or stop.is_set():
                        return
                    lane = waiting.popleft()
                try:
                    lane.step(engines)
                except Exception as error:
                    with lock:
                        errors.append(error)
                    return
                lane.left -= 1
                if lane.left:
                    with lock:
                        waiting.append(lane)

        began, spent = time.perf_counter(), time.process_time()
        # After Ctrl-C, too, it ends when nobody is in a network or reads a clip any more: both go next.
        with ThreadPoolExecutor(len(self._engines)) as pool:
            try:
                wait([pool.submit(work, one) for one in self._engines])
            finally:
                stop.set()
        seconds, spent = time.perf_counter() - began, time.process_time() - spent
        if errors:
            raise errors[0]
        return Round(
            frames=frames * len(self._lanes),
            seconds=seconds,
            processor=spent,
            stages=_summed([lane.clock.seconds for lane in self._lanes]),
            own=_summed([lane.clock.own for lane in self._lanes]),
            people=sum(lane.people for lane in self._lanes),
        )

    def close(self) -> None:
        """Closes the clips."""
        with ExitStack() as stack:
            for lane in self._lanes:
                stack.callback(lane.close)


def _summed(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    names = in_order({name: None for part in parts for name in part})
    return {name: sum(part.get(name, 0.0) for part in parts) for name in names}
