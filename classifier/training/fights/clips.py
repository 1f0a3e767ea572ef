"""Clips, and the places in them that the daemon would look at, as rows of small pictures."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from classifier.fights.crops import crop, reduced
from classifier.fights.regions import Region, RegionFinder, overlapping
from tracker.detector import Detector

__all__ = ["INTERVAL", "Clip", "Place", "labelled_clips", "places_of", "seen"]

INTERVAL = 0.125
"""Seconds between two looks."""

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip in which people fight all the time, or never; clips of one source share a scene."""

    name: str
    path: Path
    fight: bool
    source: str


@dataclass(frozen=True, slots=True)
class Place:
    """A region and the pictures of a clip, (H, W, 3) uint8 each, `INTERVAL` apart or nearly so."""

    region: Region
    pictures: list[Image]


def labelled_clips(fights: Path, harmless: Path | None = None) -> list[Clip]:
    """Clips of the Surveillance Camera Fight Dataset, and of a folder of clips without a fight.

    Args:
        fights: folder with labels.csv (clip, label, source) and the clips.
        harmless: folder with SUBJECT/KIND/CLIP.mp4, as GMDCSA24 has it; each subject is a source.

    Raises:
        OSError: labels.csv cannot be read.
    """
    with (fights / "labels.csv").open(encoding="utf-8") as stream:
        clips = [
            Clip(Path(row["clip"]).stem, fights / row["clip"], row["label"] == "fight", f"fights/{row['source']}")
            for row in csv.DictReader(stream)
        ]
    for path in sorted(harmless.glob("*/*/*.mp4")) if harmless else ():
        subject, kind = path.parts[-3:-1]
        clips.append(Clip(f"{subject}-{kind}-{path.stem}", path, False, f"{re.sub(r'[^a-z]', '', subject)}/{subject}"))
    return clips


def seen(path: Path, detector: Detector) -> Iterator[tuple[float, Image, npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Time in s, picture, boxes (N, 4) in its px and scores (N,), as often as the daemon looks."""
    last = before = float("-inf")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for number, frame in enumerate(container.decode(stream)):
            at = float(frame.time if frame.time is not None else number / float(stream.average_rate or 25))
            step, before = at - before, at
            if at - last < INTERVAL - min(INTERVAL, step) / 2:
                continue
            last = at
            image = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            found = detector.detect(image)
            picture = reduced(image)
            yield at, picture, found.boxes * np.float32(picture.shape[1] / image.shape[1]), found.scores


def places_of(clip: Clip, detector: Detector, *, longest: int = 24) -> list[Place]:
    """The places that the daemon would watch in a clip, each once, the most watched first.

    Long clips are cut into parts of at most `longest` pictures.
    """
    places: list[Place] = []
    part: list[Image] = []
    finder, counts = RegionFinder(), dict[Region, int]()

    def finish() -> None:
        kept: list[Region] = []
        for region, _ in sorted(counts.items(), key=lambda item: -item[1]):
            if not overlapping(kept, region) and len(kept) < 3:
                kept.append(region)
        places.extend(Place(region, list(part)) for region in kept if len(part) >= 6)
        part.clear()
        counts.clear()

    for at, picture, boxes, scores in seen(clip.path, detector):
        part.append(picture)
        for region in finder.update(picture, boxes, scores, at):
            counts[region] = counts.get(region, 0) + 1
        if len(part) >= longest:
            finish()
    finish()
    return places


def varied(place: Place, random: np.random.Generator, *, plain: bool = False) -> list[Image]:
    """The crops of a place, as they are or as another camera might see them: moved, nearer, mirrored, in other light."""
    region = place.region
    if plain:
        return [crop(picture, region) for picture in place.pictures]
    height, width = place.pictures[0].shape[:2]
    side = region.side * float(np.exp(random.uniform(-0.35, 0.35)))
    moved = random.uniform(-0.18, 0.18, 2) * region.side
    region = Region(
        _within(region.x + moved[0], side, 1.0), _within(region.y + moved[1], side, height / width), side
    )
    mirrored = bool(random.random() < 0.5)
    grey, blurred = random.random() < 0.3, random.random() < 0.25
    curve = 255.0 * random.uniform(0.75, 1.2) * (np.arange(256) / 255.0) ** np.exp(random.uniform(-0.4, 0.4))
    table = np.clip(curve, 0, 255).astype(np.uint8)
    noise = random.uniform(0, 6) if random.random() < 0.3 else 0.0
    crops = []
    for picture in place.pictures:
        one = np.asarray(cv2.LUT(crop(picture, region, mirrored=mirrored), table), np.uint8)
        if grey:
            one = np.repeat(np.asarray(cv2.cvtColor(one, cv2.COLOR_BGR2GRAY), np.uint8)[..., None], 3, axis=2)
        if blurred:
            one = np.asarray(cv2.GaussianBlur(one, (0, 0), 1.2), np.uint8)
        if noise:
            one = np.clip(one + random.normal(0, noise, one.shape), 0, 255).astype(np.uint8)
        crops.append(one)
    return crops


def _within(middle: float, side: float, length: float) -> float:
    return min(max(middle, side / 2), length - side / 2) if side < length else length / 2
