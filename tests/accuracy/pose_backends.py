"""The two pose backends on the same squares of the same frames of real video.

    python tests/accuracy/pose_backends.py [CLIP...]

Makes an environment with the extra `mediapipe` under out/ (pip) and runs itself in it. The product's
detector, tracker and follower choose the squares; each is read by both backends. Error: distance of a
landmark from mediapipe's, where mediapipe calls it visible, in % of the body's height (the longer side of
mediapipe's landmarks), of the poses that the product uses; once as mediapipe is, and once without its
refinement by heat map. Time: CPU of the process a square, whichever thread spends it, the backends taking
turns. Prints a table.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pose_parity import CLIPS, DATA, ROOT, environment

PEOPLE = (
    "mot/TUD-Campus/video.mp4",
    "mot/PETS09-S2L1/video.avi",
    "video/people/one-by-one-person-detection.mp4",
)
PARTS = {
    "head": range(11),
    "shoulders, elbows": range(11, 15),
    "wrists, hands": range(15, 23),
    "hips, knees": range(23, 27),
    "ankles, feet": range(27, 33),
}
VISIBLE = 0.5


@dataclass(slots=True)
class Measured:
    """Of one clip: errors (P, 33) in % of body height with NaN for what is not visible, CPU ms a square."""

    refined: list[np.ndarray] = field(default_factory=list)
    unrefined: list[np.ndarray] = field(default_factory=list)
    onnx_ms: list[float] = field(default_factory=list)
    mediapipe_ms: list[float] = field(default_factory=list)
    frames: int = 0
    squares: int = 0
    disagree: int = 0


def measure(clip: Path, frames: int) -> Measured:
    from daemon.capture import EndOfStream, FrameReader
    from tracker.association import Tracker
    from tracker.detector import Detector
    from tracker.following import PoseFollower
    from tracker.mediapipe_pose import MediapipePoseEstimator
    from tracker.pose import Company, Pose, PoseEstimator, Roi

    onnx, mediapipe, plain = PoseEstimator(), MediapipePoseEstimator(), MediapipePoseEstimator(refine=False)
    result = Measured()
    pairs: dict[int, tuple[Pose, Pose, Pose]] = {}

    class Both:
        """Gives the follower the ONNX backend's poses, and keeps mediapipe's of the same squares."""

        min_score = onnx.min_score

        def estimate(
            self,
            image: np.ndarray,
            rois: Sequence[Roi],
            company: Sequence[Company | None] | None = None,
        ) -> list[Pose]:
            # Nobody is blanked, for one backend blanks the crop and the other one the image.
            del company
            started = time.process_time()
            ours = onnx.estimate(image, rois)
            between = time.process_time()
            theirs = mediapipe.estimate(image, rois)
            ended = time.process_time()
            result.onnx_ms += [(between - started) * 1e3 / len(rois)] * len(rois)
            result.mediapipe_ms += [(ended - between) * 1e3 / len(rois)] * len(rois)
            result.squares += len(rois)
            for three in zip(ours, theirs, plain.estimate(image, rois), strict=True):
                pairs[id(three[0])] = three
                result.disagree += (three[0].score >= self.min_score) != (three[1].score >= self.min_score)
            return ours

    detector, tracker, follower, both = Detector(), Tracker("backends"), PoseFollower(), Both()
    with FrameReader("backends", str(clip)) as reader:
        while result.frames < frames:
            try:
                frame = reader.read()
            except EndOfStream:
                break
            tracks = tracker.update(
                detector.detect(frame.image), monotonic=frame.monotonic, captured_at=frame.captured_at
            )
            seen = [track for track in tracks if track.last_monotonic == frame.monotonic]
            if not seen:
                continue
            pairs.clear()
            for pose in follower.estimate(frame.image, seen, both).values():
                ours, theirs, unrefined = pairs[id(pose)]
                result.refined.append(error(ours.landmarks, theirs.landmarks))
                result.unrefined.append(error(ours.landmarks, unrefined.landmarks))
            result.frames += 1
    return result


def error(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Distances (33,) in % of body height, NaN for landmarks that are not visible."""
    visible = theirs[:, 3] >= VISIBLE
    if visible.sum() < 8:
        return np.full(len(theirs), np.nan)
    height = float(np.ptp(theirs[visible, :2], axis=0).max())
    distances = np.linalg.norm(ours[:, :2] - theirs[:, :2], axis=1) / height * 100
    return np.where(visible, distances, np.nan)


def spread(errors: list[np.ndarray], landmarks: Sequence[int] = range(33)) -> tuple[float, float]:
    """Median and 95th percentile of some landmarks."""
    if not errors:
        return float("nan"), float("nan")
    median, high = np.nanpercentile(np.array(errors)[:, list(landmarks)], [50, 95])
    return float(median), float(high)


def report(name: str, one: Measured) -> dict[str, object]:
    return {
        "clip": name,
        "frames": one.frames,
        "squares": one.squares,
        "poses": len(one.refined),
        "found by one only": one.disagree,
        **{part: spread(one.refined, landmarks) for part, landmarks in PARTS.items()},
        "all": spread(one.refined),
        "all, not refined": spread(one.unrefined),
        "ms onnx": float(np.mean(one.onnx_ms)),
        "ms mediapipe": float(np.mean(one.mediapipe_ms)),
        "ratio": float(np.mean(one.mediapipe_ms) / np.mean(one.onnx_ms)),
    }


def cell(value: object) -> str:
    if isinstance(value, tuple):
        return f"{value[0]:.2f} / {value[1]:.2f}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--environment", type=Path, default=ROOT / "out" / "mediapipe-backend")
    parser.add_argument("--frames", type=int, default=200, help="with people, of each clip at most")
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    if importlib.util.find_spec("mediapipe") is None:
        python = environment(given.environment, "--editable", f"{ROOT}[mediapipe]")
        # One core for both: the backends are compared, not their thread pools.
        command = ["taskset", "-c", "0", str(python), *sys.argv]
        return subprocess.run(command, check=False).returncode
    clips = given.clips or [DATA / name for name in (*CLIPS, *PEOPLE)]
    rows, total = [], Measured()
    for clip in clips:
        print(clip.name, file=sys.stderr)
        one = measure(clip, given.frames)
        rows.append(report("/".join(clip.parts[-3:]), one))
        for name in Measured.__slots__:
            setattr(total, name, getattr(total, name) + getattr(one, name))
    rows.append(report("all clips", total))
    print("median / 95th percentile in % of body height; CPU ms a square\n")
    print("| " + " | ".join(rows[0]) + " |\n" + "| --- " * len(rows[0]) + "|")
    for row in rows:
        print("| " + " | ".join(map(cell, row.values())) + " |")
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
