"""Poses against mediapipe 0.10.21's own, on the same frames of real video.

    python tests/accuracy/pose_parity.py [CLIP...]

Makes an environment for mediapipe under out/ (pip), runs its Pose (full model, following from frame to frame,
unsmoothed) and posewatch's detector, tracker and pose on every clip. Error: distance of each landmark that
mediapipe calls visible, in % of the body's height (the longer side of mediapipe's landmarks). Prints a table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np
from footage import DATA, ROOT, frames_of

from tracker.association import Track, Tracker
from tracker.detector import Detector
from tracker.following import PoseFollower
from tracker.pose import Pose, PoseEstimator

CLIPS = (
    "video/urfd_fall/fall-03-cam0.mp4",
    "video/urfd_fall/fall-08-cam0.mp4",
    "video/urfd_fall/fall-11-cam0.mp4",
    "video/gmdcsa24/subject1/ADL/10.mp4",
    "video/gmdcsa24/subject2/Fall/12.mp4",
)
VISIBLE = 0.5


def environment(folder: Path, *requirement: str) -> Path:
    """The Python of an environment that holds what pip is asked for; made on first use."""
    python = folder / "bin" / "python"
    if not (folder / ".ready").is_file():
        print(f"installing {requirement[-1]} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *requirement], check=True)
        (folder / ".ready").touch()
    return python


def ours(clip: Path, frames: int) -> tuple[list[list[Pose]], list[float]]:
    """Poses of every frame, and ms a person of the pose stage."""
    detector, estimator = Detector(), PoseEstimator()
    tracker, follower = Tracker("parity"), PoseFollower()
    poses: list[list[Pose]] = []
    milliseconds: list[float] = []
    for frame in itertools.islice(frames_of(clip), frames):
        tracks: list[Track] = tracker.update(
            detector.detect(frame.image), monotonic=frame.monotonic, captured_at=frame.captured_at
        )
        seen = [track for track in tracks if track.last_monotonic == frame.monotonic]
        started = time.perf_counter()
        found = follower.estimate(frame.image, seen, estimator)
        if found:
            milliseconds.append((time.perf_counter() - started) * 1e3 / len(seen))
        poses.append(list(found.values()))
    return poses, milliseconds


def errors(poses: list[Pose], reference: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Distances (V,) of visible landmarks to the nearest of our poses in % of body height, and its score."""
    visible = reference[:, 3] >= VISIBLE
    if not poses or visible.sum() < 8:
        return None
    height = max(float(np.ptp(reference[visible, axis])) for axis in (0, 1))
    distances = [
        np.linalg.norm(pose.landmarks[visible, :2] - reference[visible, :2], axis=1) / height * 100
        for pose in poses
    ]
    best = int(np.argmin([np.median(one) for one in distances]))
    return distances[best], poses[best].score


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--environment", type=Path, default=ROOT / "out" / "mediapipe-env")
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    clips = given.clips or [DATA / name for name in CLIPS]
    python = environment(given.environment, "mediapipe==0.10.21")
    rows, everything, theirs_ms, ours_ms = [], [], [], []
    for clip in clips:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "landmarks.npz"
            worker = [str(python), str(Path(__file__).with_name("mediapipe_worker.py")), str(clip), str(out)]
            # One thread for both: the networks are compared, not their thread pools.
            subprocess.run(["taskset", "-c", "0", *worker], check=True, stderr=subprocess.DEVNULL)
            theirs = np.load(out)
            reference, ms = theirs["landmarks"], theirs["ms"]
        os.sched_setaffinity(0, {0})
        poses, own_ms = ours(clip, len(reference))
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        both = [errors(poses[n], reference[n]) for n in range(min(len(poses), len(reference)))]
        found = [one[0] for one in both if one is not None]
        has = ~np.isnan(reference[:, 0, 0])
        all_errors = np.concatenate(found) if found else np.array([np.nan])
        rows.append(
            {
                "clip": "/".join(clip.parts[-3:]),
                "frames": len(reference),
                "mediapipe": int(has.sum()),
                "posewatch": sum(bool(one) for one in poses),
                "both": len(found),
                "median": float(np.median(all_errors)),
                "p95": float(np.percentile(all_errors, 95)),
                "ms mediapipe": float(np.median(ms[has])),
                "ms posewatch": float(np.median(own_ms)),
            }
        )
        everything.append(all_errors)
        theirs_ms += ms[has].tolist()
        ours_ms += own_ms
    print("| " + " | ".join(rows[0]) + " |\n" + "| --- " * len(rows[0]) + "|")
    for row in rows:
        cells = (f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values())
        print("| " + " | ".join(cells) + " |")
    total = np.concatenate(everything)
    ratio = float(np.median(theirs_ms) / np.median(ours_ms))
    print(
        f"\nall landmarks: median {np.median(total):.2f} %, mean {total.mean():.2f} %, "
        f"95th percentile {np.percentile(total, 95):.2f} % of body height; "
        f"time a person: mediapipe {np.median(theirs_ms):.1f} ms, posewatch {np.median(ours_ms):.1f} ms, "
        f"ratio {ratio:.1f}"
    )
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
