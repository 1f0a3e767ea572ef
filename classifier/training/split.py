"""Splits takes by group, so that no person or place is on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.training.windows import Take

__all__ = ["Split", "split_takes"]


@dataclass(frozen=True, slots=True)
class Split:
    """Numbers of the takes for training, for calibration (validation) and for the test."""

    train: list[int]
    validation: list[int]
    test: list[int]


def split_takes(takes: Sequence[Take], classes: int, *, seed: int, test_share: float = 0.2) -> Split:
    """Chooses whole groups for test and validation so that each class keeps about its share there.

    A greedy choice: groups in random order, each to the side where it lessens the distance to the wanted
    windows per class the most. With fewer than four groups every take is a group of its own.

    Args:
        takes: the takes.
        classes: number of classes.
        seed: of the random order.
        test_share: share of the windows for the test; half as much goes to validation.
    """
    names = [take.group for take in takes]
    if len(set(names)) < 4:
        names = [str(number) for number in range(len(takes))]
    groups = sorted(set(names))
    counts = np.zeros((len(groups), classes))
    place = {name: row for row, name in enumerate(groups)}
    for name, take in zip(names, takes, strict=True):
        counts[place[name], take.label] += len(take.ends)
    total = np.maximum(counts.sum(axis=0), 1)
    shares = np.array([1 - 1.5 * test_share, 0.5 * test_share, test_share])
    side = _assign(counts / total, shares, np.random.default_rng(seed))
    return Split(*([n for n, name in enumerate(names) if side[place[name]] == which] for which in range(3)))


def _assign(
    counts: npt.NDArray[np.float64], shares: npt.NDArray[np.float64], random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """(G,) side of each group, for counts (G, C) as shares of their class."""
    best_cost, best = np.inf, np.zeros(len(counts), np.int64)
    for _ in range(60):
        side = np.zeros(len(counts), np.int64)
        filled = np.zeros((3, counts.shape[1]))
        order = random.permutation(len(counts))
        for row in order:
            costs = [
                ((filled + np.eye(3)[which][:, None] * counts[row]) / shares[:, None]).max(axis=0).sum()
                + 0.3 * ((filled + np.eye(3)[which][:, None] * counts[row]) ** 2 / shares[:, None]).sum()
                for which in range(3)
            ]
            side[row] = int(np.argmin(costs))
            filled[side[row]] += counts[row]
        cost = _cost(filled, shares)
        if cost < best_cost:
            best_cost, best = cost, side
    return _filled_up(best, counts, shares)


def _cost(filled: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]) -> float:
    """How far sides with these shares of each class (3, C) are from `shares`; a missing class weighs most."""
    missing = (filled[0] == 0).sum() * 10 + (filled == 0).sum()
    return float(((filled - shares[:, None]) ** 2 / shares[:, None]).sum() + missing)


def _filled_up(
    side: npt.NDArray[np.int64], counts: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Moves single groups while a class is missing on a side and a move helps: few groups need it."""

    def cost(sides: npt.NDArray[np.int64]) -> tuple[float, bool]:
        filled = np.stack([counts[sides == which].sum(axis=0) for which in range(3)])
        return _cost(filled, shares), bool((filled == 0).any())

    best, missing = cost(side)
    improved = True
    while missing and improved:
        improved = False
        for row, which in np.ndindex(len(side), 3):
            moved = side.copy()
            moved[row] = which
            found, still = cost(moved)
            if found < best - 1e-9:
                best, missing, side, improved = found, still, moved, True
    return side
