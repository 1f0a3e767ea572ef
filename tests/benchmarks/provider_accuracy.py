"""What another provider, precision or pose model costs in accuracy and saves in time, against the CPU.

    python tests/benchmarks/provider_accuracy.py --provider openvino --precision bf16
    python tests/benchmarks/provider_accuracy.py --pose full --candidate pose_full_int8.onnx

Needs the evaluation data at $POSEWATCH_DATA, and an environment in which the provider is installed. Poses: of
every Nth frame of real clips the people whom the detector finds, read by both; the distance of a landmark
that the first calls visible, in % of the body's height (longer side of its landmarks). Detector: AP50 of the
held-out images that `tests/accuracy/detection.py` has. CPU time is that of the process, in turns.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracker.detector import Detector
from tracker.pose import Pose, PoseEstimator, Roi
from tracker.runtime import PRECISIONS, PROVIDERS, Provider, SessionPool
from tracker.training.samples import read_samples, split

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "accuracy"))
from detection import DATA, evaluate, scenes

CLIPS = (
    *(f"video/urfd_fall/fall-{number}-cam0.mp4" for number in ("03", "08", "11")),
    "mot/TUD-Campus/video.mp4",
    "mot/PETS09-S2L1/video.avi",
    "video/people/one-by-one-person-detection.mp4",
)
VISIBLE, SURE = 0.5, 0.5


def frames(clip: Path, step: int, most: int) -> Iterator[Any]:
    """Every `step`th frame."""
    capture = cv2.VideoCapture(str(clip))
    for number in range(step * most):
        if not capture.grab():
            break
        if number % step == 0:
            yield capture.retrieve()[1]
    capture.release()


def errors(ours: list[Pose], theirs: list[Pose]) -> list[np.ndarray]:
    """Of each person that the first is sure of, % of the body's height by landmark, NaN where not visible."""
    found = []
    for one, other in zip(ours, theirs, strict=True):
        if one.score >= SURE:
            points = one.landmarks
            height = float(np.ptp(points[:, :2], axis=0).max())
            off = 100.0 * np.linalg.norm(points[:, :2] - other.landmarks[:, :2], axis=1) / height
            found.append(np.where(points[:, 3] >= VISIBLE, off, np.nan))
    return found


def compare_poses(ours: PoseEstimator, theirs: PoseEstimator, step: int, most: int) -> None:
    """Prints a line a clip."""
    detector, everything, spent = Detector(score=0.5), list[np.ndarray](), list[tuple[float, float]]()
    agree = people = 0
    for name in CLIPS:
        here = list[np.ndarray]()
        for image in frames(DATA / name, step, most):
            rois = [Roi.around(box) for box in detector.detect(image).boxes]
            if not rois:
                continue
            began = time.process_time()
            first = ours.estimate(image, rois)
            middle = time.process_time()
            second = theirs.estimate(image, rois)
            spent.append(((middle - began) / len(rois), (time.process_time() - middle) / len(rois)))
            here += errors(first, second)
            sure = [(a.score >= SURE, b.score >= SURE) for a, b in zip(first, second, strict=True)]
            agree, people = agree + sum(a == b for a, b in sure), people + len(sure)
        everything += here
        print(f"  {name:52} {_line(here)}", flush=True)
    ratio = np.median([second / first for first, second in spent])
    own, other = (1000.0 * np.median([one[place] for one in spent]) for place in (0, 1))
    print(f"  {'all':52} {_line(everything)}")
    print(f"  a person or nobody: the same for {agree} of {people}")
    print(f"  CPU ms a person {own:.2f} -> {other:.2f}, ratio {ratio:.2f}")


def _line(found: list[np.ndarray]) -> str:
    values = np.concatenate(found) if found else np.full(1, np.nan)
    values = values[~np.isnan(values)]
    if not len(values):
        return "nobody"
    middle, high = np.percentile(values, [50, 95])
    return f"{len(found):5} poses  median {middle:.3f} %  p95 {high:.3f} %  mean {values.mean():.3f} %"


def compare_detectors(pool: SessionPool, step: int) -> None:
    """Prints AP50 by set."""
    ways = {"cpu fp32": Detector(score=0.01), "other": Detector(score=0.01, open_session=pool)}
    _, held_out = split(read_samples(DATA / "person_boxes"))
    sequences = [DATA / "mot" / "TUD-Campus"]
    found = evaluate(ways, scenes(held_out[::step], sequences, Path("none")))
    for group, figures in found["cpu fp32"].items():
        other = found["other"][group]
        times = f"CPU ms {figures['cpu_ms']:.1f} -> {other['cpu_ms']:.1f}, ratio {other['cpu_ratio']:.2f}"
        scores = "  ".join(f"{name} {figures[name]:.3f} -> {other[name]:.3f}" for name in ("ap50", "ap"))
        print(f"  {group:14} {figures['images']:4.0f} images  {scores}  {times}")


def main() -> int:
    """Prints the tables; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--provider", choices=PROVIDERS, default="cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--device")
    parser.add_argument("--pose", choices=("full", "lite"), nargs="*", default=["full", "lite"])
    parser.add_argument("--candidate", type=Path, help="another pose model instead of the same one")
    parser.add_argument("--step", type=int, default=6, help="every Nth frame, every Nth image")
    parser.add_argument("--frames", type=int, default=40, help="of each clip")
    parser.add_argument("--no-detector", action="store_true")
    given = parser.parse_args()
    pool = SessionPool(Provider(given.provider, given.device, given.precision))
    print(f"{pool.provider} against cpu")
    for variant in given.pose:
        print(f"pose {variant}" + (f" against {given.candidate}" if given.candidate else ""))
        theirs = PoseEstimator(given.candidate, variant=variant, open_session=pool)
        compare_poses(PoseEstimator(variant=variant), theirs, given.step, given.frames)
    if not given.no_detector:
        print("detector")
        compare_detectors(pool, given.step)
    return 0


if __name__ == "__main__":
    sys.exit(main())
