"""Whether everybody is still who they were: after people met, looks are compared with those from before.

While people hide each other, a tracker can only guess which box is whose. Once they are apart again and have
been seen well for some frames, all ways to give the names of those who met to the bodies that came out are
compared by looks, and names that went to the wrong body are handed over. Who is new is compared with those
who were lost near by in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from tracker.appearance import AppearanceSpace
from tracker.assignment import linear_sum_assignment
from tracker.matching import shared_of_smaller
from tracker.tracks import Identity, Record, TrackState

__all__ = ["Identities"]

Floats = NDArray[np.float64]
Looks = NDArray[np.float32]

_MEET = 0.25  # share of the smaller box in the other, from which two people may be mixed up
_LOOKS_RATE = 0.1  # of a new look in what a person is remembered by
_NEAR = 1.5  # body heights from somebody new, within which another may have taken their name
_ENOUGH = 5  # looks after a meeting from which a body can be judged,
_FEW, _FEW_SECONDS = 3, 0.5  # or fewer that are further apart: they tell more than those of one moment
_PATIENCE = 2.0  # seconds that somebody waits for the others of a meeting to be seen well
_STAY = 0.15  # likeness by which another name must fit better than the one that a body has
_STAY_HIDDEN = 0.25  # the same where the other one is not seen now
_NEWCOMER = 0.8  # likeness with somebody lost, from which somebody new is them


class Identities:
    """Remembers looks and meetings of the people of one camera."""

    def __init__(self) -> None:
        self._space = AppearanceSpace()

    def similarity(self, records: Sequence[Record], appearance: Looks | None, found: int) -> Floats:
        """Likeness (tracks, `found` detections) in -1..1; 0 where a track's looks are not known."""
        result = np.zeros((len(records), found))
        known = [row for row, record in enumerate(records) if record.person.looks is not None]
        if appearance is not None and known:
            looks = np.array([records[row].person.looks for row in known], np.float32)
            result[known] = self._space.similarity(looks, appearance)
        return result

    def learn(
        self, records: Sequence[Record], appearance: Looks, clear: NDArray[np.bool_], monotonic: float
    ) -> None:
        """Takes the looks (N, 120) of detections that are seen well, `clear` (N,), into the memories."""
        self._space.learn(appearance[clear])
        for record in records:
            if record.detection >= 0 and clear[record.detection]:
                look = appearance[record.detection]
                if record.met:
                    if not record.fresh_count:
                        record.fresh_since = monotonic
                    record.fresh_count += 1
                    record.fresh = _mixed(record.fresh, look, 1.0 / record.fresh_count)
                else:
                    person = record.person
                    person.looks_count += 1
                    person.looks = _mixed(person.looks, look, max(_LOOKS_RATE, 1.0 / person.looks_count))

    def meet(self, records: Sequence[Record], boxes: Floats) -> None:
        """Notes who may be mixed up with whom, by the tracks' boxes (N, 4)."""
        if len(records) < 2:
            return
        # With everybody beside themselves, and each pair twice.
        first, second = np.nonzero(shared_of_smaller(boxes) > _MEET)
        if len(first) > len(records):
            for one, two in zip(first.tolist(), second.tolist(), strict=True):
                if one < two:
                    _meeting(records[one], records[two])

    def welcome(self, records: Sequence[Record], boxes: Floats, monotonic: float) -> None:
        """Notes that who is new may be somebody who is lost, or whose name another near by took.

        Args:
            records: the bodies.
            boxes: (N, 4) theirs in px.
            monotonic: seconds of the frame.
        """
        new = [row for row, record in enumerate(records) if record.born == monotonic]
        if not new:
            return
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        for row in new:
            height = max(float(boxes[row, 3] - boxes[row, 1]), 1.0)
            near = np.hypot(*(centres - centres[row]).T) < _NEAR * height
            for other, record in enumerate(records):
                unsure = bool(record.met) and record.state is TrackState.CONFIRMED and near[other]
                if record.state is TrackState.LOST or unsure:
                    records[row].met.add(record)
                    record.met.add(records[row])

    def forget(self, kept: Sequence[Record]) -> None:
        """Takes whoever is not among the kept out of their meetings: those are over."""
        live = set(kept)
        for record in kept:
            if record.met and not record.met <= live:
                record.met &= live
                if not record.met:
                    _settle(record)

    def judge(
        self, records: Sequence[Record], reach: Callable[[], NDArray[np.bool_]], monotonic: float
    ) -> None:
        """Compares everybody of a meeting that is over, and hands names over where they fit better.

        Args:
            records: the bodies.
            reach: gives (N, N) bool, whether body `row` may be the lost person `column` by place and size.
            monotonic: seconds of the frame.
        """
        place = {record: row for row, record in enumerate(records)}
        for record in records:
            if not _ready(record, monotonic):
                continue
            if record.ready_since is None:
                record.ready_since = monotonic
            others = _together(record, place.keys())
            waits = any(
                other.state is TrackState.CONFIRMED and not _ready(other, monotonic) for other in others
            )
            if waits and monotonic - record.ready_since < _PATIENCE:
                continue
            bodies = [record, *(other for other in others if _ready(other, monotonic))]
            lost = [other for other in others if _lost(other)]
            rows, columns = [place[body] for body in bodies], [place[other] for other in lost]
            possible = reach()[np.ix_(rows, columns)] if lost else np.zeros((len(rows), 0), bool)
            self._compare(bodies, lost, possible)
            for body in bodies:
                person, fresh = body.person, body.fresh
                assert fresh is not None
                person.looks = _mixed(person.looks, fresh, 0.3 if person.looks is not None else 1.0)
                person.looks_count += body.fresh_count
                _settle(body)

    def _compare(self, bodies: list[Record], lost: list[Record], reach: NDArray[np.bool_]) -> None:
        """Gives the names of bodies and lost to the bodies, by their fresh looks."""
        everybody = [*bodies, *lost]
        if len(everybody) < 2:
            return
        fresh = np.array([body.fresh for body in bodies], np.float32)
        nobody = np.zeros(fresh.shape[1], np.float32)
        looks = [record.person.looks for record in everybody]
        known = np.array([look is not None for look in looks])
        gain = self._space.similarity(
            fresh, np.array([nobody if look is None else look for look in looks])
        ).astype(np.float64)
        gain[:, ~known] = -1.0
        count = len(bodies)
        gain[:, count:][~reach] = -2.0
        own = np.arange(count)
        gain[own, own] += _STAY_HIDDEN if lost else _STAY
        gain[own[~known[:count]], own[~known[:count]]] = _NEWCOMER
        rows, columns = linear_sum_assignment(gain, maximize=True)
        persons = [record.person for record in everybody]
        taken = set(columns.tolist())
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            _name(bodies[row], persons[column])
        # Whose name a body took gets the one that this left over.
        nameless = [record for number, record in enumerate(lost, count) if number in taken]
        left = [persons[number] for number in range(count) if number not in taken]
        for record, person in zip(nameless, left, strict=True):
            _name(record, person)
            if person.looks is None:  # somebody new, who was known after all
                record.state = TrackState.REMOVED


def _name(record: Record, person: Identity) -> None:
    if record.person is not person:
        record.was = record.person.id
        record.person = person


def _mixed(old: Looks | None, new: Looks, rate: float) -> Looks:
    return new if old is None else old + (new - old) * np.float32(rate)


def _meeting(first: Record, second: Record) -> None:
    if TrackState.REMOVED in (first.state, second.state):
        return
    first.met.add(second)
    second.met.add(first)
    for record in (first, second):
        _look_anew(record)


def _look_anew(record: Record) -> None:
    """Looks are gathered from here on."""
    record.fresh, record.fresh_count, record.ready_since = None, 0, None


def _ready(record: Record, monotonic: float) -> bool:
    """Whether a body that met others was seen well often enough since."""
    few = record.fresh_count >= _FEW and monotonic - record.fresh_since >= _FEW_SECONDS
    enough = few or record.fresh_count >= _ENOUGH
    return enough and bool(record.met) and record.state is TrackState.CONFIRMED


def _lost(record: Record) -> bool:
    return record.state is TrackState.LOST and record.person.looks is not None


def _together(record: Record, live: Collection[Record]) -> list[Record]:
    """Everybody live who met this body, or somebody who did, and so on; without the body itself."""
    found, new = {record}, [record]
    while new:
        new = [other for one in new for other in one.met if other in live and other not in found]
        found.update(new)
    return sorted(found - {record}, key=lambda other: other.person.number)


def _settle(record: Record) -> None:
    record.met.clear()
    _look_anew(record)
