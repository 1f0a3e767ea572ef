"""What reading poses costs, in CPU time of the thread, so that other work on the machine matters little.

    python tests/benchmarks/pose_cost.py [CLIP] [--frames 300]

1. A square by the full and by the light network, by how many are read in one call; then cutting the squares
   out and taking the landmarks back, alone and beside a neighbour.
2. In the whole pipeline on a clip (vtest.avi): ms a frame for all squares, by network and rate.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from daemon.capture import EndOfStream, FrameReader
from daemon.config import CameraConfig, PoseConfig
from daemon.demo.sample import fetch_sample
from daemon.engines import Engines
from daemon.pipeline import CameraPipeline
from daemon.topics import Topics
from tracker.pose import Company, Image, Pose, PoseBackend, PoseEstimator, Roi

SETTINGS = (("full", 0.0), ("full", 4.0), ("auto", 4.0), ("lite", 4.0))
ROUNDS = 30


def per_square(clip: Path) -> None:
    with FrameReader("clip", str(clip)) as reader:
        image = reader.read().image
    box = np.array([200, 150, 250, 270], np.float32)
    beside = Company(box, box[None] + np.array([30, 0, 30, 0], np.float32))
    print("| squares in a call | " + " | ".join(f"{n}" for n in (1, 2, 3)) + " | beside a neighbour, 2 |")
    print("| --- " * 5 + "|")
    for variant in ("full", "lite"):
        estimator = PoseEstimator(variant=variant)
        cases = [(1, None), (2, None), (3, None), (2, beside)]
        taken: list[list[float]] = [[] for _ in cases]
        for _ in range(ROUNDS):
            for times, (count, company) in zip(taken, cases, strict=True):
                rois = [Roi.around(box, 0.05 * n) for n in range(count)]
                begin = time.thread_time()
                estimator.estimate(image, rois, [company] * count)
                times.append((time.thread_time() - begin) / count)
        print(f"| {variant}, ms each | " + " | ".join(f"{1e3 * np.median(one):.2f}" for one in taken) + " |")


class Timed:
    """A pose estimator, and the CPU seconds that it takes."""

    def __init__(self, estimator: PoseBackend) -> None:
        self._estimator, self.seconds = estimator, 0.0

    @property
    def min_score(self) -> float:
        return self._estimator.min_score

    def estimate(
        self,
        image: Image,
        rois: Sequence[Roi],
        company: Sequence[Company | None] | None = None,
        steady: Sequence[bool] | None = None,
    ) -> list[Pose]:
        begin = time.thread_time()
        poses = self._estimator.estimate(image, rois, company, steady)
        self.seconds += time.thread_time() - begin
        return poses


class TimedEngines(Engines):
    """Engines with such an estimator."""

    timed: Timed | None = None

    def estimator(self, settings: PoseConfig) -> PoseBackend:
        if self.timed is None:
            self.timed = Timed(super().estimator(settings))
        return self.timed


def per_frame(clip: Path, frames: int) -> None:
    print("\n| model | steady_rate | people a frame | of them read | ms a frame |")
    print("| --- " * 5 + "|")
    for model, rate in SETTINGS:
        settings = CameraConfig.model_validate(
            {"url": str(clip), "pose": {"model": model, "steady_rate": rate}}
        )
        pipeline, engines = CameraPipeline("clip", settings, Topics()), TimedEngines()
        people = read = count = 0
        with FrameReader("clip", str(clip)) as reader:
            while count < frames:
                try:
                    scene = pipeline.process(reader.read(), engines).scene
                except EndOfStream:
                    break
                count += 1
                people += len(scene.confirmed)
                read += sum(one.pose is not None and not one.pose.moved for one in scene.confirmed)
        assert engines.timed is not None
        print(
            f"| {model} | {rate:g} | {people / count:.1f} | {read / max(people, 1):.2f} "
            f"| {1e3 * engines.timed.seconds / count:.1f} |"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path, nargs="?", help="default: vtest.avi, fetched once")
    parser.add_argument("--frames", type=int, default=300)
    given = parser.parse_args()
    clip = given.clip or fetch_sample(print)
    per_square(clip)
    per_frame(clip, given.frames)
    return 0


if __name__ == "__main__":
    sys.exit(main())
