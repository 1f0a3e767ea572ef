"""Measures the unit costs: the real pipeline on the clip, alone and on every core at once."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daemon.capture import EndOfStream, FrameReader
from daemon.config import CameraConfig
from daemon.engines import Engines
from daemon.pipeline import CameraPipeline
from daemon.planning.footage import Crop, code
from daemon.planning.model import Demand, UnitCosts, split_by_people
from daemon.planning.own_time import blocked_of, own_seconds
from daemon.source_types import CaptureError
from daemon.timing import StageClock
from daemon.topics import Topics
from tracker.association import TrackState
from tracker.pose import PoseEstimator, Roi

__all__ = ["measure_costs"]

_WARM_UP = 2.0  # seconds of footage that do not count: networks load, people are new
_LANE_FRAMES = 60  # of each lane, where all run at once
_PROBE_FRAMES = 40
_CODEC_FRAMES = 30
_QUIET = 0.1  # share of the time that other programs may take of a core
_PROBE_INTERVAL = 1e-4  # seconds between two changes of who has Python's lock, while that is measured
_POSES = ("full", "lite")
_POSE_ROUNDS = 20
# What no stage has, measured with live cameras (docs/scaling.md).
_RECEIVING = 0.2  # of decoding: packets of the network
_PUBLISHING = 0.5  # ms a frame: waking threads, messages

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Processor milliseconds of one frame: by stage, and who was there."""

    stages: dict[str, float]
    detections: int
    people: int


class _Lane:
    """The pipeline of one camera with networks of its own, on a file."""

    def __init__(self, clip: Path, settings: CameraConfig) -> None:
        self._clip, self._settings = clip, settings
        self._engines = Engines()
        self.stopped = False

    def frames(self, count: int) -> Iterator[_Frame]:
        """Processes up to so many frames."""
        clock = StageClock(time.thread_time)
        pipeline = CameraPipeline("plan", self._settings, Topics(), clock=clock)
        before, calls = dict(clock.seconds), 0
        with FrameReader("plan", str(self._clip)) as reader:
            for _ in range(count):
                if self.stopped:
                    return
                try:
                    with clock.stage("read"):
                        frame = reader.read()
                except EndOfStream:
                    return
                scene = pipeline.process(frame, self._engines).scene
                stages = {
                    name: 1000.0 * (seconds - before.get(name, 0.0))
                    for name, seconds in clock.seconds.items()
                }
                detections = clock.calls.get("detect", 0) - calls
                people = sum(person.track.state is TrackState.CONFIRMED for person in scene.people)
                yield _Frame(stages, detections, people)
                before, calls = dict(clock.seconds), clock.calls.get("detect", 0)


def measure_costs(
    clip: Path,
    demand: Demand,
    settings: CameraConfig,
    *,
    cores: int,
    seconds: float,
    progress: Progress,
    crop: Crop | None = None,
) -> UnitCosts:
    """What things cost here.

    Args:
        clip: a video file of people.
        demand: what the cameras send; frames are coded so before it is measured.
        settings: of every camera.
        cores: that work at once.
        seconds: of footage.
        progress: told what is being done.
        crop: the part of the clip that is shown.

    Raises:
        CaptureError: the clip cannot be read, or not be coded as wanted.
        ModelError: a model cannot be loaded.
    """
    frames = round((seconds + _WARM_UP) * demand.fps)
    size = (demand.width // 2 * 2, demand.height // 2 * 2)
    with tempfile.TemporaryDirectory() as folder:
        progress("coding the clip")
        coded = Path(folder) / "clip.mp4"
        code(clip, coded, codec=demand.codec, size=size, fps=demand.fps, frames=frames, crop=crop)
        progress("measuring the pipeline")
        lane = _Lane(coded, settings)
        wall, own = time.perf_counter(), own_seconds()
        found = list(lane.frames(frames))
        wall, own = time.perf_counter() - wall, own_seconds() - own
        counted = found[min(round(_WARM_UP * demand.fps), len(found) // 2) :]
        lanes = [lane, *(_Lane(coded, settings) for _ in range(cores - 1))]
        progress(f"measuring {cores} at once")
        together = _together(lanes) if cores > 1 else 1.0
        progress("measuring Python's lock")
        python = _lock_milliseconds(lane)
        decoding = {demand.codec: _mean(counted, "read") / demand.megapixels}
        for codec in ("h264", "hevc"):
            if codec not in decoding:
                progress(f"measuring {codec}")
                other = _decoding(clip, Path(folder) / f"{codec}.mp4", demand, codec, size)
                if other is not None:
                    decoding[codec] = other / demand.megapixels
    progress("measuring poses")
    pose = {variant: cost for variant in _POSES if (cost := _pose_milliseconds(variant)) is not None}
    runs = sum(one.detections for one in counted)
    frame, person = _by_people(counted)
    return UnitCosts(
        decoding=decoding,
        frame=frame,
        detection=sum(one.stages.get("detect", 0.0) for one in counted) / max(runs, 1),
        detections=runs * demand.fps / len(counted),
        person=person,
        camera=demand.fps * (_RECEIVING * decoding[demand.codec] * demand.megapixels + _PUBLISHING),
        pose=pose,
        python=python,
        together=together,
        disturbed=max(0.0, wall - own) / wall,
        cores=cores,
        fps=demand.fps,
        people=sum(one.people for one in counted) / len(counted),
    )


def _mean(frames: Sequence[_Frame], stage: str) -> float:
    return sum(one.stages.get(stage, 0.0) for one in frames) / len(frames)


def _by_people(frames: Sequence[_Frame]) -> tuple[float, float]:
    """Milliseconds of a frame, and of a person in it; decoding and detection do not depend on the people."""
    cost = [
        sum(value for name, value in one.stages.items() if name not in ("read", "detect")) for one in frames
    ]
    least = sum(_mean(frames, stage) for stage in ("tamper", "track"))  # hardly by people
    return split_by_people([one.people for one in frames], cost, least)


def _together(lanes: Sequence[_Lane]) -> float:
    """What a lane gives while others work, as a share of what it gives alone."""
    alone = _own_milliseconds(lanes[0])
    for lane in lanes[1:]:
        list(lane.frames(1))  # its networks load
    start = threading.Barrier(len(lanes))
    taken: list[float] = []

    def run(lane: _Lane) -> None:
        start.wait()
        taken.append(_own_milliseconds(lane))

    # After Ctrl-C, too, it ends when nobody is in a network any more.
    with ThreadPoolExecutor(len(lanes)) as pool:
        try:
            for future in [pool.submit(run, lane) for lane in lanes]:
                future.result()
        except BaseException:
            start.abort()
            for lane in lanes:
                lane.stopped = True
            raise
    return min(1.0, alone / float(np.mean(taken)))


def _own_milliseconds(lane: _Lane) -> float:
    began = own_seconds()
    count = sum(1 for _ in lane.frames(_LANE_FRAMES))
    return 1000.0 * (own_seconds() - began) / max(count, 1)


def _lock_milliseconds(lane: _Lane) -> float | None:
    """For how long a frame holds Python's lock: as long as somebody who always wants it does not get it.

    None where other programs take the cores from both of them, as then nobody can tell.
    """
    over, ready = threading.Event(), threading.Event()
    blocked: list[float] = []

    def want() -> None:
        own, processor = own_seconds(), time.thread_time()
        ready.set()
        while not over.is_set():
            pass
        blocked.append(blocked_of(own_seconds() - own, time.thread_time() - processor))

    with _short_turns():
        thread = threading.Thread(target=want, daemon=True)
        thread.start()
        ready.wait()
        wall, own = time.perf_counter(), own_seconds()
        try:
            count = sum(1 for _ in lane.frames(_PROBE_FRAMES))
        finally:
            over.set()
        wall, own = time.perf_counter() - wall, own_seconds() - own
        thread.join()
    if not blocked or not count or wall - own > _QUIET * wall:
        return None
    return 1000.0 * blocked[0] / count


@contextmanager
def _short_turns() -> Iterator[None]:
    """Whoever wants Python's lock gets it soon, so that a lane does not wait for it all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_PROBE_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _decoding(clip: Path, target: Path, demand: Demand, codec: str, size: tuple[int, int]) -> float | None:
    """Milliseconds of a frame in another codec; None where this FFmpeg cannot write it."""
    try:
        code(clip, target, codec=codec, size=size, fps=demand.fps, frames=_CODEC_FRAMES)
    except CaptureError:
        return None
    taken = []
    with FrameReader("plan", str(target)) as reader:
        for _ in range(_CODEC_FRAMES):
            began = time.thread_time()
            try:
                reader.read()
            except EndOfStream:
                break
            taken.append(time.thread_time() - began)
    return 1000.0 * float(np.mean(taken)) if taken else None


def _pose_milliseconds(variant: str) -> float | None:
    """One reading of one person; None where the model is not there."""
    from tracker.runtime import ModelError

    try:
        estimator = PoseEstimator(variant=variant)
    except ModelError:
        return None
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    rois = [Roi(320.0, 240.0, 300.0, 0.0), Roi(200.0, 240.0, 300.0, 0.0)]
    taken = []
    for _ in range(_POSE_ROUNDS):
        began = time.thread_time()
        estimator.estimate(image, rois)
        taken.append((time.thread_time() - began) / len(rois))
    return 1000.0 * float(np.median(taken))
