"""Scenes for the tests of recordings: people with poses at places, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from daemon.scene import Person, Scene
from tracker.pose import Pose
from tracker.tracks import Track, TrackState

WIDTH, HEIGHT, RATE = 640, 480, 10.0


def landmarks(box: Iterable[float], *, visibility: float = 0.9) -> np.ndarray:
    """(33, 4) px: a body that fills a box, every joint at a place of its own."""
    left, top, right, bottom = box
    grid = np.linspace(0.0, 1.0, 33)
    x = left + (right - left) * (0.5 + 0.4 * np.cos(40 * grid))
    y = top + (bottom - top) * grid
    return np.stack([x, y, 0 * grid, 0 * grid + visibility], axis=1).astype(np.float32)


def person(
    number: int,
    time: float,
    box: Iterable[float] = (200, 100, 300, 400),
    *,
    state: TrackState = TrackState.CONFIRMED,
    seen: bool = True,
    posed: bool = True,
    visibility: float = 0.9,
    was: int | None = None,
) -> Person:
    """Somebody in a frame; `was` is the number that the body had until now."""
    box = np.array(list(box), np.float32)
    track = Track(
        id=f"0-record-{number}", number=number, state=state, box=box, detection_box=None,
        velocity=np.zeros(2, np.float32), score=0.9, started_at=0.0, first_monotonic=0.0,
        last_monotonic=time if seen else -1.0, hits=5, stationary=False, speed=0.0,
        was=None if was is None else f"0-record-{was}",
    )  # fmt: skip
    pose = Pose(landmarks(box, visibility=visibility), np.zeros((33, 3), np.float32), 0.9)
    return Person(track, pose if posed and seen else None, None, "unknown", 0.0, ())


def scene(
    time: float,
    *people: Person,
    cut: bool = False,
    renamed: Mapping[int, int] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Scene:
    """A frame; `renamed` maps the old number of a body to the new one."""
    names = {f"0-record-{old}": f"0-record-{new}" for old, new in (renamed or {}).items()}
    return Scene("record", *size, 1000.0 + time, time, people, cut=cut, renamed=names)
