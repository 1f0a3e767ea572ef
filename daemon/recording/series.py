"""What was read of each person during a take: never of two people in one series."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from classifier.recording import usable
from daemon.scene import Person, Scene
from tracker.association import TrackState
from tracker.matching import shared_of_smaller

__all__ = ["Series", "SeriesLog"]

_MEET = 0.2  # share of the smaller box in another from which two may be mixed up; the tracker's own is 0.25
_MEETING = 3.0  # seconds between two meetings that count as one: so long the tracker compares looks


@dataclass(slots=True, eq=False)
class Series:
    """Poses of one body in the order of time.

    Attributes:
        number: of the track, as previews and other outputs show it.
        track: id of the track.
        width: of the image in px.
        height: of the image in px.
        times: monotonic seconds.
        indices: numbers of the frames in the stream.
        landmarks: (33, 4) float32 each, x and z in image widths, y in image heights, visibility.
        boxes: (4,) float32 each, left, top, right, bottom in px.
        met: whether somebody else's box was on the person's.
        ended: why nothing more is added; empty while it goes on.
    """

    number: int
    track: str
    width: int
    height: int
    times: list[float] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    landmarks: list[npt.NDArray[np.float32]] = field(default_factory=list)
    boxes: list[npt.NDArray[np.float32]] = field(default_factory=list)
    met: list[bool] = field(default_factory=list)
    ended: str = ""

    @property
    def seconds(self) -> float:
        """From the first pose to the last."""
        return self.times[-1] - self.times[0] if self.times else 0.0

    def cut(self, count: int) -> None:
        """Forgets everything but the first poses."""
        for values in (self.times, self.indices, self.landmarks, self.boxes, self.met):
            del values[count:]

    def before_meeting(self, now: float) -> int:
        """Poses from before the person last met somebody; all where that was not lately."""
        start, after = len(self.times), now
        for place in range(len(self.times) - 1, -1, -1):
            if after - self.times[place] > _MEETING:
                break
            if self.met[place]:
                start, after = place, self.times[place]
        return start


class SeriesLog:
    """Collects the poses of everybody, body by body.

    A series ends where the person is out of sight for long, the scene or the size of the picture changes, or
    the name goes to another body. In the last case it ends before the two met, because in between nobody
    knows whose poses they are.

    Args:
        lost: seconds out of sight that end a series.
        only: number of the one person who is wanted; None collects of everybody.

    Attributes:
        only: the same, for those who come from now on.
        frames: number in the stream and time of every frame since the oldest series began.
        seen: numbers of everybody of whom there was a pose, wanted or not.
    """

    def __init__(self, lost: float, *, only: int | None = None) -> None:
        self.frames: list[tuple[int, float]] = []
        self.seen: set[int] = set()
        self.closed: list[Series] = []
        self._lost = lost
        self._open: dict[str, Series] = {}
        self._since: dict[str, float] = {}  # when each body was first seen, by the id it has now
        self.only = only
        self._kept: Series | None = None

    @property
    def series(self) -> list[Series]:
        """Every series, those that have ended first."""
        return [*self.closed, *self._open.values()]

    def keep(self, series: Series) -> None:
        """From here on collects of this one only and forgets the others."""
        self._kept = series
        self.closed = [one for one in self.closed if one is series]
        self._open = {key: one for key, one in self._open.items() if one is series}

    def restart(self) -> None:
        """Collects of everybody again, from here on."""
        self._kept = None
        self.closed, self._open = [], {}

    def add(self, index: int, scene: Scene) -> None:
        """Takes a frame; `index` is its number in the stream."""
        if not self._open and not self.closed:
            self.frames.clear()
        self.frames.append((index, scene.monotonic))
        if scene.cut:
            self.finish("the picture changed to another scene")
        for key, one in list(self._open.items()):
            if (one.width, one.height) != (scene.width, scene.height):
                self._end(key, "the picture changed its size")
        if scene.renamed:
            self._rename(scene)
        for person in scene.people:
            self._since.setdefault(person.track.id, scene.monotonic)
        met = _meetings(scene)
        for person in scene.people:
            if person.track.state is TrackState.REMOVED:
                self._end(person.track.id, "the person left the picture")
            else:
                self._add(index, person, scene, person.track.id in met)
        for key, one in list(self._open.items()):
            if scene.monotonic - one.times[-1] > self._lost:
                self._end(key, f"the person was out of sight for {self._lost:g} s")

    def finish(self, reason: str) -> None:
        """Ends every series."""
        for key in list(self._open):
            self._end(key, reason)

    def _add(self, index: int, person: Person, scene: Scene, met: bool) -> None:
        track = person.track
        if person.pose is None or track.last_monotonic != scene.monotonic:
            return
        size = np.array([scene.width, scene.height, scene.width, 1.0])
        shares = np.asarray(person.pose.landmarks / size, np.float32)
        if not usable(shares[None]).all():
            return
        self.seen.add(track.number)
        one = self._open.get(track.id)
        if one is None:
            if self._kept is not None or self.only not in (None, track.number):
                return
            one = self._open[track.id] = Series(track.number, track.id, scene.width, scene.height)
        one.times.append(scene.monotonic)
        one.indices.append(index)
        one.landmarks.append(shares)
        one.boxes.append(track.box)
        one.met.append(met)

    def _end(self, key: str, reason: str) -> None:
        one = self._open.pop(key, None)
        if one is not None:
            one.ended = reason
            self.closed.append(one)

    def _rename(self, scene: Scene) -> None:
        """Bodies have other names from this frame on."""
        numbers = {person.track.id: person.track.number for person in scene.people}
        bodies = {old: self._open.get(old) for old in scene.renamed}
        since = {new: self._since.get(old, scene.monotonic) for old, new in scene.renamed.items()}
        moved: dict[str, Series] = {}
        for old, new in scene.renamed.items():
            body, named = bodies[old], self._open.get(new)
            for key, one in ((old, body), (new, named)):
                if one is not None and (start := one.before_meeting(scene.monotonic)) < len(one.times):
                    one.cut(start)
                    self._end(key, f"track {one.number} went over to another body where they met")
            # Nobody was near: somebody who seemed to be new may be somebody who was lost before.
            again = named is not None and not named.ended and named.times[-1] < since[new]
            if named is not None and not again and new not in scene.renamed:
                self._end(new, f"the name of track {named.number} went to another body")
            if body is None or body.ended:
                continue
            del self._open[old]
            if again and named is not None:
                _append(named, body)
            else:
                body.number, body.track = numbers.get(new, body.number), new
                moved[new] = body
        for new, body in moved.items():
            self._end(new, f"the name of track {body.number} went to another body")
            self._open[new] = body
        self._since |= since


def _append(first: Series, second: Series) -> None:
    first.times += second.times
    first.indices += second.indices
    first.landmarks += second.landmarks
    first.boxes += second.boxes
    first.met += second.met


def _meetings(scene: Scene) -> set[str]:
    """Ids of people whose boxes share much with another's."""
    tracks = [one.track for one in scene.people if one.track.state is not TrackState.REMOVED]
    if len(tracks) < 2:
        return set()
    share = shared_of_smaller(np.array([track.box for track in tracks], np.float64))
    np.fill_diagonal(share, 0.0)
    return {track.id for track, most in zip(tracks, share.max(axis=1), strict=True) if most >= _MEET}
