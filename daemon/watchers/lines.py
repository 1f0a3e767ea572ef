"""People who cross a line."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from daemon.config.rules import LineCrossingRule
from daemon.messages import plain
from daemon.polygons import feet_of
from daemon.scene import Scene
from daemon.watchers.base import Key, Observation, Watcher, of_person
from daemon.watchers.memory import TrackMemory

__all__ = ["LineCrossing", "crossings", "distance"]

_CLEAR = 0.05  # body heights from the line from which a person is clearly on one side
_TOLERANCE = 1e-6
_NAMES = {1: "left_to_right", -1: "right_to_left"}

Floats = NDArray[np.float64]


def crossings(line: Floats, start: Floats, end: Floats) -> int:
    """How often a step crosses a line from its left to its right, less the crossings back.

    Left and right are those of somebody who walks along the line, the image taken as a map. What lies exactly
    on the line or goes exactly through a corner is taken as if all feet were a hair to the right and, less
    still, down: so that every way crosses as often as it must, whatever its points.

    Args:
        line: (N, 2) points in their order.
        start: (2,) where the step begins.
        end: (2,) where it ends.
    """
    first, along = line[:-1], np.diff(line, axis=0)
    step = end - start
    # On an image, whose y goes down, the cross product is positive on the right.
    right = np.where(along[:, 1] != 0, along[:, 1] < 0, along[:, 0] > 0)  # of the hair
    before = _positive(_cross(along, start - first), right)
    after = _positive(_cross(along, end - first), right)
    # On which side of the step the line's points are.
    beyond = step[1] > 0 if step[1] != 0 else step[0] < 0
    ends = _positive(_cross(step, line - start), np.full(len(line), beyond))
    return int(((before != after) & (ends[:-1] != ends[1:])) @ np.where(after, 1, -1))


def distance(line: Floats, point: Floats) -> float:
    """From a point (2,) to the nearest of a line (N, 2)."""
    first, along = line[:-1], np.diff(line, axis=0)
    share = ((point - first) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-12)
    nearest = first + np.clip(share, 0.0, 1.0)[:, None] * along
    return float(np.linalg.norm(nearest - point, axis=1).min())


def _positive(values: Floats, zero: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which values are above 0; `zero` says it of those that are exactly 0."""
    return np.where(values != 0.0, values > 0.0, zero)


def _cross(one: Floats, other: Floats) -> Floats:
    return np.asarray(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0])


@dataclass(slots=True)
class _Walk:
    """A person's way.

    Attributes:
        point: (2,) px where the feet were last.
        clear: whether they have been clearly on one side.
        crossed: crossings to the right less those to the left since then.
        waiting: direction (1 to the right) and monotonic seconds of a crossing that must still last.
    """

    point: Floats | None = None
    clear: bool = False
    crossed: int = 0
    waiting: tuple[int, float] | None = None


class LineCrossing(Watcher):
    """A person whose feet were clearly on one side of a line and are now clearly on the other.

    What happens on the line itself, where boxes tremble, is summed up: who turns back there has not crossed,
    and who crosses has crossed once. The ends of the line are ends: one may walk around them.
    """

    def __init__(self, rule: LineCrossingRule) -> None:
        super().__init__(rule)
        self.gap, self.wait = max(rule.clear, 1.0), 0.0
        self._line, self._direction = np.asarray(rule.line, np.float64), rule.direction
        self._walks: TrackMemory[_Walk] = TrackMemory(_Walk)

    def observe(self, scene: Scene, open_keys: frozenset[Key]) -> list[Observation]:  # noqa: ARG002
        """Those who have crossed just now; the facts are the direction and the place."""
        size = np.array([scene.width, scene.height], np.float64)
        found = []
        for person, walk in self._walks.update(scene):
            box = person.track.box
            point = np.array(feet_of(box, scene.width, scene.height)) * size
            margin = _CLEAR * float(box[3] - box[1])
            crossed = self._step(walk, self._line * size, point, margin, scene.monotonic)
            if crossed is None or not self._applies(person) or person.track.score < self.rule.min_score:
                continue
            facts = {"direction": _NAMES[crossed], "point": [plain(v, 4) for v in (point / size).tolist()]}
            found.append(replace(of_person(person, person.track.score, None), facts=facts))
        return found

    def _step(self, walk: _Walk, line: Floats, point: Floats, margin: float, now: float) -> int | None:
        """Takes where the feet are now; returns the direction of a crossing that is certain now."""
        if walk.point is not None:
            walk.crossed += crossings(line, walk.point, point)
        walk.point = point
        if distance(line, point) >= margin:
            direction = int(np.sign(walk.crossed)) if walk.clear else 0
            walk.clear, walk.crossed = True, 0
            if direction:
                returns = walk.waiting is not None and walk.waiting[0] != direction
                walk.waiting = None if returns else (direction, now)
        if walk.waiting is None or now - walk.waiting[1] < self.rule.for_ - _TOLERANCE:
            return None
        direction, walk.waiting = walk.waiting[0], None
        return direction if self._direction in ("both", _NAMES[direction]) else None
