"""A track: what is known of one person from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["STATE_ORDER", "Identity", "Record", "Track", "TrackState", "rename"]

State = TypeVar("State")


class TrackState(str, Enum):
    """Life of a track."""

    TENTATIVE = "tentative"
    CONFIRMED = "confirmed"
    LOST = "lost"
    REMOVED = "removed"


class Track(NamedTuple):
    """One person in one frame; a named tuple, as it is made for everybody in every frame.

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
        last_monotonic: seconds of the frame in which the person was last seen, or followed by the pose.
        hits: frames with a match.
        stationary: whether the person has stayed in place for a second or more.
        speed: of the centre, in body heights a second.
        quality: 0..1, how surely the person was seen over the last two seconds in which the detector ran: the
            mean score of the detections, 0 where there was none.
        was: the id that this body had until this frame, where the looks say that it is somebody else: what
            was collected of the body under that id goes on under this one. None in nearly all frames.
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
    quality: float = 0.0
    was: str | None = None


STATE_ORDER = {TrackState.CONFIRMED: 0, TrackState.LOST: 1, TrackState.TENTATIVE: 2, TrackState.REMOVED: 3}


@dataclass(slots=True, eq=False)
class Identity:
    """Who somebody is: what stays with the person when two bodies were taken for each other.

    Attributes:
        id: of the track.
        number: of the track.
        started_at: UTC epoch seconds of the first frame.
        first_monotonic: seconds of the first frame.
        hits: frames with a match.
        looks: (120,) descriptor, a running mean from outside of meetings; None before the first good look.
        looks_count: looks in it.
    """

    id: str
    number: int
    started_at: float
    first_monotonic: float
    hits: int = 1
    looks: NDArray[np.float32] | None = None
    looks_count: int = 0


@dataclass(slots=True, eq=False)
class Record:
    """A body that is followed: what is remembered beside its filter state.

    Attributes:
        person: who it is.
        state: as in `Track`.
        score: of the last match.
        born: seconds of the body's first frame.
        last_monotonic: seconds of the frame in which it was last seen.
        last_detected: seconds of the last match.
        anchor: place in px where it was when it last moved away.
        anchor_since: seconds of that.
        hits: frames with a match.
        total_score: sum of the scores of these.
        detection: number of the match in this frame, or -1.
        quality: as in `Track`.
        met: bodies that hid it, or that it hid, since its looks were last compared.
        fresh: (120,) mean look since then, or None.
        fresh_count: looks in it.
        fresh_since: seconds of the first of them.
        ready_since: seconds since when it could be compared, while it waits for those it met.
        was: the id that it had until this frame, if it got another's name; else None.
        double: (4,) place of a second box of this body, in widths and heights of the first, or None.
        double_until: seconds until which that counts.
    """

    person: Identity
    state: TrackState
    score: float
    born: float
    last_monotonic: float
    last_detected: float
    anchor: tuple[float, float]
    anchor_since: float
    hits: int = 1
    total_score: float = 0.0
    detection: int = -1
    quality: float = 0.0
    met: set[Record] = field(default_factory=set)
    fresh: NDArray[np.float32] | None = None
    fresh_count: int = 0
    fresh_since: float = 0.0
    ready_since: float | None = None
    was: str | None = None
    double: NDArray[np.float64] | None = None
    double_until: float = 0.0


def rename(states: dict[str, State], names: Mapping[str, str]) -> None:
    """Moves what is kept by track id to the ids that the bodies have now.

    Args:
        states: anything by id; what a body now has under another id takes the place of what was there.
        names: the new id by the old one.
    """
    moved = {new: states.pop(old) for old, new in names.items() if old in states}
    states.update(moved)
