"""Labels for frames that have none, from detectors that look at turned and mirrored copies.

    python -m tracker.training.pseudo --video DIR --model A.onnx --model B.onnx --out DATA/SET

A detector that misses a person on the floor finds the same person once the picture is turned upright. Every
frame is seen mirrored and turned, boxes are mapped back, and views that agree vouch for each other. What
several views are sure of becomes a person (class 0); what is only suspected becomes an unsure region
(class -1), for which the loss asks nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tracker.detector import Detector
from tracker.nms import iou_matrix, suppress
from tracker.runtime import ModelError
from tracker.training.augment import warp_boxes

__all__ = ["PseudoSettings", "label_frame", "write_set"]

FloatArray = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

_SUFFIXES = {".mp4", ".avi", ".mkv", ".mov"}


@dataclass(frozen=True)
class PseudoSettings:
    """What is believed.

    Attributes:
        angles: Turns of the picture, degrees; each is also seen mirrored when it is 0.
        sure: Least support of a person: mean score of the `witnesses` best detections that overlap.
        suspected: Least support of an unsure region.
        witnesses: How many detections, of other views or models, have to agree.
        overlap: IoU from which two detections are one person.
        inside: Share of a box within a better one from which it is no person of its own but unsure.
        upright: Least height per width of a box in a view turned by other than a right angle. Where a
            person stands in such a view the turned box fits; a square box there would map to one too large.
        people: Number of people known to be in every frame; 0 means unknown.
    """

    angles: tuple[float, ...] = (0.0, -45.0, 45.0, -90.0, 90.0)
    sure: float = 0.45
    suspected: float = 0.2
    witnesses: int = 3
    overlap: float = 0.5
    inside: float = 0.7
    upright: float = 1.8
    people: int = 0


def label_frame(
    image: Image, detectors: Sequence[Detector], settings: PseudoSettings
) -> tuple[FloatArray, FloatArray]:
    """People (N, 4) and unsure regions (M, 4) of an image, pixels, from all views together."""
    height, width = image.shape[:2]
    found, values = [], []
    for view, matrix, exact in _views(image, settings):
        back = np.asarray(cv2.invertAffineTransform(matrix), dtype=np.float64)
        for detector in detectors:
            detections = detector.detect(view)
            size = detections.boxes[:, 2:] - detections.boxes[:, :2]
            fits = exact | (size[:, 1] >= settings.upright * size[:, 0])
            found.append(warp_boxes(detections.boxes[fits], back))
            values.append(detections.scores[fits] * np.float32(1.0 if exact else 0.9))
    border = np.array([width, height, width, height], dtype=np.float32)
    boxes, scores = np.clip(np.concatenate(found), 0.0, border), np.concatenate(values)
    large = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= 3.0
    boxes, scores = boxes[large], scores[large]
    kept = suppress(boxes, scores, iou=settings.overlap, limit=100)
    votes = np.where(iou_matrix(boxes[kept], boxes) >= settings.overlap, scores, 0.0)
    support = np.sort(votes, axis=1)[:, -settings.witnesses :].sum(axis=1) / settings.witnesses
    order = np.argsort(-support, kind="stable")
    boxes, support = boxes[kept][order], support[order]
    sure = np.zeros(len(boxes), dtype=bool)
    for index in np.flatnonzero(support >= settings.sure):
        if settings.people and sure.sum() == settings.people:
            break
        sure[index] = not (_covered(boxes[index], boxes[sure]) > settings.inside).any()
    doubtful = ~sure & (support >= settings.suspected)
    if settings.people and sure.sum() == settings.people:
        doubtful[:] = False  # everybody is found: the rest is background
    return boxes[sure], boxes[doubtful]


def write_set(
    videos: Sequence[Path],
    detectors: Sequence[Detector],
    out: Path,
    *,
    every: float,
    settings: PseudoSettings | None = None,
) -> int:
    """Labels one frame every so many seconds of each video and writes `images` and `labels` under OUT.

    Returns:
        The number of frames written.
    """
    settings = settings or PseudoSettings()
    for folder in ("images", "labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    count = 0
    for video in videos:
        for number, image in _frames(video, every):
            people, unsure = label_frame(image, detectors, settings)
            name = f"{video.parent.name}-{video.stem}-{number:05}"
            cv2.imwrite(str(out / "images" / f"{name}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 92])
            (out / "labels" / f"{name}.txt").write_text(
                _rows(0, people, image.shape) + _rows(-1, unsure, image.shape)
            )
            count += 1
        print(f"\r{count} frames", end="", file=sys.stderr)
    print(file=sys.stderr)
    return count


def _views(image: Image, settings: PseudoSettings) -> Iterator[tuple[Image, npt.NDArray[np.float64], bool]]:
    """Each view with the map (2, 3) from the image to it and whether it keeps boxes exact."""
    height, width = image.shape[:2]
    for degrees in settings.angles:
        if degrees == 0.0:
            yield image, np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), True
            mirror = np.array([[-1.0, 0.0, float(width)], [0.0, 1.0, 0.0]])
            yield np.ascontiguousarray(image[:, ::-1]), mirror, True
            continue
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        size = np.abs(matrix[:, :2]) @ np.array([width, height])
        matrix[:, 2] += size / 2 - np.array([width, height]) / 2
        columns, rows = (round(float(side)) for side in size)
        turned = cv2.warpAffine(image, matrix, (columns, rows), borderValue=(114, 114, 114))
        yield np.asarray(turned, dtype=np.uint8), np.asarray(matrix), degrees % 90.0 == 0.0


def _frames(video: Path, every: float) -> Iterator[tuple[int, Image]]:
    """Frames of a video with their numbers, one every so many seconds, the first after half of that."""
    capture = cv2.VideoCapture(str(video))
    rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
    step = max(1, round(every * rate))
    number = 0
    try:
        while True:
            read, image = capture.read()
            if not read:
                return
            if number % step == step // 2:
                yield number, np.asarray(image, dtype=np.uint8)
            number += 1
    finally:
        capture.release()


def _covered(box: FloatArray, others: FloatArray) -> FloatArray:
    """Share (N,) of a box that lies in each of the others."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    share: FloatArray = np.clip(high - low, 0.0, None).prod(axis=1) / (box[2:] - box[:2]).prod()
    return share


def _rows(kind: int, boxes: FloatArray, shape: tuple[int, ...]) -> str:
    size = np.array([shape[1], shape[0]], dtype=np.float32)
    rows = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2 / size, (boxes[:, 2:] - boxes[:, :2]) / size], 1)
    return "".join(f"{kind} {x:.5f} {y:.5f} {width:.5f} {height:.5f}\n" for x, y, width, height in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tracker.training.pseudo", description=__doc__)
    parser.add_argument("--video", type=Path, required=True, help="folder of videos, searched below too")
    parser.add_argument("--model", type=Path, action="append", help="detector, repeatable (default: bundled)")
    parser.add_argument("--out", type=Path, required=True, help="set to write: images/ and labels/")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between frames")
    parser.add_argument("--sure", type=float, default=PseudoSettings.sure, help="least support of a person")
    parser.add_argument("--people", type=int, default=0, help="people known to be in every frame")
    given = parser.parse_args(arguments)
    videos = sorted(path for path in given.video.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not videos:
        print(f"{given.video}: no videos: expected *.mp4, *.avi, *.mkv or *.mov", file=sys.stderr)
        return 1
    try:
        detectors = [Detector(model) for model in given.model or [None]]
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    settings = PseudoSettings(people=given.people, sure=given.sure)
    print(write_set(videos, detectors, given.out, every=given.every, settings=settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
