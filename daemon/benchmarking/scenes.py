"""Footage with exactly so many people in view, made of a clip of a camera that stands still.

Everybody else is painted over with the empty scene; people from other moments of the same clip are put in
where they walked then. People, places, light and noise are real, the company is not: good for what people
cost, not for how well they are seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from daemon.benchmarking.sightings import Sightings, area_of
from daemon.capture import EndOfStream, FrameReader
from daemon.video_writer import VideoWriter

__all__ = ["Scenes", "make_scenes"]

_STEP = 10  # frames between two moments from which somebody may be taken
_PRESENT = 0.9  # share of the frames in which somebody must be seen
_MARGIN = 0.15  # of a box's height, around what is cut out
_PAINTED = 0.25  # the same around what is painted over
_NEAR = 3  # frames before and after, whose detections are painted over as well
_CROWDED = 0.08  # mean overlap (IoU) with anybody else up to which somebody is taken


@dataclass(frozen=True, slots=True)
class Scenes:
    """The clips by number of people, and how many frames each has."""

    clips: dict[int, Path]
    frames: int


@dataclass(frozen=True, slots=True)
class _Walk:
    """Somebody's boxes (frames, 4) from a moment of the clip on."""

    track: str
    start: int
    boxes: NDArray[np.float64]


def make_scenes(clip: Path, seen: Sightings, counts: Sequence[int], folder: Path, frames: int) -> Scenes:
    """Writes a clip for each number of people; numbers that the clip has too few people for are left out.

    Args:
        clip: a video file, of a camera that stands still.
        seen: who is where in it.
        counts: numbers of people.
        folder: where to write.
        frames: of each clip, at most; half of what `seen` has where that is fewer.

    Raises:
        CaptureError: the clip cannot be decoded.
        OSError: the folder cannot be written to.
    """
    frames = max(1, min(frames, len(seen) // 2))  # there must be more moments than one to take people from
    walks = _choose(seen, max(counts), frames)
    base = _emptiest(seen, frames)
    patches = _cut_out(clip, walks, frames, seen.background.shape[:2])
    clips = {count: folder / f"people{count}.mp4" for count in counts if count <= len(walks)}
    with ExitStack() as stack:
        writers = {count: stack.enter_context(VideoWriter(path, seen.rate)) for count, path in clips.items()}
        reader = stack.enter_context(FrameReader("scene", str(clip)))
        for number in range(base + frames):
            image = reader.read().image
            if number < base:
                continue
            empty = _emptied(image, seen, number)
            for count, writer in writers.items():
                writer.write(_peopled(empty, patches[:count], number - base))
    return Scenes(clips, frames)


_Patch = tuple[tuple[slice, slice], NDArray[np.uint8]]


def _choose(seen: Sightings, most: int, frames: int) -> list[_Walk]:
    """People who keep apart from each other; each alone when filmed."""
    walks = [
        walk
        for start in range(0, len(seen) - frames + 1, _STEP)
        for track in seen.people[start]
        if (walk := _walk(seen, track, start, frames)) is not None
    ]
    alone = [_company(seen, walk) for walk in walks]
    crowded = np.array(alone)  # the most that each has of anybody's company
    used: dict[str, int] = {}
    chosen: list[_Walk] = []
    while walks and len(chosen) < most:
        # Rather somebody new than the same person from another moment.
        repeats = np.array([0.01 * used.get(walk.track, 0) for walk in walks])
        best = int(np.argmin(crowded + repeats))
        if crowded[best] > _CROWDED:
            break
        pick = walks[best]
        chosen.append(pick)
        used[pick.track] = used.get(pick.track, 0) + 1
        together = np.array([_overlap(walk.boxes, pick.boxes).mean() for walk in walks])
        crowded = np.maximum(crowded, together)
    return chosen


def _walk(seen: Sightings, track: str, start: int, frames: int) -> _Walk | None:
    """The boxes of somebody, gaps filled in; None where too many are missing."""
    at = [number for number in range(frames) if track in seen.people[start + number]]
    if len(at) < _PRESENT * frames:
        return None
    known = np.array([seen.people[start + number][track] for number in at], np.float64)
    boxes = np.stack([np.interp(np.arange(frames), at, known[:, side]) for side in range(4)], axis=1)
    return _Walk(track, start, boxes)


def _company(seen: Sightings, walk: _Walk) -> float:
    """Mean overlap with the nearest other person, where somebody was filmed."""
    worst = []
    for number, box in enumerate(walk.boxes):
        people = seen.people[walk.start + number]
        others = np.array([other for track, other in people.items() if track != walk.track], np.float64)
        worst.append(_overlap(others, box[None]).max() if len(others) else 0.0)
    return float(np.mean(worst))


def _overlap(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU of each row with the same row of the others."""
    low, high = np.maximum(boxes[:, :2], others[:, :2]), np.minimum(boxes[:, 2:], others[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (boxes, others)]
    overlap: NDArray[np.float64] = common / np.maximum(areas[0] + areas[1] - common, 1e-9)
    return overlap


def _emptiest(seen: Sightings, frames: int) -> int:
    """First frame of the stretch with the fewest people."""
    people = np.array([len(each) for each in seen.people])
    sums = np.convolve(people, np.ones(frames, int), mode="valid")
    return int(np.argmin(sums))


def _cut_out(clip: Path, walks: Sequence[_Walk], frames: int, shape: tuple[int, ...]) -> list[list[_Patch]]:
    """For each walk, frame by frame, where it lies and what is seen there."""
    patches: list[list[_Patch]] = [[] for _ in walks]
    with FrameReader("scene", str(clip)) as reader:
        for number in range(max((walk.start for walk in walks), default=0) + frames):
            try:
                image = reader.read().image
            except EndOfStream:
                break
            for walk, found in zip(walks, patches, strict=True):
                if 0 <= number - walk.start < frames:
                    place = area_of(walk.boxes[number - walk.start], _MARGIN, shape)
                    found.append((place, image[place].copy()))
    return patches


def _emptied(image: NDArray[np.uint8], seen: Sightings, number: int) -> NDArray[np.uint8]:
    """A frame in which whoever was detected then, or just before or after, is painted over."""
    empty = image.copy()
    for near in range(max(0, number - _NEAR), min(len(seen), number + _NEAR + 1)):
        for box in (*seen.detections[near], *seen.people[near].values()):
            place = area_of(box, _PAINTED, image.shape)
            empty[place] = seen.background[place]
    return empty


def _peopled(empty: NDArray[np.uint8], patches: Sequence[Sequence[_Patch]], number: int) -> NDArray[np.uint8]:
    image = empty.copy()
    for patch in patches:
        if number < len(patch):
            place, pixels = patch[number]
            image[place] = pixels
    return image
