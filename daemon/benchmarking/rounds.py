"""Runs several things in turns and sums up what they took: medians, and how far the rounds differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from daemon.benchmarking.scenario import Round
from daemon.timing import in_order

__all__ = ["Runs", "Spread", "in_turns", "summary"]


class Runs(Protocol):
    """Something that takes frames and says what they took."""

    def run(self, frames: int) -> Round:
        """Takes the next so many frames."""
        ...


_KeyT = TypeVar("_KeyT")


@dataclass(frozen=True, slots=True)
class Spread:
    """A value over the rounds: lower quartile, median, upper quartile."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        low, median, high = np.percentile(values, (25, 50, 75))
        return cls(float(low), float(median), float(high))

    def as_list(self) -> list[float]:
        """For JSON, four digits that count."""
        return [float(f"{value:.4g}") for value in (self.low, self.median, self.high)]


def in_turns(
    runs: Mapping[_KeyT, tuple[Runs, int]],
    rounds: int,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[_KeyT, list[Round]]:
    """Runs each so many frames a round, A B C A B C: a slow moment of the machine slows all of them.

    Args:
        runs: what runs, and frames (of each camera) a round.
        rounds: how often.
        progress: called with what is being done.
    """
    found: dict[_KeyT, list[Round]] = {key: [] for key in runs}
    for number in range(rounds):
        for key, (one, frames) in runs.items():
            progress(f"round {number + 1} of {rounds}: {key}")
            found[key].append(one.run(frames))
    return found


def summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """Figures of one scenario: [quartile, median, quartile] over its rounds where it says so.

    `frames_per_second` and `processor` (ms of processor time a frame, all threads) are spreads; `stages` are
    medians of ms a frame of the processor, `stages_wall` of the clock on the wall; `rounds` has each round.
    """
    names = in_order({name: None for one in rounds for name in one.stages})
    speeds = [one.frames_per_second for one in rounds]
    spent = [1000.0 * one.processor / one.frames for one in rounds]
    frames = sum(one.frames for one in rounds)
    return {
        "frames": frames,
        "people": round(sum(one.people for one in rounds) / max(frames, 1), 2),
        "frames_per_second": Spread.of(speeds).as_list(),
        "processor": Spread.of(spent).as_list(),
        "rounds": {
            "frames_per_second": [float(f"{value:.4g}") for value in speeds],
            "processor": [float(f"{value:.4g}") for value in spent],
        },
        "stages": {name: _median([one.own.get(name, 0.0) / one.frames for one in rounds]) for name in names},
        "stages_wall": {
            name: _median([one.stages.get(name, 0.0) / one.frames for one in rounds]) for name in names
        },
    }


def _median(seconds: Sequence[float]) -> float:
    return round(1000.0 * float(np.median(seconds)), 3)
