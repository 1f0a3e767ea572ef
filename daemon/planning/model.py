"""The cost model: from what one frame, one detection and one person cost to what a machine carries.

A camera takes, in cores (seconds of a core in a second):

    fps * (decoding * megapixels + frame + person * people) + detections * detection + camera

and a machine gives cores * together, of which `USABLE` can be used before frames are dropped now and then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "USABLE",
    "Demand",
    "Parts",
    "UnitCosts",
    "cameras_on",
    "cores_for",
    "limit_of",
    "parts_of",
    "split_by_people",
]

USABLE = 0.85
"""Share of the cores up to which nearly no frame is dropped: frames of several cameras come at once."""

_LOCKABLE = 0.8  # share of the time for which Python's lock can be held before everybody waits for it


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """What things cost on this machine, in milliseconds of one core.

    Attributes:
        decoding: of a megapixel, by codec (h264, hevc): decoding and what is converted of the picture.
        frame: of a frame besides: looking for tampering and cuts, tracking, reporting.
        detection: of one run of the detector.
        detections: runs a second of footage.
        person: of a person and frame: pose, action, rules.
        camera: of a camera and second besides: receiving, threads, messages.
        pose: of one reading of a pose, by model (full, lite); how often it is read is part of `person`.
        python: of a frame, for which Python's lock is held; None where that cannot be measured.
        together: what every core still gives when all work at once, as a share of what one gives alone.
        disturbed: share of the time for which other programs had the core, while it was measured.
        cores: that were measured together.
        fps: frames a second of the footage.
        people: in view in it.
    """

    decoding: dict[str, float]
    frame: float
    detection: float
    detections: float
    person: float
    camera: float
    pose: dict[str, float]
    python: float | None
    together: float
    disturbed: float
    cores: int
    fps: float
    people: float


@dataclass(frozen=True, slots=True)
class Demand:
    """What cameras are wanted.

    Attributes:
        cameras: how many.
        fps: frames a second of each.
        people: in view of each.
        width: of the picture in px.
        height: of the picture in px.
        codec: h264 or hevc.
    """

    cameras: int
    fps: float
    people: float
    width: int
    height: int
    codec: str = "h264"

    @property
    def megapixels(self) -> float:
        """Of a picture."""
        return self.width * self.height / 1e6


@dataclass(frozen=True, slots=True)
class Parts:
    """What one camera takes, in cores, by what it is for.

    Attributes:
        decoding: of the stream.
        detection: finding people.
        people: poses, actions and rules.
        rest: what every frame and every camera takes besides.
    """

    decoding: float
    detection: float
    people: float
    rest: float

    @property
    def total(self) -> float:
        """Cores."""
        return self.decoding + self.detection + self.people + self.rest


def parts_of(costs: UnitCosts, demand: Demand) -> Parts:
    """What one of the cameras takes.

    The detector runs as often in a second as in the footage that was measured, at most once a frame.
    """
    frames = demand.fps / 1000.0
    return Parts(
        decoding=frames * costs.decoding[demand.codec] * demand.megapixels,
        detection=min(costs.detections, demand.fps) * costs.detection / 1000.0,
        people=frames * costs.person * demand.people,
        rest=frames * costs.frame + costs.camera / 1000.0,
    )


def cores_for(costs: UnitCosts, demand: Demand) -> float:
    """Cores that all cameras take together, at what one core gives alone."""
    return demand.cameras * parts_of(costs, demand).total


def cameras_on(costs: UnitCosts, demand: Demand, cores: int) -> float:
    """How many such cameras so many cores carry; a share of a camera counts.

    One service: Python's lock is one for all cores, and ends what further ones bring.
    """
    one = parts_of(costs, demand).total
    # Alone a core is not disturbed by others; from the measured number on every core gives as much as there.
    each = 1.0 if cores == 1 else costs.together
    return min(cores * each * USABLE / one, _by_lock(costs, demand))


def limit_of(costs: UnitCosts, demand: Demand, cores: int) -> str:
    """What ends it: `python`, or the largest part of what a camera takes."""
    parts = parts_of(costs, demand)
    if cores > 1 and _by_lock(costs, demand) <= cores * costs.together * USABLE / parts.total:
        return "python"
    return max(("decoding", "detection", "people", "rest"), key=lambda name: float(getattr(parts, name)))


def split_by_people(people: Sequence[int], cost: Sequence[float], least: float) -> tuple[float, float]:
    """What a frame costs whoever is there, and what each person adds: a line through frames of few and many.

    Where the line makes no sense, as all frames have as many people or other things outweigh them, a frame
    costs `least` and the people the rest.

    Args:
        people: in each frame.
        cost: of each frame, in ms.
        least: ms of a frame that surely do not depend on the people.
    """
    there, taken = np.asarray(people, float), np.asarray(cost, float)
    if not there.any():
        return float(taken.mean()), 0.0
    least = min(least, float(taken.mean()))
    if np.ptp(there):
        slope, intercept = (float(one) for one in np.polyfit(there, taken, 1))
        if slope >= 0.0 and intercept >= least:
            return intercept, slope
    return least, float((taken.mean() - least) / there.mean())


def _by_lock(costs: UnitCosts, demand: Demand) -> float:
    if not costs.python:
        return math.inf
    return _LOCKABLE * 1000.0 / (costs.python * demand.fps)
