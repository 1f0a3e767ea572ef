"""Poses through falls and crossings: `make accuracy`, or `python tests/accuracy/pose_following.py`.

Falls: every clip of UR Fall goes through detector, tracker and follower. Counted are the frames in which a
person who is seen has a pose, by the label of the frame, and the flips: a body axis (hips to shoulders) that
turns by more than 120 degrees within 0.2 s. Crossings: people of the truth of PETS09-S2L1 and TUD-Campus
are read from their true boxes, once as they are and once with their neighbours blanked; a pose that fits a
neighbour's box better than its own has jumped.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from footage import DATA, frames_of

from tracker.appearance import describe
from tracker.association import Tracker
from tracker.detector import Detector
from tracker.fitting import fit
from tracker.following import PoseFollower
from tracker.matching import covered_share
from tracker.pose import Company, Pose, PoseEstimator, Roi

STATES = {"-1": "upright", "0": "falling", "1": "lying"}
BANDS = ((0.0, 0.02, "alone"), (0.02, 0.2, "2-20 %"), (0.2, 0.4, "20-40 %"), (0.4, 0.7, "40-70 %"))
SHOULDERS, HIPS = [11, 12], [23, 24]


def axis(pose: Pose) -> float | None:
    """Direction from hips to shoulders in radians, where they are visible."""
    if pose.landmarks[SHOULDERS + HIPS, 3].min() < 0.5:
        return None
    x, y = pose.landmarks[SHOULDERS, :2].mean(axis=0) - pose.landmarks[HIPS, :2].mean(axis=0)
    return math.atan2(float(y), float(x))


def falls(folder: Path, estimator: PoseEstimator) -> dict[str, dict[str, float]]:
    """People seen, with a pose, and flips, by label of the frame."""
    labels: dict[str, dict[int, str]] = defaultdict(dict)
    with (folder / "labels.csv").open() as file:
        for row in csv.reader(file):
            if len(row) >= 3 and row[2].strip() in STATES:
                labels[row[0].strip()][int(row[1])] = STATES[row[2].strip()]
    counts: dict[str, dict[str, float]] = {
        state: dict.fromkeys(("seen", "posed", "flips"), 0) for state in STATES.values()
    }
    detector = Detector()
    for clip in sorted(folder.glob("*.mp4")):
        print(f"falls: {clip.name}", file=sys.stderr)
        tracker, follower = Tracker("fall"), PoseFollower()
        last: dict[str, tuple[float, float]] = {}
        for number, frame in enumerate(frames_of(clip), 1):
            expected = tracker.predict(frame.monotonic)
            followed = follower.follow(frame.image, expected, estimator, frame.monotonic)
            detections = detector.detect(frame.image)
            tracks = tracker.update(
                detections,
                monotonic=frame.monotonic,
                captured_at=frame.captured_at,
                appearance=describe(frame.image, detections.boxes),
                poses={key: (one.box, one.likeness) for key, one in followed.items()},
            )
            seen = [track for track in tracks if track.last_monotonic == frame.monotonic]
            poses = follower.estimate(frame.image, seen, estimator, followed)
            state = labels[clip.stem[: len("fall-01")]].get(number)
            if state is None:
                continue
            counts[state]["seen"] += len(seen)
            counts[state]["posed"] += len(poses)
            for key, pose in poses.items():
                now = axis(pose)
                if now is None:
                    continue
                if key in last and frame.monotonic - last[key][1] <= 0.2:
                    turn = abs(math.remainder(now - last[key][0], 2 * math.pi))
                    counts[state]["flips"] += turn > math.radians(120)
                last[key] = now, frame.monotonic
    return counts


def crossings(sequence: Path, estimator: PoseEstimator, every: int) -> dict[str, dict[str, float]]:
    """Share of poses that jump and that can be used, with and without the neighbours blanked, by overlap."""
    truth = np.loadtxt(sequence / "gt.txt", delimiter=",")
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for number, frame in enumerate(frames_of(next(sequence.glob("video.*"))), 1):
        rows = truth[truth[:, 0] == number]
        if number % every or len(rows) < 2:
            continue
        boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)
        for own, share in enumerate(covered_share(boxes, boxes)):
            band = next((name for low, high, name in BANDS if low <= share < high), None)
            if band is None or rows[own, 6] == 0 or (band == "alone" and number % (6 * every)):
                continue
            roi = Roi.around(boxes[own])
            others = np.delete(boxes, own, axis=0)
            near = (np.abs((others[:, :2] + others[:, 2:]) / 2 - (roi.x, roi.y)) < roi.side).all(axis=1)
            pair = [None, Company(boxes[own], others[near])]
            values: list[float] = []
            for pose in estimator.estimate(frame.image, [roi, roi], pair):
                fits = [fit(pose, box) for box in boxes]
                best_other = max(value for row, value in enumerate(fits) if row != own)
                values += [best_other > fits[own] + 0.05]
                values += [pose.score >= 0.5 and fits[own] >= 0.15 and best_other < fits[own] + 0.2]
            found[band].append(tuple(values))
    return {
        band: dict(
            zip(
                ("poses", "jumped", "usable", "jumped_blanked", "usable_blanked"),
                (len(values), *np.mean(values, axis=0)),
                strict=True,
            )
        )
        for band, values in found.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    estimator = PoseEstimator()
    fallen = falls(DATA / "video" / "urfd_fall", estimator)
    print("| UR fall, frames labelled | people seen | with a pose | flips |\n| --- | --- | --- | --- |")
    for state, row in fallen.items():
        print(
            f"| {state} | {row['seen']:.0f} | {row['posed'] / max(row['seen'], 1):.3f} | {row['flips']:.0f} |"
        )
    print("\n| sequence | covered by a neighbour | poses | jumped | blanked | usable | blanked |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    crossed = {}
    for name, every in (("PETS09-S2L1", 4), ("TUD-Campus", 2)):
        crossed[name] = crossings(DATA / "mot" / name, estimator, every)
        for *_, band in BANDS:
            if row := crossed[name].get(band):
                cells = (row["jumped"], row["jumped_blanked"], row["usable"], row["usable_blanked"])
                print(
                    f"| {name} | {band} | {row['poses']:.0f} | "
                    + " | ".join(f"{cell:.3f}" for cell in cells)
                    + " |"
                )
    if given.out:
        given.out.write_text(json.dumps({"falls": fallen, "crossings": crossed}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
