"""Accuracy of person detectors by data set: AP50, AP50-95, recall, small people, false detections, time.

    python tests/accuracy/detection.py
    python tests/accuracy/detection.py --model yolox_nano.onnx --model mine.onnx --size 640 --tiles 2x1

Measures on the held-out part of the split that the bundled detector was trained with (`--part all` takes
every image), on MOT sequences, on twelve pictures of a sequence side by side (`wall`: people who are small
and far), and on the frames of a video in which nobody is. Each model goes through the product's own Detector.
Without arguments: YOLOX-nano as published (from $POSEWATCH_DATA/../models) and the bundled model, the latter
in other input sizes and on tiles as well. Prints tables, writes JSON with --out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from daemon.config import DetectConfig
from tracker.detector import Detector, bundled_model
from tracker.nms import iou_matrix
from tracker.runtime import ModelError
from tracker.tiles import TiledDetector
from tracker.training.metrics import evaluate_detections, evaluate_small
from tracker.training.samples import Sample, read_samples, split

DATA = Path(os.environ.get("POSEWATCH_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
START_MODEL = DATA.parent / "models" / "yolox_nano.onnx"
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
    "small",
    "ap50_small",
    "recall_small",
    "cpu_ms",
    "cpu_ratio",
)
# Frames of the video of an empty room with a table, before, between and after its visitors.
EMPTY_VIDEO = "one-by-one-person-detection.mp4"
EMPTY_FRAMES = ((0, 50), (212, 228), (468, 500), (716, 744), (886, 924), (1218, 1228), (1378, 1390))
TIMED_SIZES = ((1280, 720), (640, 480), (640, 640))
VARIANTS = (("size", 320), ("size", 640), ("tiles", "2x1"), ("tiles", "2x2"))  # of the bundled model
SMALL = 0.1  # of the image's height: people below it are small
WALL, WALL_SEQUENCE = "wall", "PETS09-S2L1"
NOBODY = np.zeros((0, 4), dtype=np.float32)

Figures = dict[str, float]
Look = Detector | TiledDetector


def looks(models: list[Path], variants: list[tuple[str, Any]], threads: int, score: float) -> dict[str, Look]:
    """Every model by a name, and the variants of the last one: another input size, or tiles."""
    rows: list[tuple[Path, dict[str, Any]]] = [(model, {}) for model in models]
    rows += [(models[-1], {key: value}) for key, value in variants]
    result: dict[str, Look] = {}
    for number, (model, setting) in enumerate(rows, start=1):
        settings = DetectConfig.model_validate(setting)
        pixels = None if settings.size is None else settings.size**2
        look: Look = Detector(model, score=score, pixels=pixels, threads=threads)
        columns, rows_of_tiles = settings.grid
        if columns * rows_of_tiles > 1:
            look = TiledDetector(look, columns=columns, rows=rows_of_tiles)
        result[" ".join([str(number), model.stem, *(f"{key} {value}" for key, value in setting.items())])] = (
            look
        )
    return result


@dataclass(frozen=True)
class Scene:
    """An image with the people in it and those who are ignored, (N, 4) float32 boxes in pixels."""

    group: str
    image: Any
    people: Any
    ignored: Any


def scenes(samples: list[Sample], sequences: list[Path], empty: Path) -> Iterator[Scene]:
    """Every image of the evaluation."""
    for sample in samples:
        image = sample.read()
        yield Scene(sample.group, image, sample.pixels(image.shape[1], image.shape[0]), NOBODY)
    for sequence in sequences:
        pictures = [Scene(sequence.name, *found) for found in mot_frames(sequence)]
        yield from pictures
        if sequence.name == WALL_SEQUENCE:
            yield from walls(pictures)
    for image in empty_frames(empty):
        yield Scene("nobody", image, NOBODY, NOBODY)


def walls(pictures: list[Scene]) -> Iterator[Scene]:
    """Twelve pictures at a time as a recorder shows them, 1920x1080: real people about 50 pixels tall."""
    width, height = 480, 360
    for first in range(0, len(pictures) - 11, 12):
        wall = np.zeros((3 * height, 4 * width, 3), np.uint8)
        people, ignored = [], []
        for place, picture in enumerate(pictures[first : first + 12]):
            top, left = place // 4 * height, place % 4 * width
            wall[top : top + height, left : left + width] = cv2.resize(
                picture.image, (width, height), interpolation=cv2.INTER_AREA
            )
            scale = np.float32(width / picture.image.shape[1])
            corner = np.array([left, top, left, top], np.float32)
            people.append(picture.people * scale + corner)
            ignored.append(picture.ignored * scale + corner)
        yield Scene(WALL, wall, np.concatenate(people), np.concatenate(ignored))


def evaluate(ways: dict[str, Look], images: Iterable[Scene]) -> dict[str, dict[str, Figures]]:
    """Figures of every way to look, by set. They see each image in turn, so that times compare."""
    groups: list[str] = []
    truths: list[Any] = []
    heights: list[float] = []
    found: dict[str, list[tuple[Any, Any]]] = {name: [] for name in ways}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number, scene in enumerate(images, start=1):
        groups.append(scene.group)
        truths.append(scene.people)
        heights.append(SMALL * scene.image.shape[0])
        for name, look in ways.items():
            began = time.process_time()
            detections = look.detect(scene.image)
            times[name].append(1000.0 * (time.process_time() - began))
            # As MOTChallenge does: what lies on an ignored person is neither right nor wrong.
            on_people = iou_matrix(detections.boxes, scene.people).max(axis=1, initial=0.0)
            on_ignored = iou_matrix(detections.boxes, scene.ignored).max(axis=1, initial=0.0)
            kept = (on_ignored < 0.5) | (on_people >= 0.5)
            found[name].append((detections.boxes[kept], detections.scores[kept]))
        if number % 20 == 0:
            print(f"\r{number} images", end="", file=sys.stderr)
    print(file=sys.stderr)
    first = np.array(next(iter(times.values())))
    results: dict[str, dict[str, Figures]] = {name: {} for name in ways}
    for group in [*sorted(set(groups) - {WALL}), *sorted(set(groups) & {WALL}), "all"]:
        # The wall's pictures are in the sequence already.
        everywhere = group == "all"
        chosen = [i for i, name in enumerate(groups) if name == group or (everywhere and name != WALL)]
        for name in ways:
            truth, boxes = [truths[place] for place in chosen], [found[name][place] for place in chosen]
            spent = np.array(times[name])[chosen]
            results[name][group] = {
                **dataclasses.asdict(evaluate_detections(truth, boxes)),
                **dataclasses.asdict(evaluate_small(truth, boxes, [heights[place] for place in chosen])),
                "cpu_ms": float(np.median(spent)),
                "cpu_ratio": float(np.median(spent / first[chosen])),
            }
    return results


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


def milliseconds(ways: dict[str, Look], rounds: int = 40) -> dict[str, list[float]]:
    """Median processor time of one image, letterbox and NMS included, for images of TIMED_SIZES.

    On one thread that is the time of the call on an idle machine; a busy one does not add to it. The
    ways to look take turns, so that a processor that slows down slows all of them.
    """
    random = np.random.default_rng(0)
    images = [random.integers(0, 255, (height, width, 3)).astype(np.uint8) for width, height in TIMED_SIZES]
    times = {name: np.zeros((rounds, len(images))) for name in ways}
    for turn in range(-3, rounds):
        for name, look in ways.items():
            for index, image in enumerate(images):
                began = time.process_time()
                look.detect(image)
                if turn >= 0:
                    times[name][turn, index] = 1000.0 * (time.process_time() - began)
    return {name: np.median(values, axis=0).tolist() for name, values in times.items()}


def table(results: dict[str, dict[str, Figures]]) -> str:
    """Markdown: one row a set and way to look."""
    lines = [f"| set | model | {' | '.join(COLUMNS)} |", "| --- " * (len(COLUMNS) + 2) + "|"]
    for group in next(iter(results.values())):
        for name, figures in results.items():
            values = (figures[group][column] for column in COLUMNS)
            cells = (f"{value:.3f}" if isinstance(value, float) else str(value) for value in values)
            lines.append(f"| {group} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def time_table(times: dict[str, list[float]]) -> str:
    """Markdown: ms of each way to look, and their ratio to the first one's."""
    sizes = " | ".join(f"CPU ms {width}x{height} | ratio" for width, height in TIMED_SIZES)
    lines = [f"| model | {sizes} |", "| --- " * (2 * len(TIMED_SIZES) + 1) + "|"]
    first = next(iter(times.values()))
    for name, values in times.items():
        cells = (f"{value:.1f} | {value / base:.2f}" for value, base in zip(values, first, strict=True))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA / "person_boxes", help="folder of data sets")
    parser.add_argument(
        "--model",
        type=Path,
        action="append",
        help="ONNX model, repeatable (default: YOLOX-nano where it is there, and the bundled one)",
    )
    parser.add_argument("--size", type=int, action="append", default=[], help="of the last model, repeatable")
    parser.add_argument("--tiles", action="append", default=[], help="of the last model, repeatable: 2x1")
    parser.add_argument(
        "--mot", type=Path, default=DATA / "mot", help="folder of MOT sequences, never trained on"
    )
    parser.add_argument(
        "--empty", type=Path, default=DATA / "video" / "people" / EMPTY_VIDEO, help="video with EMPTY_FRAMES"
    )
    parser.add_argument("--part", choices=("held-out", "training", "all"), default="held-out")
    parser.add_argument("--out", type=Path, help="JSON to write")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> int:
    """Measures and prints; returns the exit status."""
    given = arguments()
    variants: list[tuple[str, Any]] = [("size", size) for size in given.size]
    variants += [("tiles", tiles) for tiles in given.tiles]
    if not given.model and not variants:
        variants = list(VARIANTS)
    models = given.model or [*([START_MODEL] if START_MODEL.is_file() else []), bundled_model()]
    try:
        samples = read_samples(given.data)
        if given.part != "all":
            training, held_out = split(samples)
            samples = held_out if given.part == "held-out" else training
        sequences = sorted(path.parent for path in given.mot.glob("*/gt.txt"))
        # A low score, so that the precision-recall curve is complete.
        ways = looks(models, variants, given.threads, score=0.02)
        results = evaluate(ways, scenes(samples, sequences, given.empty))
        times = milliseconds(looks(models, variants, given.threads, score=0.1))
    except (ValueError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(results))
    print(f"\n{time_table(times)}")
    if given.out:
        given.out.write_text(json.dumps({**results, "milliseconds": times}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
