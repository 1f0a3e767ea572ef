"""What is measured: settings, workers, cameras, people, other pipelines; each group in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.benchmarking.against import KINDS, Opponents
from daemon.benchmarking.networks import make_networks
from daemon.benchmarking.rounds import Runs, in_turns, summary
from daemon.benchmarking.scenario import Scenario
from daemon.benchmarking.scenes import make_scenes
from daemon.benchmarking.settings import VARIANTS, variant
from daemon.benchmarking.sightings import find_people
from daemon.config import CameraConfig

__all__ = ["PARTS", "Extent", "Matrix"]

PARTS = ("against", "settings", "workers", "cameras", "people")
"""Groups that are measured in this process; what may fail on the way comes first."""

_LEAST = 4  # frames of each camera in a round
_PEOPLE_FRAMES = 30  # of each scene in a round, at most: there are many of them
_SCENE_FRAMES = 110
_SEARCHED = 360  # frames in which people for the scenes are looked for


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured.

    Attributes:
        rounds: of each group.
        frames: of each scenario in a round.
        cameras: numbers of cameras.
        people: numbers of people in view.
        workers: numbers of workers; the last one is used wherever all are.
        opposed: frames in a round against other pipelines, which are slow.
        warm_up: frames of each camera before: people are confirmed, networks loaded.
    """

    rounds: int
    frames: int
    cameras: tuple[int, ...]
    people: tuple[int, ...]
    workers: tuple[int, ...]
    opposed: int
    warm_up: int = 15

    @classmethod
    def quick(cls, workers: int) -> Extent:
        """About a minute."""
        counts = (1, workers) if workers > 1 else (1,)
        return cls(3, 24, (1, 2, 4, 8), (0, 3, 6, 12), counts, 12)

    @classmethod
    def full(cls, workers: int) -> Extent:
        """The whole matrix."""
        cameras, people = (1, 2, 3, 4, 6, 8, 12, 16), tuple(range(13))
        return cls(7, 60, cameras, people, tuple(range(1, workers + 1)), 30)


class Matrix:
    """Measures groups of scenarios on one clip.

    Args:
        clip: a video file.
        settings: as configured.
        extent: how much.
        progress: called with what is being done.
    """

    def __init__(
        self, clip: Path, settings: CameraConfig, extent: Extent, progress: Callable[[str], None]
    ) -> None:
        self._clip, self._settings, self._extent, self._progress = clip, settings, extent, progress
        self._engines = make_networks(extent.workers[-1])

    def settings(self) -> dict[str, Any]:
        """Every variant of the settings, one worker, one camera."""
        extent = self._extent
        runs = {name: (self._scenario(name), extent.frames) for name in VARIANTS}
        return self._measure(runs)

    def workers(self) -> dict[str, Any]:
        """As configured, by number of workers; two cameras for each, so that none of them waits."""
        return self._measure(
            {
                str(count): (self._scenario(workers=count, cameras=2 * count), self._extent.frames)
                for count in self._extent.workers
            }
        )

    def cameras(self) -> dict[str, Any]:
        """As configured, by number of cameras, all workers."""
        return self._measure(
            {
                str(count): (self._scenario(cameras=count), max(_LEAST, 2 * self._extent.frames // count))
                for count in self._extent.cameras
            }
        )

    def people(self) -> dict[str, Any]:
        """By number of people in view, one worker: as configured, and unhurried."""
        with tempfile.TemporaryDirectory(prefix="posewatch-scenes-") as folder:
            seen = find_people(self._clip, _SEARCHED, self._progress)
            self._progress("scenes with so many people")
            scenes = make_scenes(self._clip, seen, self._extent.people, Path(folder), _SCENE_FRAMES)
            runs: dict[tuple[int, str], tuple[Runs, int]] = {
                (count, name): (self._scenario(name, clip=clip), min(_PEOPLE_FRAMES, self._extent.frames))
                for count, clip in scenes.clips.items()
                for name in ("defaults", "unhurried")
            }
            found = self._measure(runs)
        table: dict[str, Any] = {str(count): {} for count in scenes.clips}
        for (count, name), figures in found.items():
            table[str(count)][name] = figures
        return table

    def against(self, python: Path, *, fetch: bool) -> dict[str, Any]:
        """Other pipelines and ours, the same frames, all cores."""
        extent, workers = self._extent, len(self._engines)
        seen = find_people(self._clip, extent.warm_up + extent.rounds * extent.opposed, self._progress)
        self._progress("starting the other pipelines")
        with Opponents(python, self._clip, seen, cores=workers, fetch=fetch) as opponents:
            runs: dict[str, tuple[Runs, int]] = {
                # Four cameras a worker: their round is over before it is well begun otherwise.
                "defaults": (self._scenario(workers=workers, cameras=4 * workers), extent.opposed),
                "unhurried": (self._scenario("unhurried", workers=workers), extent.opposed),
                **{name: (side, extent.opposed) for name, side in opponents.sides().items()},
            }
            found = self._measure(runs)
            facts = opponents.facts
        for name, figures in found.items():
            kind, _, processes = name.partition(" ")
            figures["what"] = KINDS.get(kind, f"posewatch, {name}")
            figures["processes"] = int(processes or 1)
            figures["weights"] = facts["weights"].get(kind)
        return {"versions": facts["versions"], "pipelines": found}

    def _scenario(
        self, name: str = "defaults", *, workers: int | None = None, cameras: int | None = None,
        clip: Path | None = None,
    ) -> Scenario:  # fmt: skip
        """One worker where neither workers nor cameras are given, all of them where cameras are."""
        count = workers or (len(self._engines) if cameras else 1)
        settings = variant(name, self._settings)
        return Scenario(clip or self._clip, settings, self._engines[:count], cameras=cameras)

    def _measure(self, runs: Mapping[Any, tuple[Runs, int]]) -> dict[Any, Any]:
        for key, (one, _) in runs.items():
            self._progress(f"warm-up: {_name(key)}")
            one.run(self._extent.warm_up)
        try:
            found = in_turns(runs, self._extent.rounds, self._progress)
        finally:
            for one, _ in runs.values():
                if isinstance(one, Scenario):
                    one.close()
        return {key: summary(rounds) for key, rounds in found.items()}


def _name(key: object) -> str:
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
