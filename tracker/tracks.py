"""A track: what is known of one person from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

__all__ = ["STATE_ORDER", "Record", "Track", "TrackState"]


class TrackState(str, Enum):
    """Life of a track."""

    TENTATIVE = "tentative"
    CONFIRMED = "confirmed"
    LOST = "lost"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Track:
    """One person in one frame.

    Attributes:
        id: unique across restarts, `<epoch ms>-<camera>-<number>`.
        number: counts from 1 in each camera.
        state: where the track is in its life.
        box: (4,) float32 left, top, right, bottom in px, filtered; predicted while lost.
        detection_box: (4,) float32 the detection matched in this frame, or None.
        velocity: (2,) float32 of the centre in px/s.
        score: of the last matched detection.
        started_at: UTC epoch seconds of the first frame.
        first_monotonic: seconds of the first frame.
        last_monotonic: seconds of the last frame with a match.
        hits: frames with a match.
        stationary: whether the person has stayed in place for a second or more.
        speed: of the centre, in body heights a second.
    """

    id: str
    number: int
    state: TrackState
    box: NDArray[np.float32]
    detection_box: NDArray[np.float32] | None
    velocity: NDArray[np.float32]
    score: float
    started_at: float
    first_monotonic: float
    last_monotonic: float
    hits: int
    stationary: bool
    speed: float


STATE_ORDER = {TrackState.CONFIRMED: 0, TrackState.LOST: 1, TrackState.TENTATIVE: 2, TrackState.REMOVED: 3}


@dataclass(slots=True)
class Record:
    """What a track remembers beside its filter state."""

    id: str
    number: int
    state: TrackState
    score: float
    started_at: float
    first_monotonic: float
    last_monotonic: float
    anchor: tuple[float, float]
    anchor_since: float
    hits: int = 1
    total_score: float = 0.0
    detection: int = -1
    looks: NDArray[np.float32] | None = None
    looks_count: int = 0
