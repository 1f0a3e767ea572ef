"""Measures the pipeline in a process of its own, for start-up and memory, which nothing else may share.

`daemon.commands.benchmark` sees to the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.benchmarking.networks import make_networks
from daemon.benchmarking.scenario import Scenario
from daemon.config import CameraConfig
from daemon.process_usage import resident_bytes

__all__ = ["Measurement", "measure"]

_STEP = 10  # frames between two looks at the progress


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run found.

    Attributes:
        workers: cameras that were processed at the same time, each by one thread.
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
        frames: so many of each camera; the clip begins anew where it is shorter.
        started: `time.monotonic()` of the moment at which this process was started.
        progress: called with the frames that each camera has done.

    Raises:
        CaptureError: the clip cannot be opened or decoded, or holds no frames.
        ModelError: a model cannot be loaded.
    """
    engines = make_networks(workers)
    first = Scenario(clip, settings, engines[:1])
    first.run(1)
    start_up = time.monotonic() - started
    first.close()
    scenario = Scenario(clip, settings, engines)
    scenario.run(1)  # loads what the other workers have
    rounds = []
    done = 0
    while done < frames:
        rounds.append(scenario.run(min(_STEP, frames - done)))
        done += rounds[-1].frames // workers
        progress(done)
    scenario.close()
    total = sum(one.frames for one in rounds)
    stages = {
        name: 1000.0 * sum(one.stages.get(name, 0.0) for one in rounds) / total for name in rounds[0].stages
    }
    return Measurement(
        workers=workers,
        frames=total,
        seconds=sum(one.seconds for one in rounds),
        stages=stages,
        people=sum(one.people for one in rounds) / total,
        start_up=start_up,
        rss=resident_bytes(),
        width=scenario.size[0],
        height=scenario.size[1],
    )
