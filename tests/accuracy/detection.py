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
from pathlib import Path

from tracker.detector import Detector, bundled_model
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


def evaluate(model: Path, samples: list[Sample], threads: int) -> dict[str, DetectionMetrics]:
    """Metrics of one model by set."""
    detector = Detector(model, score=0.02, iou=0.65, max_detections=100, threads=threads)
    truths, found = [], []
    for number, sample in enumerate(samples):
        image = sample.read()
        detections = detector.detect(image)
        truths.append(sample.pixels(image.shape[1], image.shape[0]))
        found.append((detections.boxes, detections.scores))
        if number % 50 == 0:
            print(f"\r{model.name}: {number}/{len(samples)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return by_set([sample.group for sample in samples], truths, found)


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
        results = {model.stem: evaluate(model, samples, given.threads) for model in models}
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
