"""Which labels are taken for each other, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.labels import mirror_pairs
from classifier.training.metrics import Scores

__all__ = ["Confusion", "advice", "most_confused"]

_WORTH = 0.03  # share of a label's windows from which a mistake is worth a line


@dataclass(frozen=True, slots=True)
class Confusion:
    """Two labels that are taken for each other.

    Attributes:
        first: number of the label that is mistaken more often.
        second: number of the other.
        there: share of the first's windows that are answered with the second.
        back: share of the second's windows that are answered with the first.
        windows: how many windows that are together.
    """

    first: int
    second: int
    there: float
    back: float
    windows: int


def most_confused(scores: Scores, *, most: int = 5) -> list[Confusion]:
    """The pairs with the largest shares, the worst first."""
    totals = np.maximum(scores.confusion.sum(axis=1, keepdims=True), 1)
    shares: npt.NDArray[np.float64] = scores.confusion / totals
    found = []
    for a in range(len(scores.labels)):
        for b in range(a + 1, len(scores.labels)):
            first, second = (a, b) if shares[a, b] >= shares[b, a] else (b, a)
            count = int(scores.confusion[a, b] + scores.confusion[b, a])
            if shares[first, second] >= _WORTH:
                there, back = float(shares[first, second]), float(shares[second, first])
                found.append(Confusion(first, second, there, back, count))
    return sorted(found, key=lambda pair: -(pair.there + pair.back))[:most]


def advice(
    scores: Scores, *, people: dict[str, int] | None = None, mirrored: bool = True, most: int = 5
) -> list[str]:
    """A line on each of the most confused pairs: how often, and what helps.

    Args:
        scores: of held-out windows.
        people: groups that each label has been recorded of; None where it is not known.
        mirrored: whether windows are mirrored in training.
        most: lines.
    """
    labels = scores.labels
    images = mirror_pairs(labels)
    lines = []
    for pair in most_confused(scores, most=most):
        first, second = labels[pair.first], labels[pair.second]
        back = f", the other way {pair.back:.0%}" if pair.back >= 0.005 else ""
        todo = _help(
            first,
            second,
            people,
            opposite=images[pair.first] == pair.second,
            sided=-1 in (images[pair.first], images[pair.second]),
            mirrored=mirrored,
        )
        lines.append(f"{first} is taken for {second} in {pair.there:.0%} of its windows{back}: {todo}")
    return lines


def _help(
    first: str,
    second: str,
    people: dict[str, int] | None,
    *,
    opposite: bool,
    sided: bool,
    mirrored: bool,
) -> str:
    few = sorted((count, label) for label, count in (people or {}).items() if label in (first, second))
    todo = []
    if opposite:
        todo.append(
            "check that takes of both are labelled by the person's own left and right, not the picture's"
        )
        if mirrored:
            todo.append("the mirror makes each from the other")
    elif sided and mirrored:
        todo.append("mirror is off for the one whose other side has no label")
    if few and few[0][0] < 5:
        todo.append(f"record more takes of both by different people ({few[0][1]}: {few[0][0]} so far)")
    else:
        todo.append("record takes that show the difference: other speeds, sizes and cameras of both")
    todo.append("or join them in one label if it does not matter to you")
    return "; ".join(todo)
