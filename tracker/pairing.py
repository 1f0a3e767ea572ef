"""Which track is which detection: all evidence weighed, stage by stage.

Two passes as in ByteTrack (Zhang et al. 2022, section 3): strong detections first, then the weak ones, which
are often half hidden people, for the tracks left over. Boxes are compared with a buffer around them (C-BIoU,
Yang et al. 2023), so that a fast person, a low frame rate or a fall still overlaps. Where several pairs are
possible, looks (`tracker.appearance`) and poses decide: where the landmarks were seen, as far as they are
like those expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.identity import Identities
from tracker.kalman import from_centre, to_centre
from tracker.matching import assign, buffered_iou
from tracker.seen import Seen
from tracker.tracks import STATE_ORDER, Record

__all__ = ["Pairing", "reachable"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]
PoseBoxes = Mapping[str, tuple[NDArray[np.float32], float]]

_NONE: Rows = np.zeros(0, np.intp)
_WEAK_OVERLAP = 0.4  # buffered IoU that a weak detection needs
_STRAY, _WALK = 0.6, 1.2  # body heights, and heights a second, that somebody lost may be off the prediction
_RESIZE = 0.35  # log of the ratio of heights by which somebody may have come nearer or gone away


@dataclass(frozen=True, slots=True)
class Pairing:
    """How tracks and detections are paired; the attributes are arguments of `tracker.association.Tracker`."""

    high_score: float
    low_score: float
    confirm_hits: int
    buffer: float
    wide_buffer: float
    min_overlap: float
    looks: float
    same_looks: float
    poses: float

    def pair(
        self,
        records: Sequence[Record],
        values: Floats,
        seen: Seen,
        identities: Identities,
        poses: PoseBoxes,
        monotonic: float,
    ) -> tuple[Rows, Rows, Rows]:
        """Pairs the tracks with a frame's detections.

        Args:
            records: the tracks.
            values: (N, 4) centre and size in px where they should be by now.
            seen: the detections.
            identities: tells who looks like whom.
            poses: as in `Tracker.update`.
            monotonic: seconds of the frame.

        Returns:
            Rows of tracks, rows of their detections, and the strong detections left over.
        """
        strong = seen.scores >= self.high_score
        weak = (seen.scores >= self.low_score) & ~strong
        if not records or not len(seen.scores):
            return np.zeros(0, np.intp), np.zeros(0, np.intp), np.flatnonzero(strong)
        states = np.array([STATE_ORDER[record.state] for record in records])
        confirmed, lost, tentative = states == 0, states == 1, states == 2
        doubtful = tentative & (np.array([record.hits for record in records]) >= self.confirm_hits)
        similarity = identities.similarity(records, seen.appearance, len(seen.scores))
        bonus = self.looks * similarity * (1.0 - seen.covered)
        if poses and self.poses:
            bonus += self._posed(records, seen, poses)
        matches = _Matches(from_centre(values), seen.boxes, 0.5 + 0.5 * seen.scores, bonus)
        matches.stage(confirmed | lost, strong, self.buffer, self.min_overlap)
        matches.stage(confirmed, weak, self.buffer, _WEAK_OVERLAP)
        matches.stage(confirmed | lost, strong, self.wide_buffer, self.min_overlap)
        matches.stage(tentative, strong, self.wide_buffer, self.min_overlap)
        matches.stage(doubtful, weak, self.buffer, _WEAK_OVERLAP)
        rows, places = matches.left(lost, strong)
        if seen.appearance is not None and len(rows) and len(places):
            chosen = [records[row] for row in rows]
            reach = reachable(chosen, values[rows], to_centre(seen.boxes[places]), monotonic)
            alike = similarity[np.ix_(rows, places)]
            again = (alike >= self.same_looks) & reach & (seen.covered[places] < 0.5)
            matches.take(rows, places, np.where(again, alike, 0.0))
        rows = np.flatnonzero(matches.partner >= 0)
        return rows, matches.partner[rows], np.flatnonzero(strong & matches.free)

    def _posed(self, records: Sequence[Record], seen: Seen, poses: PoseBoxes) -> Floats:
        """Gain (tracks, detections) from where the poses of the tracks were seen."""
        bonus = np.zeros((len(records), len(seen.scores)))
        rows = [row for row, record in enumerate(records) if record.person.id in poses]
        if rows:
            found = [poses[records[row].person.id] for row in rows]
            overlap = buffered_iou(np.array([box for box, _ in found], np.float64), seen.boxes)
            bonus[rows] = self.poses * overlap * np.array([[likeness] for _, likeness in found])
        return bonus


class _Matches:
    """Who goes with whom so far."""

    def __init__(self, predicted: Floats, boxes: Floats, trust: Floats, bonus: Floats) -> None:
        self.predicted, self.boxes, self.trust, self.bonus = predicted, boxes, trust, bonus
        self.partner = np.full(len(predicted), -1, np.intp)
        self.free = np.ones(len(boxes), bool)
        self.unpaired, self.unclaimed = len(predicted), len(boxes)

    def left(self, tracks: Flags, columns: Flags) -> tuple[Rows, Rows]:
        """Rows of those of these tracks and detections that have no partner."""
        if not self.unpaired or not self.unclaimed:  # usual after the first stage, and asked four times more
            return _NONE, _NONE
        rows = np.nonzero(tracks & (self.partner < 0))[0]
        return rows, np.nonzero(columns & self.free)[0] if len(rows) else _NONE

    def stage(self, tracks: Flags, columns: Flags, buffer: float, floor: float) -> None:
        """Pairs those left whose boxes, grown by `buffer`, overlap by `floor` or more."""
        rows, places = self.left(tracks, columns)
        if not len(rows) or not len(places):
            return
        overlap = buffered_iou(self.predicted[rows], self.boxes[places], buffer)
        # Looks and poses choose among those who overlap; they never part a pair that nothing else explains.
        gain = np.maximum(overlap * self.trust[places] + self.bonus[np.ix_(rows, places)], 1e-3)
        self.take(rows, places, np.where(overlap >= floor, gain, 0.0))

    def take(self, rows: Rows, places: Rows, gain: Floats) -> None:
        """Takes the pairs with the largest total gain (rows, places)."""
        first, second = assign(gain)
        self.partner[rows[first]] = places[second]
        self.free[places[second]] = False
        self.unpaired -= len(first)
        self.unclaimed -= len(first)


def reachable(records: Sequence[Record], values: Floats, other: Floats, monotonic: float) -> Flags:
    """Whether bodies (N) can be at `other` (M, 4), centre and size in px, by now: (N, M).

    Args:
        records: the bodies.
        values: (N, 4) centre and size where they should be.
        other: the places.
        monotonic: seconds of the frame.
    """
    height = np.maximum(values[:, 3:], 1.0)
    away = np.hypot(values[:, :1] - other[:, 0], values[:, 1:2] - other[:, 1]) / height
    hidden = np.array([[monotonic - record.last_monotonic] for record in records])
    resize = np.abs(np.log(np.maximum(other[:, 3], 1.0) / height))
    reach: Flags = (away < _STRAY + _WALK * hidden) & (resize < _RESIZE)
    return reach
