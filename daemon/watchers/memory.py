"""What a watcher remembers of each person, over other ids and over tracks that break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from daemon.places import takes_over
from daemon.scene import Person, Scene
from tracker.tracks import rename

__all__ = ["TrackMemory"]

State = TypeVar("State")


@dataclass(slots=True)
class _Known(Generic[State]):
    """A person's state, and where (px) and when (monotonic seconds) the person was last seen."""

    state: State
    box: NDArray[np.float32]
    seen: float


class TrackMemory(Generic[State]):
    """One mutable state for each person.

    Args:
        make: makes the state of somebody new.
        keep: seconds for which somebody who is gone is remembered, in case a new track begins in the place.
    """

    def __init__(self, make: Callable[[], State], keep: float = 4.0) -> None:
        self._make, self._keep = make, keep
        self._known: dict[str, _Known[State]] = {}

    def update(self, scene: Scene) -> list[tuple[Person, State]]:
        """Takes the next scene; returns everybody who is seen, with the state to be brought up to date."""
        if scene.cut:
            self._known.clear()
        rename(self._known, scene.renamed)
        live, oldest = scene.live, scene.monotonic - self._keep
        self._known = {k: one for k, one in self._known.items() if k in live or one.seen >= oldest}
        people = scene.confirmed
        seen = {person.track.id for person in people}
        found = []
        for person in people:
            track = person.track
            known = self._known.get(track.id) or self._inherited(person, seen)
            self._known[track.id] = _Known(known.state, track.box, scene.monotonic)
            found.append((person, known.state))
        return found

    def items(self) -> Iterator[tuple[str, State]]:
        """Everybody who is remembered, seen or not: the track and the state."""
        return ((track, known.state) for track, known in self._known.items())

    def _inherited(self, person: Person, seen: set[str]) -> _Known[State]:
        for key, known in self._known.items():
            if key not in seen and takes_over(person.track, known.box, known.seen):
                return self._known.pop(key)
        return _Known(self._make(), person.track.box, 0.0)
