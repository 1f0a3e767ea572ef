"""Measures the detector alone: what `detect.size` and `detect.tiles` cost, and how many people they find."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daemon.benchmarking.networks import make_networks
from daemon.capture import CaptureError, EndOfStream, FrameReader, Reason
from daemon.config import DetectConfig, TrackConfig

__all__ = ["DetectorCost", "measure_detectors"]

_EVERY = 5  # frames between two that are looked at: neighbours are much the same
_WAYS: tuple[dict[str, object], ...] = ({}, {"size": 320}, {"size": 640}, {"tiles": "2x1"}, {"tiles": "2x2"})


@dataclass(frozen=True, slots=True)
class DetectorCost:
    """The bundled detector with one setting.

    Attributes:
        setting: as in the configuration, `default` without any.
        milliseconds: median processor time of a frame, letterbox and NMS included.
        ratio: median of its share of the default's time for the same frame.
        people: mean number of detections a frame that are sure enough to start a track.
    """

    setting: str
    milliseconds: float
    ratio: float
    people: float


def measure_detectors(
    clip: Path, *, frames: int = 20, progress: Callable[[int], None] = lambda _: None
) -> list[DetectorCost]:
    """Looks at every fifth frame of a clip in each way, in turns, so that a slow moment slows all of them.

    Args:
        clip: a video file.
        frames: at most so many are looked at.
        progress: called with the number of frames done.

    Raises:
        CaptureError: the clip cannot be opened or decoded.
    """
    (engines,) = make_networks(1)
    detectors = [engines.detector(DetectConfig.model_validate(way)) for way in _WAYS]
    sure = TrackConfig().new_score
    times: list[list[float]] = []
    people: list[list[int]] = []
    with FrameReader("benchmark", str(clip)) as reader:
        while len(times) < frames:
            try:
                frame = reader.read()
            except EndOfStream:
                break
            if frame.index % _EVERY:
                continue
            if not times:
                for detector in detectors:
                    detector.detect(frame.image)  # memory for this size of image is set up once
            spent, seen = [], []
            for detector in detectors:
                began = time.process_time()
                found = detector.detect(frame.image)
                spent.append(1000.0 * (time.process_time() - began))
                seen.append(int((found.scores >= sure).sum()))
            times.append(spent)
            people.append(seen)
            progress(len(times))
    if not times:
        raise CaptureError(Reason.ENDED, f"{clip}: holds no frames")
    spent_by_way, seen_by_way = np.array(times).T, np.array(people).T
    return [
        DetectorCost(
            setting=", ".join(f"{key} {value}" for key, value in way.items()) or "default",
            milliseconds=float(np.median(spent)),
            ratio=float(np.median(spent / spent_by_way[0])),
            people=float(seen.mean()),
        )
        for way, spent, seen in zip(_WAYS, spent_by_way, seen_by_way, strict=True)
    ]
