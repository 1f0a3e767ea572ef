"""The light pose network beside the full one, by how large people are in the picture.

    python tests/accuracy/pose_networks.py

People of UR Fall, GMDCSA24, PETS, TUD and `people` are read by the full network, by the full one again with
the square off by a few hundredths (what is noise), and by the light one. Prints OKS with the first reading,
and how far joints of the trunk and of arms and legs are off it, in shares of the body height.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from alerts import jobs
from footage import DATA, frames_of

from tracker.detector import Detector
from tracker.fitting import Box, area, fit
from tracker.oks import object_keypoint_similarity
from tracker.pose import Image, Pose, PoseEstimator, Roi

TRUNK, LIMBS = [11, 12, 23, 24], [15, 16, 25, 26, 27, 28]
EVERY = {"urfd_fall": 12, "gmdcsa24": 15, "walking": 12}  # frames from one that is looked at to the next
SIZES = (0, 80, 110, 140, 180, 230, 300, 450, 2000)  # px, side of the square
TURNED = 0.7  # radians


@dataclass(frozen=True)
class Reading:
    """One person: side and turn of the square; (noise, light) of OKS and of the errors of trunk and limbs."""

    side: float
    turn: float
    likeness: tuple[float, float]
    trunk: tuple[float, float]
    limbs: tuple[float, float]
    lost: bool


def error(first: Pose, second: Pose, joints: list[int], height: float) -> float:
    """Mean distance of joints that are seen, in body heights."""
    seen = [joint for joint in joints if first.landmarks[joint, 3] >= 0.5]
    away = first.landmarks[seen, :2] - second.landmarks[seen, :2]
    return float(np.linalg.norm(away, axis=1).mean() / height) if seen else 0.0


def read(
    image: Image, box: Box, full: PoseEstimator, lite: PoseEstimator, noise: list[float]
) -> Reading | None:
    """A person in a box; None where no pose is sure. `noise`: four numbers by which the square is off."""
    wide = box[2] - box[0] >= 0.9 * (box[3] - box[1])
    squares = [Roi.around(box, angle) for angle in ((0.0, math.pi / 2, -math.pi / 2) if wide else (0.0,))]
    best = max(full.estimate(image, squares), key=lambda pose: pose.score * (0.2 + fit(pose, box)))
    roi = best.next_roi
    if best.score < 0.7 or fit(best, box) < 0.3 or roi is None:
        return None
    x, y, scale, turn = noise
    off = Roi(
        roi.x + 0.03 * x * roi.side,
        roi.y + 0.03 * y * roi.side,
        roi.side * math.exp(0.04 * scale),
        roi.angle + 0.04 * turn,
    )
    first, again = (full.estimate(image, [square])[0] for square in (roi, off))
    (light,) = lite.estimate(image, [roi])
    height = float(max(box[2] - box[0], box[3] - box[1]))
    others = (again, light)
    likeness = [object_keypoint_similarity(first.landmarks, one.landmarks, area(box)) for one in others]
    trunk, limbs = ([error(first, one, joints, height) for one in others] for joints in (TRUNK, LIMBS))
    return Reading(
        roi.side,
        abs(math.remainder(roi.angle, 2 * math.pi)),
        (likeness[0], likeness[1]),
        (trunk[0], trunk[1]),
        (limbs[0], limbs[1]),
        light.score < lite.min_score,
    )


def readings(data: Path) -> Iterator[Reading]:
    full, lite, detector = PoseEstimator(variant="full"), PoseEstimator(variant="lite"), Detector(score=0.6)
    random = np.random.default_rng(0)
    for path, kind, _ in jobs(data):
        for number, frame in enumerate(frames_of(path) if kind in EVERY else ()):
            if number % EVERY[kind]:
                continue
            for box in detector.detect(frame.image).boxes:
                found = read(frame.image, box, full, lite, random.normal(size=4).tolist())
                if found is not None:
                    yield found


def main() -> int:
    if not (DATA / "video").is_dir():
        print(f"{DATA}: no evaluation data: set POSEWATCH_DATA", file=sys.stderr)
        return 2
    found = list(readings(DATA))
    print("| people | readings | OKS: noise, light | trunk % | arms and legs % | light finds nobody |")
    print("| --- " * 6 + "|")

    def row(name: str, chosen: Callable[[Reading], bool]) -> None:
        own = [one for one in found if chosen(one)]
        if own:
            values = np.array([[*one.likeness, *one.trunk, *one.limbs, one.lost] for one in own]).mean(axis=0)
            print(
                f"| {name} | {len(own)} | {values[0]:.2f}, {values[1]:.2f} | {100 * values[2]:.1f}, "
                f"{100 * values[3]:.1f} | {100 * values[4]:.1f}, {100 * values[5]:.1f} | {values[6]:.3f} |"
            )

    for low, high in pairwise(SIZES):
        row(
            f"upright, {low} to {high} px", lambda one, a=low, b=high: a <= one.side < b and one.turn < TURNED
        )
    row("leaning or lying", lambda one: one.turn >= TURNED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
