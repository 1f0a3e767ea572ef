"""Steady people on real footage: read a few times a second, shown in every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from daemon.capture import FrameReader
from daemon.config import CameraConfig, PoseConfig
from daemon.engines import Engines
from daemon.pipeline import CameraPipeline
from daemon.scene import Scene
from daemon.topics import Topics
from tracker.pose import Company, Image, Pose, PoseBackend, Roi

FRAMES = 40


@dataclass
class _Counting:
    """The pose estimator, and the squares that it reads."""

    estimator: PoseBackend
    squares: int = 0

    @property
    def min_score(self) -> float:
        return self.estimator.min_score

    def estimate(
        self,
        image: Image,
        rois: Sequence[Roi],
        company: Sequence[Company | None] | None = None,
        steady: Sequence[bool] | None = None,
    ) -> list[Pose]:
        self.squares += len(rois)
        return self.estimator.estimate(image, rois, company, steady)


@dataclass
class _Run:
    squares: int = 0
    scenes: list[Scene] = field(default_factory=list)

    @property
    def posed(self) -> float:
        """Share of the people in all frames who have a pose."""
        return float(np.mean([one.pose is not None for scene in self.scenes for one in scene.confirmed]))

    @property
    def counts(self) -> list[int]:
        return [len(scene.confirmed) for scene in self.scenes]


class _CountedEngines(Engines):
    def __init__(self) -> None:
        super().__init__()
        self.counting: _Counting | None = None

    def estimator(self, settings: PoseConfig) -> PoseBackend:
        if self.counting is None:
            self.counting = _Counting(super().estimator(settings))
        return self.counting


def _run(street: Path, rate: float) -> _Run:
    settings = CameraConfig.model_validate(
        {"url": str(street), "detect": {"every": 3}, "pose": {"model": "full", "steady_rate": rate}}
    )
    pipeline, engines, run = CameraPipeline("street", settings, Topics()), _CountedEngines(), _Run()
    with FrameReader("street", str(street)) as reader:
        for _ in range(FRAMES):
            run.scenes.append(pipeline.process(reader.read(), engines).scene)
    assert engines.counting is not None
    run.squares = engines.counting.squares
    return run


@pytest.fixture(scope="module")
def steady(street: Path, pose_model: Path) -> _Run:
    assert pose_model.is_file()
    return _run(street, 4.0)


def test_steady_people_are_read_less_and_missed_by_nobody(street: Path, steady: _Run) -> None:
    unhurried = _run(street, 0.0)
    assert steady.squares < 0.8 * unhurried.squares
    # Nobody flickers: who is not read is seen, with a pose that goes with the box.
    assert steady.posed > unhurried.posed - 0.04
    assert sum(first != second for first, second in zip(steady.counts, unhurried.counts, strict=True)) <= 6
    moved = [one for scene in steady.scenes for one in scene.confirmed if one.pose and one.pose.moved]
    assert len(moved) > 0.2 * sum(steady.counts)
    for one in moved:
        assert one.pose is not None
        middle = one.pose.landmarks[[11, 12, 23, 24], :2].mean(axis=0)
        left, top, right, bottom = one.track.box
        assert left <= middle[0] <= right
        assert top <= middle[1] <= bottom
    assert not any(one.pose.moved for scene in unhurried.scenes for one in scene.confirmed if one.pose)


def test_the_same_footage_gives_the_same(street: Path, steady: _Run) -> None:
    again = _run(street, 4.0)
    assert again.squares == steady.squares
    for one, other in zip(again.scenes, steady.scenes, strict=True):
        assert [(p.track.number, p.track.box.tolist(), p.action) for p in one.people] == [
            (p.track.number, p.track.box.tolist(), p.action) for p in other.people
        ]
