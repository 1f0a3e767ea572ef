"""Contact sheets of lying people, hits and misses, as two detectors see them side by side.

    python tests/accuracy/contact_sheet.py
    python tests/accuracy/contact_sheet.py --model yolox_nano.onnx --model mine.onnx --set fall_action

Every held-out image with a box wider than 1.2 heights, the ones that the last detector misses first. A pair
is what the first and the last detector find at the score from which on a set holds one false detection in
ten images (`recall_lying_rare` of tests/accuracy/detection.py). Thick green: a lying person who is found;
thick red: one who is not; thin green: other people who are found; orange: a detection that fits nobody.
Writes one PNG a set.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from detection import DATA, START_MODEL

from tracker.detector import Detector, bundled_model
from tracker.nms import iou_matrix
from tracker.runtime import ModelError
from tracker.training.metrics import evaluate_detections
from tracker.training.samples import Sample, read_samples, split

SETS = ("fall_action", "urfall", "coco")
TILE, TITLE, COLUMNS = 200, 22, 8  # pixels, pixels, pictures in a row
WIDE = 1.2
GREEN, RED, ORANGE = (60, 200, 60), (40, 40, 230), (0, 150, 255)


@dataclass(frozen=True)
class Look:
    """What one detector gives for one set."""

    name: str
    found: list[tuple[Any, Any]]
    least: float
    recall: float

    def panel(self, image: Any, people: Any, place: int) -> tuple[Any, int]:
        """The image with boxes in a tile, and how many lying people are missed."""
        boxes, scores = self.found[place]
        boxes = boxes[scores > self.least]
        overlaps = iou_matrix(people, boxes)
        size = people[:, 2:] - people[:, :2]
        lying = size[:, 0] > WIDE * size[:, 1]
        hit = overlaps.max(axis=1, initial=0.0) >= 0.5
        false = boxes[overlaps.max(axis=0, initial=0.0) < 0.5]
        scale = TILE / max(image.shape[:2])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        tile = np.full((TILE, TILE, 3), 40, np.uint8)
        tile[: small.shape[0], : small.shape[1]] = small
        for box in false:
            _rectangle(tile, box * scale, ORANGE, 1)
        for box, wide, found in zip(people, lying, hit, strict=True):
            if wide or found:
                _rectangle(tile, box * scale, GREEN if found else RED, 2 if wide else 1)
        return tile, int((lying & ~hit).sum())


def _rectangle(canvas: Any, box: Any, color: tuple[int, int, int], thickness: int) -> None:
    left, top, right, bottom = (round(float(value)) for value in box)
    cv2.rectangle(canvas, (left, top), (right, bottom), color, thickness, cv2.LINE_AA)


def look(model: Path, images: list[Any], truths: list[Any]) -> Look:
    """Runs a detector on every image of a set."""
    detector = Detector(model, score=0.02)
    detections = [detector.detect(image) for image in images]
    found = [(item.boxes, item.scores) for item in detections]
    metrics = evaluate_detections(truths, found)
    return Look(model.stem, found, metrics.score_rare, metrics.recall_lying_rare)


def sheet(samples: list[Sample], models: list[Path]) -> tuple[Any, str]:
    """The picture of one set, and a line that says what it shows."""
    images = [sample.read() for sample in samples]
    truths = [
        sample.pixels(image.shape[1], image.shape[0]) for sample, image in zip(samples, images, strict=True)
    ]
    looks = [look(model, images, truths) for model in models]
    pairs: list[tuple[int, int, Any]] = []
    for place, (image, people) in enumerate(zip(images, truths, strict=True)):
        size = people[:, 2:] - people[:, :2]
        if not (size[:, 0] > WIDE * size[:, 1]).any():
            continue
        panels = [item.panel(image, people, place) for item in looks]
        pairs.append((-panels[-1][1], -panels[0][1], np.concatenate([tile for tile, _ in panels], axis=1)))
    pairs.sort(key=lambda pair: pair[:2])
    across = max(1, COLUMNS // len(models))
    width = len(models) * TILE
    rows = -(-len(pairs) // across)
    canvas = np.full((TITLE + rows * (TILE + 4), across * (width + 8) - 8, 3), 20, np.uint8)
    for index, (_, _, pair) in enumerate(pairs):
        top, left = TITLE + index // across * (TILE + 4), index % across * (width + 8)
        canvas[top : top + TILE, left : left + width] = pair
    line = ", ".join(f"{item.name}: {item.recall:.3f} above {item.least:.2f}" for item in looks)
    text = f"{samples[0].group}: lying people found, {line}"
    cv2.putText(canvas, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (240, 240, 240), 1, cv2.LINE_AA)
    return canvas, text


def main() -> int:
    """Writes the sheets; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA / "person_boxes", help="folder of data sets")
    parser.add_argument("--model", type=Path, action="append", help="ONNX model, left to right")
    parser.add_argument("--set", action="append", help=f"repeatable (default: {', '.join(SETS)})")
    parser.add_argument("--out", type=Path, default=Path("out") / "lying", help="folder to write")
    given = parser.parse_args()
    models = given.model or [*([START_MODEL] if START_MODEL.is_file() else []), bundled_model()]
    try:
        _, held_out = split(read_samples(given.data))
        given.out.mkdir(parents=True, exist_ok=True)
        for name in given.set or SETS:
            samples = [sample for sample in held_out if sample.group == name]
            if not samples:
                raise ValueError(f"{given.data}: no held-out images of {name}")
            canvas, text = sheet(samples, models)
            path = given.out / f"{name}.png"
            if not cv2.imwrite(str(path), canvas):
                raise ValueError(f"{path}: cannot be written")
            print(f"{text}: {path}")
    except (ValueError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
