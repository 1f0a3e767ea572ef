"""One situation: what has been seen of it, from the first observation on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daemon.messages import plain
from daemon.scene import Person, Scene
from daemon.watchers import Key, Observation

__all__ = ["Box", "Sample", "Situation"]

_MAX_SAMPLES = 32  # kept of the evidence; halved by leaving out every second when full
_MAX_TRACKS = 16  # remembered, those seen last
_MAX_ZONES = 8

Box: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one frame showed.

    Attributes:
        offset: seconds since the start of the situation.
        score: of the evidence.
        frame: number of the frame.
        time: of the frame in UTC epoch seconds.
        speed: of the fastest of its people in body heights a second; None without people.
        visibility: 0..1, mean of the landmarks of its people's poses; None without a pose.
    """

    offset: float
    score: float
    frame: int
    time: float
    speed: float | None
    visibility: float | None


@dataclass(slots=True, eq=False)
class Situation:
    """What has been seen of one situation. An alert is raised for it when it has an `id`.

    Attributes:
        keys: of the observations that belong to it: the first one's, and those of tracks that took over.
        since: monotonic seconds of the first observation.
        start_time: the same in UTC epoch seconds.
        last: monotonic seconds of the last observation that counts.
        last_time: the same in UTC epoch seconds.
        held: monotonic seconds of the last observation.
        box: (4,) px where the person was then.
        boxes: in 0..1 of the image where each track was last seen; the one seen last is the last.
        place: in 0..1 of the image, where it is of a place and not of a person.
        zones: when it was first in each, in seconds since the start; in the order in which they came up.
        action: label with the best score.
        best: that score.
        observations: frames that count.
        samples: of some of these, evenly over the whole time.
        facts: what else the observations say; what is True once stays so.
        id: of the alert.
        seq: number of the alert's next message.
    """

    keys: set[Key]
    since: float
    start_time: float
    last: float = float("-inf")
    last_time: float = 0.0
    held: float = float("-inf")
    box: Box | None = None
    boxes: dict[str, list[float]] = field(default_factory=dict)
    place: list[float] | None = None
    zones: dict[str, float] = field(default_factory=dict)
    action: str | None = None
    best: float = 0.0
    observations: int = 0
    samples: list[Sample] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    seq: int = 0
    _stride: int = 1

    @property
    def raised(self) -> bool:
        """Whether there is an alert for it."""
        return self.id is not None

    @property
    def owners(self) -> set[str]:
        """Tracks of the person whose situation it is; empty for a group."""
        return {track for track, _ in self.keys if track}

    def add(self, seen: Observation, scene: Scene, people: Mapping[str, Person]) -> None:
        """Takes an observation; `people` are those of the scene who are confirmed, by track."""
        self.held, self.box = scene.monotonic, seen.box
        if seen.box is not None:
            self.place = scene.shares(seen.box)
        elif seen.tracks:
            self.box = people[seen.tracks[0]].track.box
        for track in seen.tracks:
            self.boxes.pop(track, None)
            self.boxes[track] = scene.shares(people[track].track.box)
        for track in list(self.boxes)[:-_MAX_TRACKS]:
            del self.boxes[track]
        for name, value in seen.facts.items():
            self.facts[name] = self.facts.get(name) is True or value
        if not seen.counts:
            return
        if self.last < scene.monotonic:  # one sample a frame, however many tracks
            if self.observations % self._stride == 0:
                self._sample(seen, scene, [people[track] for track in seen.tracks])
            self.observations += 1
        self.last, self.last_time = scene.monotonic, scene.captured_at
        if self.action is None or seen.score >= self.best:
            self.action = seen.action
        self.best = max(self.best, seen.score)
        for zone in seen.zones[: _MAX_ZONES - len(self.zones)]:
            self.zones.setdefault(zone, plain(scene.monotonic - self.since, 2))

    def _sample(self, seen: Observation, scene: Scene, people: list[Person]) -> None:
        visible = [float(one.pose.landmarks[:, 3].mean()) for one in people if one.pose is not None]
        self.samples.append(
            Sample(
                offset=plain(scene.monotonic - self.since, 2),
                score=plain(seen.score),
                frame=scene.index,
                time=plain(scene.captured_at),
                speed=plain(max(one.track.speed for one in people), 2) if people else None,
                visibility=plain(sum(visible) / len(visible), 2) if visible else None,
            )
        )
        if len(self.samples) > _MAX_SAMPLES:
            self.samples, self._stride = self.samples[::2], self._stride * 2
