"""What is known about one frame: its people, and what each is doing."""

from __future__ import annotations

from dataclasses import dataclass

from classifier.model import ActionScores
from tracker.association import Track
from tracker.pose import Pose

__all__ = ["Person", "Scene"]


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
class Scene:
    """A processed frame: size in pixels, times in seconds, people of every track state."""

    camera: str
    width: int
    height: int
    captured_at: float
    monotonic: float
    people: tuple[Person, ...]
