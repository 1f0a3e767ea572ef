"""Following people from frame to frame: detections in, tracks with lasting ids out.

A motion filter says where everybody should be (`tracker.kalman`), all evidence together who is which
detection (`tracker.pairing`), and looks, once people who met are apart again, whether everybody still has the
right name (`tracker.identity`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.identity import Identities
from tracker.kalman import BoxFilter, BoxStates, from_centre
from tracker.matching import buffered_iou
from tracker.pairing import Pairing, reachable
from tracker.second_boxes import is_second_box, remember_second_boxes
from tracker.seen import Seen, look_at
from tracker.tracks import Identity, Record, Track, TrackState

if TYPE_CHECKING:
    from tracker.detector import Detections

__all__ = ["Track", "TrackState", "Tracker"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_CARRY_LIKENESS = 0.5  # OKS of a pose with the one expected, from which it stands in for a detection
_FOLLOWED_SCORE = 0.6  # what a box from a pose is trusted as
_QUALITY_SECONDS = 2.0  # in which what was seen falls to 1/e in a track's quality
_CLEAR = 0.3  # share of a box covered by others, up to which it shows its person
_UPRIGHT = 0.85  # width over height up to which the bands of a look are head, chest ... feet


class Tracker:
    """Follows the people of one camera.

    Args:
        camera: name of the camera, part of every id.
        high_score: detections from this score are matched first.
        low_score: detections from this score may continue a track, never start one.
        new_score: a detection needs this score to start a track; higher gives fewer false people, later.
        confirm_hits: frames with a match in a row before a track counts as a person.
        sure_score: mean score from which these hits are enough; below it a person stays tentative for
            `doubt_seconds`, as things that look a little like people do.
        doubt_seconds: see `sure_score`; shorter reports weakly seen people sooner, and more things.
        lost_seconds: who is hidden for longer gets a new id; longer keeps more ids and risks mix-ups.
        buffer: growth of boxes in the main stage, a share of their size; larger allows faster motion.
        wide_buffer: growth in the last stage, for strong detections that nothing else explains.
        min_overlap: buffered IoU below which a track and a detection are never matched.
        looks: weight of likeness against overlap where several pairs are possible; 0 goes by place alone.
        poses: weight of where a person's pose was seen, against where the box is expected.
        same_looks: likeness (cosine) from which somebody lost is known again out of place; higher is surer.
        duplicate_iou: a detection that overlaps a matched track more than this starts no track.
        carry_seconds: for so long a pose that is where it should be stands in for a missing detection.
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
        sure_score: float = 0.62,
        doubt_seconds: float = 5.0,
        lost_seconds: float = 4.0,
        buffer: float = 0.2,
        wide_buffer: float = 0.5,
        min_overlap: float = 0.15,
        looks: float = 0.4,
        poses: float = 0.4,
        same_looks: float = 0.8,
        duplicate_iou: float = 0.6,
        carry_seconds: float = 1.0,
        box_filter: BoxFilter | None = None,
    ) -> None:
        self._camera = camera
        self._high_score, self._new_score = high_score, new_score
        self._confirm_hits, self._lost_seconds = confirm_hits, lost_seconds
        self._sure_score, self._doubt_seconds = sure_score, doubt_seconds
        self._pairing = Pairing(
            high_score=high_score,
            low_score=low_score,
            confirm_hits=confirm_hits,
            buffer=buffer,
            wide_buffer=wide_buffer,
            min_overlap=min_overlap,
            looks=looks,
            same_looks=same_looks,
            poses=poses,
        )
        self._identities = Identities()
        self._duplicate_iou, self._carry_seconds = duplicate_iou, carry_seconds
        self._filter = box_filter or BoxFilter()
        self._states = BoxStates()
        self._records: list[Record] = []
        self._monotonic: float | None = None
        self._detected: float | None = None
        self._count = 0

    def update(
        self,
        detections: Detections,
        *,
        monotonic: float,
        captured_at: float,
        appearance: NDArray[np.float32] | None = None,
        poses: Mapping[str, tuple[NDArray[np.float32], float]] | None = None,
        coasting: Set[str] = frozenset(),
    ) -> list[Track]:
        """Takes the detections of the next frame.

        Args:
            detections: people of this frame.
            monotonic: seconds of the frame; drives the motion.
            captured_at: UTC epoch seconds of the frame; goes into the ids.
            appearance: (N, 120) float32 of `tracker.appearance.describe` for them; None goes by motion alone.
            poses: by id, the box (4,) px that the person's pose leads to and its likeness (OKS) 0..1 with the
                pose expected, of those whose poses were followed.
            coasting: ids of those whose poses were not read: who is not detected goes on as predicted.

        Returns:
            Tracks that live in this frame (tentative, confirmed, lost), and once those just removed.
        """
        seen = look_at(detections, appearance)
        # 1. Where everybody should be by now.
        self._advance(monotonic)
        # 2. Who is which detection.
        rows, columns, free = self._pairing.pair(
            self._records, self._states.value, seen, self._identities, poses or {}, monotonic
        )
        self._apply(rows, columns, seen, monotonic)
        self._carry(poses or {}, coasting, monotonic)
        # 3. Lost and removed.
        self._age(monotonic)
        # 4. New people.
        newcomers = self._newcomers(free, seen, monotonic)
        self._start(newcomers, seen.boxes, seen.scores, monotonic, captured_at)
        # 5. Whether everybody is still who they were.
        boxes = from_centre(self._states.value)
        if seen.appearance is not None:
            self._identify(boxes, seen, monotonic)
        # 6. The report.
        self._rate(monotonic)
        return self._report(boxes, seen.boxes, monotonic)

    def predict(self, monotonic: float) -> dict[str, NDArray[np.float32]]:
        """Boxes (4,) float32 in px where the people who are followed should be at this time, by id."""
        self._advance(monotonic)
        boxes = from_centre(self._states.value).astype(np.float32)
        return {
            record.person.id: box
            for record, box in zip(self._records, boxes, strict=True)
            if record.state is TrackState.CONFIRMED
        }

    def follow(
        self,
        boxes: Mapping[str, NDArray[np.float32]],
        *,
        monotonic: float,
        coasting: Set[str] = frozenset(),
    ) -> list[Track]:
        """Takes a frame in which nothing was detected: people moved as their poses did.

        Args:
            boxes: (4,) px of those whose poses were followed, by id; the others go on as predicted.
            monotonic: seconds of the frame.
            coasting: ids of those whose poses were not asked, as they are steady: they count as seen.

        Returns:
            The same tracks as before; nobody is new, lost or removed by such a frame.
        """
        self._advance(monotonic)
        for record in self._records:
            record.detection, record.was = -1, None
        found = {
            row: boxes[record.person.id]
            for row, record in enumerate(self._records)
            if record.person.id in boxes
        }
        self._place(found, monotonic)
        for record in self._records:
            if record.person.id in coasting and record.state is TrackState.CONFIRMED:
                record.last_monotonic = monotonic
        return self._report(from_centre(self._states.value), np.zeros((0, 4)), monotonic)

    def _advance(self, monotonic: float) -> None:
        elapsed = 0.0 if self._monotonic is None else monotonic - self._monotonic
        self._monotonic = monotonic
        self._states = self._filter.predict(self._states, elapsed)

    def _correct(self, rows: Rows, boxes: Floats, scores: Floats) -> None:
        fixed = self._filter.correct(self._states.select(rows), boxes, scores)
        self._states.value[rows], self._states.rate[rows] = fixed.value, fixed.rate
        self._states.covariance[:, rows] = fixed.covariance

    def _place(self, found: Mapping[int, NDArray[np.float32]], monotonic: float) -> None:
        """Takes boxes (4,) that poses lead to, by row, as seen."""
        if not found:
            return
        rows, boxes = np.array([*found], np.intp), np.array([*found.values()], np.float64)
        self._correct(rows, boxes, np.full(len(rows), _FOLLOWED_SCORE))
        for row in found:
            self._records[row].last_monotonic = monotonic

    def reset(self) -> None:
        """Ends everybody, as after a cut: the next report has all as removed."""
        for record in self._records:
            record.state = TrackState.REMOVED

    def merge(self, doubles: Mapping[str, str]) -> None:
        """Ends second tracks on one body: the next report has them as removed, and nobody starts there again.

        Args:
            doubles: by the id of each second track that of the first.
        """
        remember_second_boxes(doubles, self._records, self._states.value, self._monotonic or 0.0)

    @property
    def unsettled(self) -> bool:
        """Whether people met of late, and it is not yet known who came out as whom."""
        return any(record.met for record in self._records if record.state is TrackState.CONFIRMED)

    def _identify(self, boxes: Floats, seen: Seen, monotonic: float) -> None:
        assert seen.appearance is not None
        size = seen.boxes[:, 2:] - seen.boxes[:, :2]
        upright = size[:, 0] <= _UPRIGHT * size[:, 1]
        clear = (seen.scores >= self._high_score) & (seen.covered < _CLEAR) & upright
        self._identities.welcome(self._records, boxes, monotonic)
        self._identities.learn(self._records, seen.appearance, clear, monotonic)
        self._identities.meet(self._records, boxes)
        value = self._states.value
        self._identities.judge(
            self._records, lambda: reachable(self._records, value, value, monotonic).T, monotonic
        )

    def _apply(self, rows: Rows, columns: Rows, seen: Seen, monotonic: float) -> None:
        for record in self._records:
            record.detection, record.was = -1, None
        if not len(rows):
            return
        self._correct(rows, seen.boxes[columns], seen.scores[columns])
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            record = self._records[row]
            record.detection, record.score = column, float(seen.scores[column])
            record.hits += 1
            record.person.hits += 1
            record.total_score += record.score
            record.last_monotonic = record.last_detected = monotonic
            if record.state is not TrackState.TENTATIVE or self._is_person(record):
                record.state = TrackState.CONFIRMED

    def _carry(
        self,
        poses: Mapping[str, tuple[NDArray[np.float32], float]],
        coasting: Set[str],
        monotonic: float,
    ) -> None:
        """Keeps people whom the detector misses for a moment, while their pose is where it should be."""
        found = {}
        for row, record in enumerate(self._records):
            if record.detection >= 0 or record.state is not TrackState.CONFIRMED:
                continue
            if monotonic - record.last_detected > self._carry_seconds:
                continue
            box, likeness = poses.get(record.person.id, (None, 0.0))
            if box is not None and likeness >= _CARRY_LIKENESS:
                found[row] = box
            elif record.person.id in coasting:
                record.last_monotonic = monotonic
        self._place(found, monotonic)

    def _is_person(self, record: Record) -> bool:
        """Whether a tentative track has been seen often and surely enough, or for long."""
        if record.hits < self._confirm_hits:
            return False
        mean = record.total_score / record.hits
        waited = record.last_monotonic - record.born
        return mean >= self._sure_score or (mean >= self._new_score and waited >= self._doubt_seconds)

    def _age(self, monotonic: float) -> None:
        for record in self._records:
            carried = record.last_monotonic == monotonic and record.state is TrackState.CONFIRMED
            if record.detection >= 0 or carried or record.state is TrackState.REMOVED:
                continue
            if record.state is TrackState.TENTATIVE or monotonic - record.last_monotonic > self._lost_seconds:
                record.state = TrackState.REMOVED
            else:
                record.state = TrackState.LOST

    def _rate(self, monotonic: float) -> None:
        """Takes a frame in which the detector ran into everybody's quality."""
        passed = 0.0 if self._detected is None else max(monotonic - self._detected, 0.0)
        self._detected = monotonic
        fading = math.exp(-passed / _QUALITY_SECONDS)
        for record in self._records:
            score = record.score if record.detection >= 0 else 0.0
            record.quality += (score - record.quality) * (1.0 - fading)

    def _newcomers(self, free: Rows, seen: Seen, monotonic: float) -> Rows:
        """Strong free detections that are not a second box of somebody who is already followed."""
        free, boxes = free[seen.scores[free] >= self._new_score], seen.boxes
        taken = [record.detection for record in self._records if record.detection >= 0]
        if len(free) and taken:
            double = buffered_iou(boxes[free], boxes[taken]).max(axis=1) > self._duplicate_iou
            free = free[~double]
        return free[~is_second_box(boxes[free], self._records, self._states.value, monotonic)]

    def _start(self, rows: Rows, boxes: Floats, scores: Floats, monotonic: float, captured_at: float) -> None:
        if not len(rows):
            return
        started = self._filter.start(boxes[rows])
        self._states = self._states.append(started)
        for row, value in zip(rows, started.value, strict=True):
            self._count += 1
            self._records.append(
                Record(
                    person=Identity(
                        id=f"{int(captured_at * 1000)}-{self._camera}-{self._count}",
                        number=self._count,
                        started_at=captured_at,
                        first_monotonic=monotonic,
                    ),
                    state=TrackState.TENTATIVE,
                    score=float(scores[row]),
                    born=monotonic,
                    last_monotonic=monotonic,
                    last_detected=monotonic,
                    anchor=(float(value[0]), float(value[1])),
                    anchor_since=monotonic,
                    total_score=float(scores[row]),
                    quality=float(scores[row]),
                    detection=int(row),
                )
            )
            if self._is_person(self._records[-1]):
                self._records[-1].state = TrackState.CONFIRMED

    def _report(self, boxes: Floats, detections: Floats, monotonic: float) -> list[Track]:
        corners = boxes.astype(np.float32)
        velocity = self._states.rate[:, :2].astype(np.float32)
        heights = np.maximum(self._states.value[:, 2:].max(axis=1, initial=1.0), 1.0)
        speeds = np.hypot(velocity[:, 0], velocity[:, 1]) / heights
        places, tall, fast = self._states.value.tolist(), heights.tolist(), speeds.tolist()
        detected = detections.astype(np.float32)
        tracks = []
        for row, record in enumerate(self._records):
            person = record.person
            tracks.append(
                Track(
                    person.id,
                    person.number,
                    record.state,
                    corners[row],
                    detected[record.detection] if record.detection >= 0 else None,
                    velocity[row],
                    record.score,
                    person.started_at,
                    person.first_monotonic,
                    record.last_monotonic,
                    person.hits,
                    self._stays(record, places[row], tall[row], monotonic),
                    fast[row],
                    record.quality,
                    record.was,
                )
            )
        # The removed are reported once.
        keep = np.array([record.state is not TrackState.REMOVED for record in self._records], bool)
        if not keep.all():
            self._states = self._states.select(keep)
            self._records = [record for record, kept in zip(self._records, keep, strict=True) if kept]
            self._identities.forget(self._records)
        return tracks

    @staticmethod
    def _stays(record: Record, value: list[float], height: float, monotonic: float) -> bool:
        """Whether the centre has been within a quarter body height of one place for a second."""
        if math.dist(value[:2], record.anchor) > 0.25 * height:
            record.anchor, record.anchor_since = (value[0], value[1]), monotonic
        return monotonic - record.anchor_since >= 1.0
