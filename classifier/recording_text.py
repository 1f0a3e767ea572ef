"""Landmarks as text, as tutorials of MediaPipe leave them: read row by row, bad rows named and left out."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from classifier.recording_rows import COLUMNS, RowProblems, row_fault, segments

__all__ = ["HEADER", "looks_like_landmarks", "parse"]

HEADER = "," + ",".join(str(column) for column in range(COLUMNS))
_NAMES = [str(column) for column in range(COLUMNS)]
_LARGEST = 1e15  # of a frame number: above it a float has no room for the next one
_LONGEST = 1 << 16  # characters of a line; 133 numbers at full precision need 3,000
_TOO_LONG = "line too long"
_AHEAD = 20  # lines that decide how the text is laid out
_FEWEST = 60  # cells of a line that may be meant as landmarks

_Row = tuple[int, list[str]]
_Segment = tuple[int, npt.NDArray[np.int64], npt.NDArray[np.float32]]


def looks_like_landmarks(path: Path) -> bool:
    """Whether a text is meant as a recording; others, such as a licence, are none of our business.

    Raises:
        OSError: it cannot be read.
    """
    with _open(path) as stream:
        rows = itertools.islice(_rows(stream), _AHEAD)
        return any(len(cells) >= _FEWEST for _, cells in rows)


def parse(path: Path, rate: float, problems: RowProblems) -> tuple[int, list[_Segment]]:
    """Reads a text.

    With or without a header, an index column, a byte order mark and blank lines; values between commas,
    semicolons, tabs or blanks. Without an index the rows are counted, bad ones included.

    Args:
        path: the file.
        rate: frames a second.
        problems: takes the rows that are left out.

    Returns:
        The number of rows, and the takes in the file: how often the numbers have started again until there,
        (N,) frame numbers and (N, 132) values.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no recording; the message follows the path.
    """
    numbers: list[int] = []
    lines: list[int] = []
    values: list[npt.NDArray[np.float32]] = []
    with _open(path) as stream:
        rows = _rows(stream)
        ahead = list(itertools.islice(rows, _AHEAD))
        if not ahead:
            raise ValueError(": is empty: record it again")
        header = ahead[0][1] if _is_header(ahead[0][1]) else None
        width = _width(ahead, header)
        count = 0
        for line, cells in itertools.chain(ahead, rows):
            if header is not None and cells == header:
                if width == COLUMNS:
                    count = 0  # another table under the first one
                continue
            fault, number, row = _read(cells, width, count)
            count += 1
            if row is None:
                problems.add(f":{line}", fault)
            else:
                numbers.append(number)
                lines.append(line)
                values.append(row)
    total = len(numbers) + problems.bad + problems.empty
    found = []
    for restarts, places in segments(numbers, rate, lambda at, why: problems.add(f":{lines[at]}", why)):
        frames = np.array([numbers[place] for place in places], np.int64)
        found.append((restarts, frames, np.stack([values[place] for place in places])))
    return total, found


def _open(path: Path) -> TextIO:
    """A text whose damaged bytes make its rows bad, not the whole file."""
    with path.open("rb") as stream:
        wide = stream.read(2) in (b"\xff\xfe", b"\xfe\xff")
    return path.open(encoding="utf-16" if wide else "utf-8-sig", errors="replace")


def _rows(stream: TextIO) -> Iterator[_Row]:
    """Line number and cells of every line that is not blank."""
    for number in itertools.count(1):
        line = stream.readline(_LONGEST)
        if not line:
            return
        if len(line) == _LONGEST and not line.endswith("\n"):
            line = ""
            while (more := stream.readline(_LONGEST)) and not more.endswith("\n"):
                pass
            yield number, [_TOO_LONG]
        elif line.strip():
            yield number, _cells(line.strip())


def _cells(line: str) -> list[str]:
    if ";" in line:
        line, separator = line.replace(",", "."), ";"  # a spreadsheet with a decimal comma
    else:
        separator = "," if "," in line else "\t"
    if separator not in line:
        return line.split()
    cells = line.rstrip(separator).split(separator)
    return [cell.strip(' "\t') for cell in cells] if '"' in line else cells


def _is_header(cells: list[str]) -> bool:
    if cells[-COLUMNS:] == _NAMES or cells[0].startswith("#"):
        return True
    return len(cells) >= _FEWEST and sum(_is_name(cell) for cell in cells) > len(cells) / 2


def _is_name(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return bool(cell) and cell.isprintable() and "\ufffd" not in cell
    return False


def _width(ahead: Iterable[_Row], header: list[str] | None) -> int:
    """Cells of a row: 133 with an index, 132 without."""
    counts = Counter(len(cells) for _, cells in ahead if cells != header)
    known = [width for width in (COLUMNS + 1, COLUMNS) if counts[width]]
    if known:
        return max(known, key=lambda width: counts[width])
    if header is not None and len(header) in (COLUMNS, COLUMNS + 1):
        return len(header)
    most = max(counts, default=len(header or ()), key=lambda width: counts[width])
    raise ValueError(
        f":1: no recording: {most} values a row instead of {COLUMNS} (x, y, z, visibility of 33)"
    )


def _read(cells: list[str], width: int, count: int) -> tuple[str, int, npt.NDArray[np.float32] | None]:
    """What is wrong with a row, its number, and its values unless something is wrong."""
    if cells == [_TOO_LONG]:
        return _TOO_LONG, 0, None
    if len(cells) != width:
        spare = width - COLUMNS
        return f"{max(len(cells) - spare, 0)} values instead of {COLUMNS}", 0, None
    try:
        row = np.array(cells, np.float64)
    except ValueError:
        return "a value is not a number", 0, None
    if width == COLUMNS:
        number = float(count)
    else:
        number, row = float(row[0]), row[1:]
        if not abs(number) <= _LARGEST:
            return "the frame number is not finite", 0, None
        if number != int(number):
            return f"frame {number:g} is no whole number", 0, None
    fault = row_fault(row)
    return (fault, 0, None) if fault else ("", int(number), row.astype(np.float32))
