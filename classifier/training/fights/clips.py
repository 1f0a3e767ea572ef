"""Labelled clips, looked at as the daemon does."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from classifier.fights.model import Looker
from classifier.fights.motion import ANYWHERE, Glance, MotionMap, place_of
from classifier.fights.watch import is_due
from tracker.detector import Detector

__all__ = ["INTERVAL", "STRIDES", "VIEWS", "Clip", "Look", "labelled_clips", "looks_at"]

INTERVAL = 0.125
"""Seconds between two looks."""

VIEWS = ("plain", "mirrored", "near", "near mirrored")
"""Ways to look at a clip: as it is, mirrored, and at two thirds of it around the people."""

STRIDES = (1, 2, 3)
"""Each view is looked at eight, four and two to three times a second, as with slower cameras."""

_NEAR = 0.66

Look = tuple[float, Glance, npt.NDArray[np.float32]]
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip in which people fight, or never do; clips of one source share a scene."""

    name: str
    path: Path
    fight: bool
    source: str


def labelled_clips(fights: Path, harmless: Path | None = None) -> list[Clip]:
    """Clips of the Surveillance Camera Fight Dataset, and of a folder of clips without a fight.

    Args:
        fights: folder with labels.csv (clip, label, source) and the clips.
        harmless: folder with SUBJECT/KIND/CLIP.mp4, as GMDCSA24 has it; each subject is a source.

    Raises:
        OSError: labels.csv cannot be read.
        KeyError: it has other columns.
    """
    with (fights / "labels.csv").open(encoding="utf-8") as stream:
        clips = [
            Clip(
                Path(row["clip"]).stem,
                fights / row["clip"],
                row["label"] == "fight",
                f"fights/{row['source']}",
            )
            for row in csv.DictReader(stream)
        ]
    for path in sorted(harmless.glob("*/*/*.mp4")) if harmless else ():
        subject, kind = path.parts[-3:-1]
        clips.append(Clip(f"{subject}-{kind}-{path.stem}", path, False, f"harmless/{subject}"))
    return clips


def looks_at(clip: Clip, detector: Detector, looker: Looker) -> Iterator[list[Look]]:
    """The looks at a clip: time in s, what moved, features; view after view, in each stride after stride."""
    seen = list(_seen(clip.path, detector))
    motion = MotionMap()
    glances = [motion.update(image, boxes, scores) for _, image, boxes, scores in seen]
    energy = np.mean([glance.change * (glance.people + ANYWHERE) for glance in glances], axis=0)
    place = place_of(np.asarray(energy, np.float32), glances) / energy.shape[1]
    middle = (place[:2] + place[2:]) / 2 * seen[0][1].shape[1]
    for view in VIEWS:
        changed = [(at, *_viewed(image, boxes, view, middle), scores) for at, image, boxes, scores in seen]
        features = [looker.look(image) for _, image, _, _ in changed]
        for stride in STRIDES:
            motion = MotionMap()
            yield [
                (at, motion.update(image, boxes, scores), found)
                for (at, image, boxes, scores), found in zip(
                    changed[::stride], features[::stride], strict=True
                )
            ]


def _seen(
    path: Path, detector: Detector
) -> Iterator[tuple[float, Image, npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Times and pictures with boxes and scores of people, as often as the daemon looks."""
    last = before = float("-inf")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for number, frame in enumerate(container.decode(stream)):
            now = float(frame.time if frame.pts is not None else number / float(stream.average_rate or 25))
            due, before = is_due(last, before, now, INTERVAL), now
            if due:
                last = now
                image = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                found = detector.detect(image)
                yield now, image, found.boxes, found.scores


def _viewed(
    image: Image, boxes: npt.NDArray[np.float32], view: str, middle: npt.NDArray[np.float32]
) -> tuple[Image, npt.NDArray[np.float32]]:
    """The picture and its boxes as a view has them."""
    if view.startswith("near"):
        size = np.array(image.shape[1::-1])
        part = (size * _NEAR).astype(int)
        left, top = np.clip(middle - part / 2, 0, size - part).astype(int).tolist()
        image = image[top : top + part[1], left : left + part[0]]
        boxes = np.clip(boxes - [left, top] * 2, 0, [*part, *part]).astype(np.float32)
    if view.endswith("mirrored"):
        width = image.shape[1]
        image = image[:, ::-1]
        boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
    return np.ascontiguousarray(image), boxes.astype(np.float32)
