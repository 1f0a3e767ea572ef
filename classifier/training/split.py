"""Splits takes by group, so that no person or place is on both sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.training.windows import Take, time_blocks

__all__ = ["Split", "Units", "fold_units", "split_units", "units_of"]

_BLOCKS = 5  # parts in time of a take that is the only one of its label

_Float = npt.NDArray[np.float64]
_CostOf = Callable[[_Float, _Float], float]


@dataclass(frozen=True, slots=True)
class Split:
    """Numbers of the takes for training, for calibration (validation) and for the test."""

    train: list[int]
    validation: list[int]
    test: list[int]


@dataclass(frozen=True, slots=True)
class Units:
    """What is held out as a whole.

    Attributes:
        takes: the takes, single ones cut into blocks of time.
        names: unit of each take.
        by_take: classes with takes of one group only, of which whole takes are held out.
        by_time: classes with one take only, of which blocks of time are held out.
    """

    takes: list[Take]
    names: list[str]
    by_take: tuple[int, ...] = ()
    by_time: tuple[int, ...] = ()


def units_of(takes: Sequence[Take], classes: int) -> Units:
    """Groups where a class has takes of several; else its takes; and of a single take blocks of time."""
    made, names = list[Take](), list[str]()
    by_take, by_time = [], []
    for label in range(classes):
        own = [take for take in takes if take.label == label]
        if len({take.group for take in own}) > 1:
            made += own
            names += [take.group for take in own]
        elif len(own) > 1:
            by_take.append(label)
            made += own
            names += [f"{take.group} take {number}" for number, take in enumerate(own, start=1)]
        elif own:
            by_time.append(label)
            blocks = _blocks(own[0])
            made += blocks
            names += [f"{block.group} block {number}" for number, block in enumerate(blocks, start=1)]
    return Units(made, names, tuple(by_take), tuple(by_time))


def _blocks(take: Take) -> list[Take]:
    """Up to five blocks of time that are long enough for windows; the take itself where not even two are."""
    seconds = float(take.times[-1] - take.times[0])
    for count in range(_BLOCKS, 1, -1):
        blocks = time_blocks(take, count, gap=min(1.0, seconds / count / 3))
        if len(blocks) == count:
            return blocks
    return [take]


def fold_units(units: Units, classes: int, folds: int, *, seed: int) -> list[list[int]]:
    """Numbers of the takes of each fold; units stay whole and each class is spread as evenly as may be.

    Args:
        units: what is held out as a whole.
        classes: number of classes.
        folds: how many; fewer where there are fewer units.
        seed: of the random order.
    """
    groups, counts = _counts(units, classes)
    folds = min(folds, len(groups))
    side = _assign(counts, np.full(folds, 1 / folds), np.random.default_rng(seed), _uneven)
    return [part for part in _sides(units, groups, side, folds) if part]


def split_units(units: Units, classes: int, *, seed: int, test_share: float = 0.2) -> Split:
    """Chooses whole units for test and validation so that each class keeps about its share there.

    Args:
        units: what is held out as a whole.
        classes: number of classes.
        seed: of the random order.
        test_share: share of the windows for the test; half as much goes to validation.
    """
    groups, counts = _counts(units, classes)
    shares = np.array([1 - 1.5 * test_share, 0.5 * test_share, test_share])
    side = _assign(counts, shares, np.random.default_rng(seed), _cost)
    side = _filled_up(side, counts, shares)
    return Split(*_sides(units, groups, side, 3))


def _sides(units: Units, groups: list[str], side: npt.NDArray[np.int64], count: int) -> list[list[int]]:
    place = {name: row for row, name in enumerate(groups)}
    rows = [int(side[place[name]]) for name in units.names]
    return [[n for n, own in enumerate(rows) if own == which] for which in range(count)]


def _counts(units: Units, classes: int) -> tuple[list[str], _Float]:
    """Names of the units (U), and the share of each class's windows that each has (U, C)."""
    groups = sorted(set(units.names))
    place = {name: row for row, name in enumerate(groups)}
    counts = np.zeros((len(groups), classes))
    for name, take in zip(units.names, units.takes, strict=True):
        counts[place[name], take.label] += len(take.ends)
    return groups, counts / np.maximum(counts.sum(axis=0), 1)


def _assign(
    counts: _Float, shares: _Float, random: np.random.Generator, cost_of: _CostOf
) -> npt.NDArray[np.int64]:
    """(U,) side of each unit, for counts (U, C) as shares of their class.

    A greedy choice, the best of many random orders: each unit to the side where it lessens the distance to
    the wanted share of each class the most.
    """
    best_cost, best = np.inf, np.zeros(len(counts), np.int64)
    for _ in range(60):
        side = np.zeros(len(counts), np.int64)
        filled = np.zeros((len(shares), counts.shape[1]))
        for row in random.permutation(len(counts)):
            with_row = filled[None] + np.eye(len(shares))[:, :, None] * counts[row]  # (side chosen, S, C)
            load = with_row / shares[:, None]
            costs = load.max(axis=1).sum(axis=1) + 0.3 * (load * with_row).sum(axis=(1, 2))
            costs += 0.01 * (load.sum(axis=2) * with_row.sum(axis=2)).sum(axis=1)  # what is alike: evenly
            side[row] = int(np.argmin(costs))
            filled[side[row]] += counts[row]
        cost = cost_of(filled, shares)
        if cost < best_cost:
            best_cost, best = cost, side
    return best


def _cost(filled: _Float, shares: _Float) -> float:
    """How far sides with these shares of each class (S, C) are from `shares`; a missing class weighs most."""
    missing = (filled[0] == 0).sum() * 10 + (filled == 0).sum()
    return float(((filled - shares[:, None]) ** 2 / shares[:, None]).sum() + missing)


def _uneven(filled: _Float, shares: _Float) -> float:
    """The same for folds: a class that is in one fold only is never trained on when it is tested."""
    alone = ((filled > 0).sum(axis=0) == 1).sum() * 10
    empty = (filled.sum(axis=1) == 0).sum() * 100
    return float(((filled - shares[:, None]) ** 2 / shares[:, None]).sum() + alone + empty)


def _filled_up(side: npt.NDArray[np.int64], counts: _Float, shares: _Float) -> npt.NDArray[np.int64]:
    """Moves single units while a class is missing on a side and a move helps: few units need it."""

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
