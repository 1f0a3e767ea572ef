"""What a clip is drawn from: scenes at a few frames a second, the last seconds of which are remembered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from daemon.scene import Scene

__all__ = ["Moment", "PreRoll"]

_SCENE_BYTES = 1000  # about what a scene takes without its people
_PERSON_BYTES = 3000  # and each person: track, pose, scores


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame of a clip that may come to be.

    Attributes:
        scene: what was known about the frame, its times included.
        jpeg: the camera's picture with its privacy masks covered, where the style of the clips shows it.
    """

    scene: Scene
    jpeg: bytes | None = None

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.jpeg or b"") + _SCENE_BYTES + _PERSON_BYTES * len(self.scene.people)


class PreRoll:
    """The last moments, bounded by time and by memory.

    Args:
        seconds: between the first and the last.
        max_size: bytes of all together.
    """

    def __init__(self, seconds: float, max_size: int) -> None:
        self._seconds, self._max_size = seconds, max_size
        self._moments: deque[Moment] = deque()
        self.size = 0

    def push(self, moment: Moment) -> None:
        """Takes the next moment; the oldest make room."""
        self._moments.append(moment)
        self.size += moment.size
        oldest = moment.scene.monotonic - self._seconds - 1e-6
        while self._moments and (self._moments[0].scene.monotonic < oldest or self.size > self._max_size):
            self.size -= self._moments.popleft().size

    def clear(self) -> None:
        """Forgets everything."""
        self._moments.clear()
        self.size = 0

    def __iter__(self) -> Iterator[Moment]:
        """From the oldest to the newest."""
        return iter(tuple(self._moments))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._moments)
