"""Labelled images: reading, and a split that keeps everything of one source on one side."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Sample", "read_samples", "split"]

_PERSON, _UNSURE = 0, -1  # classes of a label row
_SUFFIXES = {".jpg", ".jpeg", ".png"}
_SEQUENCE = re.compile(r"((?:fall|adl)-\d+)-cam\d")  # UR Fall Detection: one take, two cameras
_SAME_IMAGE = 6  # of 64 hash bits: re-encoded, slightly turned or mirrored copies differ by less


@dataclass(frozen=True)
class Sample:
    """One image with its people.

    Attributes:
        group: Name of the data set, the folder above `images`.
        image: Image file.
        boxes: (N, 4) float32 left, top, right, bottom in 0..1 of the image.
        unsure: (M, 4) likewise: where nobody knows whether there is a person, so that the loss asks nothing.
    """

    group: str
    image: Path
    boxes: npt.NDArray[np.float32]
    unsure: npt.NDArray[np.float32]

    def read(self) -> npt.NDArray[np.uint8]:
        """The image, (H, W, 3) uint8 BGR."""
        image = cv2.imread(str(self.image), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"{self.image}: cannot be read as an image: remove it or replace it")
        return np.asarray(image, dtype=np.uint8)

    def pixels(self, width: int, height: int) -> npt.NDArray[np.float32]:
        """The boxes in pixels of an image of width x height."""
        return self.boxes * _size(width, height)

    def unsure_pixels(self, width: int, height: int) -> npt.NDArray[np.float32]:
        """The unsure regions in pixels of an image of width x height."""
        return self.unsure * _size(width, height)


def read_samples(folder: Path) -> list[Sample]:
    """Every image under FOLDER/<set>/images with its YOLO labels in FOLDER/<set>/labels, sorted.

    Class 0 is a person, class -1 an unsure region.

    Raises:
        ValueError: No images, or a label row that is not `class cx cy w h` or of another class.
    """
    samples = []
    for images in sorted(folder.glob("*/images")):
        for image in sorted(path for path in images.iterdir() if path.suffix.lower() in _SUFFIXES):
            label = images.parent / "labels" / f"{image.stem}.txt"
            samples.append(Sample(images.parent.name, image, *_read_boxes(label)))
    if not samples:
        raise ValueError(f"{folder}: no images: expected {folder}/<set>/images/*.jpg and .../labels/*.txt")
    return samples


def split(
    samples: Sequence[Sample], *, share: float = 0.2, seed: int = 9
) -> tuple[list[Sample], list[Sample]]:
    """Training and held-out samples, set by set.

    Frames of one sequence, and copies of one image (near equal by difference hash, mirrored ones too),
    stay together, so that nothing held out has been seen in training. Only a set that is one single
    source is split by image.
    """
    training: list[Sample] = []
    held_out: list[Sample] = []
    random = np.random.default_rng(seed)
    for group in sorted({sample.group for sample in samples}):
        members = [sample for sample in samples if sample.group == group]
        sources = _sources(members)
        if len(sources) == 1:  # one fixed camera: no split by source is possible
            sources = [[index] for index in range(len(members))]
        wanted = round(share * len(members))
        taken = 0
        for number in random.permutation(len(sources)):
            source = [members[index] for index in sources[number]]
            # A source much larger than what is still wanted stays whole in training.
            if taken + len(source) <= wanted * 1.1 + 1:
                held_out.extend(source)
                taken += len(source)
            else:
                training.extend(source)
    return sorted(training, key=_by_path), sorted(held_out, key=_by_path)


def _sources(samples: Sequence[Sample]) -> list[list[int]]:
    """Indices of samples that belong together, by sequence and by likeness."""
    parent = list(range(len(samples)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    sequences: dict[str, int] = {}
    for index, sample in enumerate(samples):
        match = _SEQUENCE.match(sample.image.name)
        if match:
            parent[root(index)] = root(sequences.setdefault(match.group(1), index))
    plain = np.stack([_hash(sample.read()) for sample in samples])
    mirrored = np.stack([_hash(np.ascontiguousarray(sample.read()[:, ::-1])) for sample in samples])
    for other in (plain, mirrored):
        distance = (plain[:, None] != other[None]).sum(-1)
        for first, second in np.argwhere(np.triu(distance <= _SAME_IMAGE, 1)):
            if not _SEQUENCE.match(samples[first].image.name):
                parent[root(int(first))] = root(int(second))
    together: dict[int, list[int]] = defaultdict(list)
    for index in range(len(samples)):
        together[root(index)].append(index)
    return [together[key] for key in sorted(together)]


def _hash(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Difference hash: (64,) whether each of 8x8 cells is brighter than its left neighbour."""
    small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    return np.asarray(small[:, 1:] > small[:, :-1]).ravel()


def _read_boxes(label: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The boxes of people and the unsure regions of a label file."""
    rows = []
    for number, line in enumerate(label.read_text().splitlines() if label.is_file() else (), start=1):
        if not line.strip():
            continue
        try:
            kind, centre_x, centre_y, width, height = (float(value) for value in line.split())
        except ValueError as error:
            raise ValueError(f"{label}:{number}: expected `class cx cy w h`, got {line!r}") from error
        if kind not in (_PERSON, _UNSURE):
            raise ValueError(
                f"{label}:{number}: class {kind:g}: expected {_PERSON} (person) or {_UNSURE} (unsure)"
            )
        left, top = centre_x - width / 2, centre_y - height / 2
        rows.append((kind, left, top, left + width, top + height))
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    boxes = np.clip(table[:, 1:], 0.0, 1.0)
    return boxes[table[:, 0] == _PERSON], boxes[table[:, 0] == _UNSURE]


def _size(width: int, height: int) -> npt.NDArray[np.float32]:
    return np.array([width, height, width, height], dtype=np.float32)


def _by_path(sample: Sample) -> str:
    return str(sample.image)
