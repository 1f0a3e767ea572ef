"""Accuracy of person detectors by data set: AP50, AP50-95, recall, false detections, time.

    python tests/accuracy/detection.py --model yolox_nano.onnx --model tracker/models/person_yolox_nano.onnx

Measures on the held-out part of the split that the bundled detector was trained with (`--part all` takes
every image), on MOT sequences, and on the frames of a video in which nobody is. Each model goes through the
product's own Detector. Prints tables, writes JSON with --out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracker.detector import Detector, bundled_model
from tracker.nms import iou_matrix
from tracker.runtime import ModelError
from tracker.training.metrics import DetectionMetrics, by_set
from tracker.training.samples import Sample, read_samples, split

DATA = Path(os.environ.get("POSEWATCH_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
COLUMNS = (
    "images",
    "boxes",
    "ap50",
    "ap",
    "recall",
    "recall_sure",
    "precision_sure",
    "recall_lying",
    "recall_lying_rare",
    "lying",
    "ghosts",
)
# Frames of the video of an empty room with a table, before, between and after its visitors.
EMPTY_VIDEO = "one-by-one-person-detection.mp4"
EMPTY_FRAMES = ((0, 50), (212, 228), (468, 500), (716, 744), (886, 924), (1218, 1228), (1378, 1390))
TIMED_SIZES = ((1280, 720), (640, 480), (640, 640))


def evaluate(
    model: Path, samples: list[Sample], sequences: list[Path], empty: Path, threads: int
) -> dict[str, DetectionMetrics]:
    """Metrics of one model by set."""
    detector = Detector(model, score=0.02, iou=0.65, max_detections=100, threads=threads)
    groups, truths, found = [], [], []
    for number, sample in enumerate(samples):
        image = sample.read()
        detections = detector.detect(image)
        groups.append(sample.group)
        truths.append(sample.pixels(image.shape[1], image.shape[0]))
        found.append((detections.boxes, detections.scores))
        if number % 50 == 0:
            print(f"\r{model.name}: {number}/{len(samples)}", end="", file=sys.stderr)
    for sequence in sequences:
        for image, people, ignored in mot_frames(sequence):
            detections = detector.detect(image)
            # As MOTChallenge does: what lies on an ignored person is neither right nor wrong.
            on_people = iou_matrix(detections.boxes, people).max(axis=1, initial=0.0)
            on_ignored = iou_matrix(detections.boxes, ignored).max(axis=1, initial=0.0)
            kept = (on_ignored < 0.5) | (on_people >= 0.5)
            groups.append(sequence.name)
            truths.append(people)
            found.append((detections.boxes[kept], detections.scores[kept]))
    for image in empty_frames(empty):
        detections = detector.detect(image)
        groups.append("nobody")
        truths.append(np.zeros((0, 4), dtype=np.float32))
        found.append((detections.boxes, detections.scores))
    print(file=sys.stderr)
    return by_set(groups, truths, found)


def mot_frames(sequence: Path, step: int = 5) -> Iterator[tuple[Any, Any, Any]]:
    """Every fifth frame of a MOT sequence with the boxes of people and of ignored people."""
    rows = np.loadtxt(sequence / "gt.txt", delimiter=",", dtype=np.float32)
    video = cv2.VideoCapture(str(next(sequence.glob("video.*"))))
    number = 0
    while True:
        read, image = video.read()
        if not read:
            video.release()
            return
        number += 1
        if number % step == 1:
            here = rows[rows[:, 0] == number]
            boxes = np.concatenate([here[:, 2:4], here[:, 2:4] + here[:, 4:6]], axis=1)
            counts = here[:, 6] > 0
            yield image, boxes[counts], boxes[~counts]


def empty_frames(video: Path, step: int = 2) -> Iterator[Any]:
    """Every second frame in which nobody is; none where the video is missing."""
    capture = cv2.VideoCapture(str(video))
    number = 0
    while capture.grab():
        if number % step == 0 and any(first <= number <= last for first, last in EMPTY_FRAMES):
            yield capture.retrieve()[1]
        number += 1
    capture.release()


def milliseconds(models: list[Path], threads: int, rounds: int = 40) -> dict[str, list[float]]:
    """Median processor time of one call, letterbox and NMS included, for images of TIMED_SIZES.

    On one thread that is the time of the call on an idle machine; a busy one does not add to it. The
    models take turns, so that a processor that slows down slows all of them.
    """
    random = np.random.default_rng(0)
    images = [random.integers(0, 255, (height, width, 3)).astype(np.uint8) for width, height in TIMED_SIZES]
    detectors = {
        f"{number} {model.stem}": Detector(model, threads=threads)
        for number, model in enumerate(models, start=1)
    }
    times = {name: np.zeros((rounds, len(images))) for name in detectors}
    for turn in range(-3, rounds):
        for name, detector in detectors.items():
            for index, image in enumerate(images):
                began = time.process_time()
                detector.detect(image)
                if turn >= 0:
                    times[name][turn, index] = 1000.0 * (time.process_time() - began)
    return {name: np.median(values, axis=0).tolist() for name, values in times.items()}


def table(results: dict[str, dict[str, DetectionMetrics]]) -> str:
    """Markdown: one row a set and model."""
    lines = [f"| set | model | {' | '.join(COLUMNS)} |", "| --- " * (len(COLUMNS) + 2) + "|"]
    for group in next(iter(results.values())):
        for model, metrics in results.items():
            values = (getattr(metrics[group], column) for column in COLUMNS)
            cells = (f"{value:.3f}" if isinstance(value, float) else str(value) for value in values)
            lines.append(f"| {group} | {model} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA / "person_boxes", help="folder of data sets")
    parser.add_argument(
        "--model", type=Path, action="append", help="ONNX model, repeatable (default: bundled)"
    )
    parser.add_argument(
        "--mot", type=Path, default=DATA / "mot", help="folder of MOT sequences, never trained on"
    )
    parser.add_argument(
        "--empty", type=Path, default=DATA / "video" / "people" / EMPTY_VIDEO, help="video with EMPTY_FRAMES"
    )
    parser.add_argument("--part", choices=("held-out", "training", "all"), default="held-out")
    parser.add_argument("--out", type=Path, help="JSON to write")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    try:
        samples = read_samples(given.data)
        if given.part != "all":
            training, held_out = split(samples)
            samples = held_out if given.part == "held-out" else training
        models = given.model or [bundled_model()]
        sequences = sorted(path.parent for path in given.mot.glob("*/gt.txt"))
        results = {
            f"{number} {model.stem}": evaluate(model, samples, sequences, given.empty, given.threads)
            for number, model in enumerate(models, start=1)
        }
        times = milliseconds(models, given.threads)
    except (ValueError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(results))
    sizes = " | ".join(f"CPU ms {width}x{height}" for width, height in TIMED_SIZES)
    print(f"\n| model | {sizes} |\n{'| --- ' * (len(TIMED_SIZES) + 1)}|")
    for name, values in times.items():
        print(f"| {name} | {' | '.join(f'{value:.1f}' for value in values)} |")
    if given.out:
        plain: dict[str, Any] = {
            model: {group: dataclasses.asdict(item) for group, item in metrics.items()}
            for model, metrics in results.items()
        }
        plain["milliseconds"] = times
        given.out.write_text(json.dumps(plain, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
