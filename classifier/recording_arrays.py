"""Recordings as arrays: ``X`` with one sequence of landmarks a take, ``y`` with its label, in an ``.npz``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.recording_rows import COLUMNS, RowProblems, row_fault
from classifier.safe_arrays import read_arrays

__all__ = ["Sequence", "parse_arrays"]

_SEQUENCES = ("X", "x", "data", "sequences", "landmarks")
_LABELS = ("y", "Y", "labels", "label")
_GROUPS = ("group", "groups", "person", "people", "subject", "subjects")

Sequence = tuple[int, str, str, npt.NDArray[np.int64], npt.NDArray[np.float32]]


def parse_arrays(path: Path, problems: RowProblems) -> tuple[int, list[Sequence]]:
    """Reads every sequence.

    X is an array of (T, 132) or (T, 33, 4) arrays, or one (N, T, 132) or (N, T, 33, 4) array; rows of zeros
    are frames without a pose. y holds N labels. An array `group` (or person, subject) may tell who it is.

    Args:
        path: the file.
        problems: takes the rows that are left out.

    Returns:
        The number of rows, and per sequence its number, label, group ("" where unknown), (T,) frame numbers
        and (T, 132) values.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no recordings; the message follows the path.
    """
    try:
        arrays = read_arrays(path)
    except ValueError as error:
        raise ValueError(f": {error}") from None
    sequences, labels = _named(arrays, _SEQUENCES), _named(arrays, _LABELS)
    if sequences is None or labels is None:
        names = ", ".join(sorted(arrays)[:6]) or "nothing"
        raise ValueError(f": holds {names}: needs X (sequences of {COLUMNS} values a row) and y (labels)")
    if labels.ndim != 1 or sequences.ndim == 0 or len(labels) != len(sequences):
        raise ValueError(f": X {sequences.shape} and y {labels.shape} do not fit: one label a sequence")
    groups = _named(arrays, _GROUPS)
    if groups is not None and groups.shape != labels.shape:
        groups = None
    total = 0
    found = []
    for number, (sequence, label) in enumerate(zip(sequences, labels.tolist(), strict=True)):
        table = _table(sequence, number)
        total += len(table)
        good = list(_good(table, number, problems))
        if good:
            group = "" if groups is None else str(groups[number])
            values = table[good].astype(np.float32)
            found.append((number, _text(label), group, np.array(good, np.int64), values))
    return total, found


def _named(arrays: dict[str, npt.NDArray[Any]], names: tuple[str, ...]) -> npt.NDArray[Any] | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _text(label: object) -> str:
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)


def _table(sequence: object, number: int) -> npt.NDArray[np.float64]:
    try:
        table = np.asarray(sequence, np.float64)
        return table.reshape(len(table), COLUMNS)
    except (TypeError, ValueError):
        shape = getattr(sequence, "shape", type(sequence).__name__)
        raise ValueError(f": sequence {number} is {shape}, not rows of {COLUMNS} numbers") from None


def _good(table: npt.NDArray[np.float64], number: int, problems: RowProblems) -> Iterator[int]:
    for row, values in enumerate(table):
        fault = row_fault(values)
        if fault is None:
            yield row
        else:
            problems.add(f": sequence {number}, row {row}", fault)
