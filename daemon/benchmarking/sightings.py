"""Who is where in a clip, for scenes of so many people and for other pipelines: detector and tracker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from daemon.benchmarking.networks import make_networks
from daemon.capture import CaptureError, EndOfStream, FrameReader, Reason
from daemon.config import DetectConfig, TrackConfig
from daemon.pipeline import make_tracker
from tracker.appearance import describe
from tracker.association import TrackState

__all__ = ["Sightings", "area_of", "find_people"]

_LIKELY = 0.3  # score from which a detection is kept: below it are things that belong to the scene
_EVERY = 3  # frames from one to the next that the empty scene is made from
_MARGIN = 0.25  # of a box's height, around somebody who is left out of it
_FILL = 3.0  # px, reach of the filling where somebody stands all the time


@dataclass(frozen=True, slots=True)
class Sightings:
    """People of a clip, frame by frame.

    Attributes:
        people: by frame, the boxes (4,) float32 in px of the confirmed tracks that are seen, by id.
        detections: by frame, (N, 4) float32 boxes of whatever looks a little like somebody.
        background: (H, W, 3) uint8 BGR, the mean of frames, each without who is in it: the empty scene.
        rate: frames a second.
    """

    people: list[dict[str, NDArray[np.float32]]]
    detections: list[NDArray[np.float32]]
    background: NDArray[np.uint8]
    rate: float

    def __len__(self) -> int:
        return len(self.people)


def find_people(clip: Path, frames: int, progress: Callable[[str], None] = lambda _: None) -> Sightings:
    """Looks at the first frames of a clip, every one of them.

    Args:
        clip: a video file.
        frames: at most so many.
        progress: called with what is being done.

    Raises:
        CaptureError: the clip cannot be opened or decoded, or holds no frames.
    """
    detector, tracker = make_networks(1)[0].detector(DetectConfig()), make_tracker("benchmark", TrackConfig())
    people: list[dict[str, NDArray[np.float32]]] = []
    detections: list[NDArray[np.float32]] = []
    empty: _EmptyScene | None = None
    with FrameReader("benchmark", str(clip)) as reader:
        while len(people) < frames:
            try:
                frame = reader.read()
            except EndOfStream:
                break
            image = frame.image
            found = detector.detect(image)
            tracks = tracker.update(
                found,
                monotonic=frame.monotonic,
                captured_at=frame.captured_at,
                appearance=describe(image, found.boxes),
            )
            seen = [
                one
                for one in tracks
                if one.state is TrackState.CONFIRMED and one.last_monotonic == frame.monotonic
            ]
            people.append({one.id: one.box.copy() for one in seen})
            detections.append(found.boxes[found.scores >= _LIKELY])
            if empty is None:
                empty = _EmptyScene(image.shape)
            if len(people) % _EVERY == 1 and image.shape == empty.shape:
                empty.add(image, [*detections[-1], *people[-1].values()])
            progress(f"who is where: {len(people)} of {frames} frames")
        rate = reader.rate
    if empty is None:
        raise CaptureError(Reason.ENDED, f"{clip}: holds no frames")
    return Sightings(people, detections, empty.image(), rate)


def area_of(box: NDArray[np.floating], margin: float, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a box and a margin, a share of its height, in an image of this shape."""
    wider = margin * float(box[3] - box[1])
    left, top = (max(0, int(side - wider)) for side in box[:2])
    right, bottom = min(shape[1], int(box[2] + wider) + 1), min(shape[0], int(box[3] + wider) + 1)
    return slice(top, max(top, bottom)), slice(left, max(left, right))


class _EmptyScene:
    """Mean of what is seen of a scene where nobody is in front of it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._sum, self._count = np.zeros(shape, np.float32), np.zeros(shape[:2], np.float32)

    def add(self, image: NDArray[np.uint8], boxes: Sequence[NDArray[np.float32]]) -> None:
        free = np.ones(self.shape[:2], np.float32)
        for box in boxes:
            free[area_of(box, _MARGIN, self.shape)] = 0.0
        self._sum += image * free[..., None]
        self._count += free

    def image(self) -> NDArray[np.uint8]:
        mean = (self._sum / np.maximum(self._count, 1.0)[..., None]).astype(np.uint8)
        never = (self._count == 0).astype(np.uint8)
        return np.asarray(cv2.inpaint(mean, never, _FILL, cv2.INPAINT_TELEA), np.uint8)
