"""What is known about one frame: its people, and what each is doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from classifier.model import ActionScores
from daemon.messages import plain
from tracker.association import Track, TrackState
from tracker.pose import Pose

__all__ = ["FightPlace", "Person", "Scene"]


@dataclass(frozen=True, slots=True)
class Person:
    """A track with what was found out about it; `action` is "unknown" without sustained evidence."""

    track: Track
    pose: Pose | None
    scores: ActionScores | None
    action: str
    action_score: float
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FightPlace:
    """A part of the picture that is watched for fights.

    Attributes:
        box: (4,) float32 left, top, right, bottom in px; may reach beyond the picture.
        score: probability 0..1 that people fight there.
        people: how many moved there at once of late.
        zones: those in which it stands, as if it were a person.
    """

    box: NDArray[np.float32]
    score: float
    people: int
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """A processed frame: size in pixels, times in seconds, people of every track state.

    `cut`: it shows another scene than the one before. `renamed`: bodies that go on under another id, the new
    one by the old one. `fights`: where people may fight; empty where no rule asks for it. `index`: number of
    the frame, from 0.
    """

    camera: str
    width: int
    height: int
    captured_at: float
    monotonic: float
    people: tuple[Person, ...]
    cut: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)
    fights: tuple[FightPlace, ...] = ()
    index: int = 0

    @property
    def confirmed(self) -> list[Person]:
        """People who are seen in this frame and known to be people."""
        return [person for person in self.people if person.track.state is TrackState.CONFIRMED]

    @property
    def live(self) -> set[str]:
        """Ids of the tracks that are not removed: those that are seen, new or lost."""
        return {one.track.id for one in self.people if one.track.state is not TrackState.REMOVED}

    def shares(self, box: NDArray[np.float32]) -> list[float]:
        """A box (4,) in pixels as shares of the image, kept inside it."""
        left, top, right, bottom = (float(value) for value in box)
        shares = (left / self.width, top / self.height, right / self.width, bottom / self.height)
        return [plain(min(max(share, 0.0), 1.0), 4) for share in shares]
