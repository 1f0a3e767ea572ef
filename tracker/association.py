"""Following people from frame to frame: detections in, tracks with lasting ids out.

Association in two stages as in ByteTrack (Zhang et al. 2022, section 3): strong detections first, then the
weak ones, which are often half hidden people, for the tracks left over. Boxes are compared with a buffer
around them (C-BIoU, Yang et al. 2023), so that a fast person, a low frame rate or a fall still overlaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tracker.kalman import BoxFilter, BoxStates, from_centre

if TYPE_CHECKING:
    from tracker.detector import Detections

__all__ = ["Track", "TrackState", "Tracker", "buffered_iou"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


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


@dataclass(slots=True)
class _Record:
    """What a track remembers beside its filter state."""

    number: int
    state: TrackState
    score: float
    started_at: float
    first_monotonic: float
    last_monotonic: float
    anchor: tuple[float, float]
    anchor_since: float
    hits: int = 1
    detection: int = -1


def buffered_iou(first: Floats, second: Floats, buffer: float = 0.0) -> Floats:
    """IoU (N, M) of boxes (N, 4) and (M, 4), each grown by `buffer` of its width and height on every side."""
    one, two = _grow(first, buffer), _grow(second, buffer)
    corner = np.minimum(one[:, None, 2:], two[None, :, 2:]) - np.maximum(one[:, None, :2], two[None, :, :2])
    common: Floats = np.clip(corner, 0.0, None).prod(axis=2)
    areas = (one[:, 2:] - one[:, :2]).prod(axis=1)[:, None] + (two[:, 2:] - two[:, :2]).prod(axis=1)[None]
    overlap: Floats = common / np.maximum(areas - common, 1e-9)
    return overlap


def _grow(boxes: Floats, buffer: float) -> Floats:
    margin = (boxes[:, 2:] - boxes[:, :2]) * buffer
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


class Tracker:
    """Follows the people of one camera.

    Args:
        camera: name of the camera, part of every id.
        high_score: detections from this score are matched first.
        low_score: detections from this score may continue a track, never start one.
        new_score: a detection needs this score to start a track; higher gives fewer false people, later.
        confirm_hits: frames with a match in a row before a track counts as a person.
        lost_seconds: who is hidden for longer gets a new id; longer keeps more ids and risks mix-ups.
        buffer: growth of boxes in the main stage, a share of their size; larger allows faster motion.
        wide_buffer: growth in the last stage, for strong detections that nothing else explains.
        min_overlap: buffered IoU below which a track and a detection are never matched.
        duplicate_iou: a detection that overlaps a matched track more than this starts no track.
        box_filter: the motion filter.
    """

    def __init__(
        self,
        camera: str,
        *,
        high_score: float = 0.5,
        low_score: float = 0.1,
        new_score: float = 0.5,
        confirm_hits: int = 3,
        lost_seconds: float = 2.0,
        buffer: float = 0.2,
        wide_buffer: float = 0.5,
        min_overlap: float = 0.15,
        duplicate_iou: float = 0.6,
        box_filter: BoxFilter | None = None,
    ) -> None:
        self._camera = camera
        self._high_score, self._low_score, self._new_score = high_score, low_score, new_score
        self._confirm_hits, self._lost_seconds = confirm_hits, lost_seconds
        self._buffer, self._wide_buffer, self._min_overlap = buffer, wide_buffer, min_overlap
        self._duplicate_iou = duplicate_iou
        self._filter = box_filter or BoxFilter()
        self._states = BoxStates()
        self._records: list[_Record] = []
        self._monotonic: float | None = None
        self._count = 0

    def update(self, detections: Detections, *, monotonic: float, captured_at: float) -> list[Track]:
        """Takes the detections of the next frame.

        Args:
            detections: people of this frame.
            monotonic: seconds of the frame; drives the motion.
            captured_at: UTC epoch seconds of the frame; goes into the ids.

        Returns:
            Tracks that live in this frame (tentative, confirmed, lost), and once those just removed.
        """
        boxes = np.asarray(detections.boxes, np.float64).reshape(-1, 4)
        scores = np.asarray(detections.scores, np.float64).reshape(-1)
        # 1. Where everybody should be by now.
        elapsed = 0.0 if self._monotonic is None else monotonic - self._monotonic
        self._monotonic = monotonic
        self._states = self._filter.predict(self._states, elapsed)
        # 2. Who is which detection.
        pairs, free = self._associate(boxes, scores)
        self._apply(pairs, boxes, scores, monotonic)
        # 3. Lost and removed.
        self._age(monotonic)
        # 4. New people.
        self._start(self._newcomers(free, boxes, scores), boxes, scores, monotonic, captured_at)
        # 5. The report; the removed are in it once.
        tracks = self._report(boxes, monotonic)
        keep = np.array([record.state is not TrackState.REMOVED for record in self._records], bool)
        self._states = self._states.select(keep)
        self._records = [r for r in self._records if r.state is not TrackState.REMOVED]
        return tracks

    def _associate(self, boxes: Floats, scores: Floats) -> tuple[list[tuple[int, int]], Rows]:
        """Pairs of (track row, detection row), and the strong detections left over."""
        predicted = from_centre(self._states.value)
        high = np.flatnonzero(scores >= self._high_score)
        low = np.flatnonzero((scores >= self._low_score) & (scores < self._high_score))
        states = [record.state for record in self._records]
        confirmed = _where(states, TrackState.CONFIRMED)
        lost = _where(states, TrackState.LOST)
        tentative = _where(states, TrackState.TENTATIVE)
        pairs: list[tuple[int, int]] = []

        def stage(rows: Rows, columns: Rows, buffer: float, floor: float) -> tuple[Rows, Rows]:
            found = self._match(predicted, boxes, scores, rows, columns, buffer, floor)
            pairs.extend(found)
            return (
                np.setdiff1d(rows, np.array([row for row, _ in found], np.intp)),
                np.setdiff1d(columns, np.array([column for _, column in found], np.intp)),
            )

        known, high = stage(np.concatenate([confirmed, lost]), high, self._buffer, self._min_overlap)
        seen, low = stage(np.intersect1d(known, confirmed), low, self._buffer, 0.4)
        missing = np.concatenate([seen, np.intersect1d(known, lost)])
        missing, high = stage(missing, high, self._wide_buffer, self._min_overlap)
        tentative, high = stage(tentative, high, self._wide_buffer, self._min_overlap)
        return pairs, high

    def _match(
        self, predicted: Floats, boxes: Floats, scores: Floats, rows: Rows, columns: Rows, buffer: float,
        floor: float,
    ) -> list[tuple[int, int]]:  # fmt: skip
        """The assignment with the largest total overlap, of pairs that overlap at least `floor`."""
        if not len(rows) or not len(columns):
            return []
        overlap = buffered_iou(predicted[rows], boxes[columns], buffer)
        gain = np.where(overlap >= floor, overlap * (0.5 + 0.5 * scores[columns])[None], 0.0)
        first, second = linear_sum_assignment(gain, maximize=True)
        good = gain[first, second] > 0
        return [(int(rows[i]), int(columns[j])) for i, j in zip(first[good], second[good], strict=True)]

    def _apply(
        self, pairs: Sequence[tuple[int, int]], boxes: Floats, scores: Floats, monotonic: float
    ) -> None:
        for record in self._records:
            record.detection = -1
        if not pairs:
            return
        rows = np.array([row for row, _ in pairs], np.intp)
        columns = np.array([column for _, column in pairs], np.intp)
        fixed = self._filter.correct(self._states.select(rows), boxes[columns], scores[columns])
        self._states.value[rows], self._states.rate[rows] = fixed.value, fixed.rate
        self._states.covariance[rows] = fixed.covariance
        for row, column in pairs:
            record = self._records[row]
            record.detection, record.score = column, float(scores[column])
            record.hits += 1
            record.last_monotonic = monotonic
            if record.state is not TrackState.TENTATIVE or record.hits >= self._confirm_hits:
                record.state = TrackState.CONFIRMED

    def _age(self, monotonic: float) -> None:
        for record in self._records:
            if record.detection >= 0:
                continue
            if record.state is TrackState.TENTATIVE or monotonic - record.last_monotonic > self._lost_seconds:
                record.state = TrackState.REMOVED
            else:
                record.state = TrackState.LOST

    def _newcomers(self, free: Rows, boxes: Floats, scores: Floats) -> Rows:
        """Strong free detections that are not a second box of somebody who is already followed."""
        free = free[scores[free] >= self._new_score]
        taken = [record.detection for record in self._records if record.detection >= 0]
        if len(free) and taken:
            double = buffered_iou(boxes[free], boxes[taken]).max(axis=1) > self._duplicate_iou
            free = free[~double]
        return free

    def _start(self, rows: Rows, boxes: Floats, scores: Floats, monotonic: float, captured_at: float) -> None:
        state = TrackState.CONFIRMED if self._confirm_hits <= 1 else TrackState.TENTATIVE
        started = self._filter.start(boxes[rows])
        self._states = self._states.append(started)
        for row, value in zip(rows, started.value, strict=True):
            self._count += 1
            self._records.append(
                _Record(self._count, state, float(scores[row]), captured_at, monotonic, monotonic,
                        (float(value[0]), float(value[1])), monotonic, detection=int(row))
            )  # fmt: skip

    def _report(self, boxes: Floats, monotonic: float) -> list[Track]:
        corners = from_centre(self._states.value).astype(np.float32)
        velocity = self._states.rate[:, :2].astype(np.float32)
        heights = np.maximum(self._states.value[:, 2:].max(axis=1, initial=1.0), 1.0)
        speeds = np.hypot(velocity[:, 0], velocity[:, 1]) / heights
        tracks = []
        for row, record in enumerate(self._records):
            stationary = self._stays(record, self._states.value[row], float(heights[row]), monotonic)
            seen = record.detection >= 0
            tracks.append(
                Track(
                    id=f"{int(record.started_at * 1000)}-{self._camera}-{record.number}",
                    number=record.number,
                    state=record.state,
                    box=corners[row],
                    detection_box=boxes[record.detection].astype(np.float32) if seen else None,
                    velocity=velocity[row],
                    score=record.score,
                    started_at=record.started_at,
                    first_monotonic=record.first_monotonic,
                    last_monotonic=record.last_monotonic,
                    hits=record.hits,
                    stationary=stationary,
                    speed=float(speeds[row]),
                )
            )
        return tracks

    @staticmethod
    def _stays(record: _Record, value: Floats, height: float, monotonic: float) -> bool:
        """Whether the centre has been within a quarter body height of one place for a second."""
        if np.hypot(value[0] - record.anchor[0], value[1] - record.anchor[1]) > 0.25 * height:
            record.anchor, record.anchor_since = (float(value[0]), float(value[1])), monotonic
        return monotonic - record.anchor_since >= 1.0


def _where(states: Sequence[TrackState], state: TrackState) -> Rows:
    return np.array([row for row, one in enumerate(states) if one is state], np.intp)
