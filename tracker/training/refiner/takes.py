"""Clean landmarks over time, as `python -m classifier.training.corpus.clean` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["TEST", "VALIDATION", "Takes", "read_takes", "split"]

VALIDATION = ("hdm05/mm", "utkinect/s08", "msr/s08")
"""Actors by whom a training chooses its best weights."""
TEST = ("hdm05/tr", "utkinect/s09", "utkinect/s10", "msr/s09", "msr/s10")
"""Actors that no training sees."""


@dataclass(frozen=True)
class Takes:
    """Takes of one person each, one after the other.

    Attributes:
        points: (N, 33, 2) float32 px.
        visible: (N, 33) bool, whether the landmark is in view.
        known: (N, 33) bool, whether `points` is the truth there.
        starts: (K,) int64, first frame of each take.
        counts: (K,) int64, frames of each take.
        labels: (K,) what is done.
        groups: (K,) the actor.
        rate: frames a second.
    """

    points: npt.NDArray[np.float32]
    visible: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    starts: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    labels: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]
    rate: float

    def __len__(self) -> int:
        return len(self.starts)

    def chosen(self, which: npt.NDArray[np.bool_]) -> Takes:
        """The takes for which `which` (K,) holds; the frames stay where they are."""
        return Takes(
            self.points,
            self.visible,
            self.known,
            self.starts[which],
            self.counts[which],
            self.labels[which],
            self.groups[which],
            self.rate,
        )


def read_takes(path: Path) -> Takes:
    """Reads an npz of clean takes.

    Raises:
        OSError: there is no such file.
        ValueError: the file is no npz of clean takes.
    """
    with np.load(path) as archive:
        missing = {"points", "visible", "known", "starts", "labels", "groups", "rate"} - {*archive}
        if missing:
            raise ValueError(f"{path}: lacks {', '.join(sorted(missing))}: make it with corpus.clean")
        edges = archive["starts"].astype(np.int64)
        return Takes(
            points=archive["points"],
            visible=archive["visible"],
            known=archive["known"],
            starts=edges[:-1],
            counts=np.diff(edges),
            labels=archive["labels"],
            groups=archive["groups"],
            rate=float(archive["rate"]),
        )


def split(
    takes: Takes, validation: Sequence[str] = VALIDATION, test: Sequence[str] = TEST
) -> tuple[Takes, Takes, Takes]:
    """Training, validation and test takes; actors are never divided."""
    in_validation, in_test = np.isin(takes.groups, validation), np.isin(takes.groups, test)
    return takes.chosen(~in_validation & ~in_test), takes.chosen(in_validation), takes.chosen(in_test)
