"""Who is where in a clip, for scenes of so many people and for other pipelines: detector and tracker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from daemon.capture import CaptureError, EndOfStream, FrameReader, Reason
from daemon.config import DetectConfig, TrackConfig
from daemon.engines import Engines
from daemon.pipeline import make_tracker
from tracker.appearance import describe
from tracker.association import TrackState

__all__ = ["Sightings", "find_people"]

_BACKGROUND_BYTES = 120e6  # of the frames that the empty scene is made from
_BACKGROUND_FRAMES = 40


@dataclass(frozen=True, slots=True)
class Sightings:
    """People of a clip, frame by frame.

    Attributes:
        people: by frame, the boxes (4,) float32 in px of the confirmed tracks that are seen, by id.
        detections: by frame, (N, 4) float32 boxes of whatever looks like somebody, however little.
        background: (H, W, 3) uint8 BGR, the median of frames: the scene without who moves.
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
    detector, tracker = Engines().detector(DetectConfig()), make_tracker("benchmark", TrackConfig())
    people: list[dict[str, NDArray[np.float32]]] = []
    detections: list[NDArray[np.float32]] = []
    kept: list[NDArray[np.uint8]] = []
    with FrameReader("benchmark", str(clip)) as reader:
        while len(people) < frames:
            try:
                frame = reader.read()
            except EndOfStream:
                break
            image = frame.image
            every = max(1, frames // int(np.clip(_BACKGROUND_BYTES / image.nbytes, 5, _BACKGROUND_FRAMES)))
            if len(people) % every == 0 and (not kept or kept[0].shape == image.shape):
                kept.append(image.copy())
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
            detections.append(found.boxes.copy())
            progress(f"who is where: {len(people)} of {frames} frames")
        rate = reader.rate
    if not people:
        raise CaptureError(Reason.ENDED, f"{clip}: holds no frames")
    return Sightings(people, detections, np.median(np.stack(kept), axis=0).astype(np.uint8), rate)
