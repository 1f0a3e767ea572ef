"""Accuracy of person detectors by data set: AP50, AP50-95, recall.

    python tests/accuracy/detection.py --model yolox_nano.onnx --model tracker/models/person_yolox_nano.onnx

Measures on the held-out part of the split that the bundled detector was trained with (`--part all` takes
every image). Each model goes through the product's own Detector. Prints a table, writes JSON with --out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
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
    "lying",
)


def evaluate(
    model: Path, samples: list[Sample], sequences: list[Path], threads: int
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
            f"{number} {model.stem}": evaluate(model, samples, sequences, given.threads)
            for number, model in enumerate(models, start=1)
        }
    except (ValueError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(results))
    if given.out:
        plain = {
            model: {group: dataclasses.asdict(item) for group, item in metrics.items()}
            for model, metrics in results.items()
        }
        given.out.write_text(json.dumps(plain, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
