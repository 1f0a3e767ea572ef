"""What makes a row of landmarks usable, and where one take ends and the next begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["COLUMNS", "NOBODY", "RowProblems", "row_fault", "segments"]

COLUMNS = 132
NOBODY = "every value is 0: nobody was seen"

_FURTHEST = 10.0  # image widths; MediaPipe guesses feet of seated people up to 4 below the picture
_VISIBILITY = (-0.01, 1.01)  # rounding of a sigmoid
_PAUSE = 60.0  # seconds without a row after which it is another take
_SHOWN = 3  # problems of a file that are told one by one


def row_fault(values: npt.NDArray[np.float64]) -> str | None:
    """Why a row cannot be used, or None.

    Args:
        values: (132,) x, y, z, visibility of the 33 landmarks.
    """
    table = values.reshape(33, 4)
    low, high = table.min(axis=0).tolist(), table.max(axis=0).tolist()
    # Nearly every row is good: two reductions tell, as NaN comes through them and compares as false.
    near = all(
        least >= -_FURTHEST and most <= _FURTHEST for least, most in zip(low[:3], high[:3], strict=True)
    )
    if near and low[3] >= _VISIBILITY[0] and high[3] <= _VISIBILITY[1] and any(low + high):
        return None
    if not np.isfinite(values).all():
        return "a value is not finite"
    if not values.any():
        return NOBODY
    if not near:
        furthest = max(*high[:3], *(-least for least in low[:3]))
        return f"a coordinate of {furthest:.5g} image widths (x, y and z must be shares of the image, not px)"
    return f"a visibility of {low[3] if low[3] < _VISIBILITY[0] else high[3]:.5g} (must be 0..1)"


@dataclass(slots=True)
class RowProblems:
    """Tells the first rows of a file that are left out, and counts the others.

    Attributes:
        name: of the file.
        tell: takes one line.
        bad: rows left out because they are damaged.
        empty: rows left out because they hold no pose.
    """

    name: str
    tell: Callable[[str], None]
    bad: int = 0
    empty: int = 0

    def add(self, place: str, reason: str) -> None:
        """Counts a row.

        Args:
            place: of the row in the file, such as ``:12``.
            reason: why it is left out.
        """
        if reason == NOBODY:
            self.empty += 1
            return
        self.bad += 1
        if self.bad <= _SHOWN:
            self.tell(f"{self.name}{place}: {reason}: row left out")

    def close(self, rows: int) -> None:
        """Tells what was not told one by one.

        Args:
            rows: of the file, good ones included.
        """
        if self.bad > _SHOWN:
            self.tell(f"{self.name}: {self.bad - _SHOWN} more of its {rows} rows left out")
        if self.empty:
            self.tell(f"{self.name}: {self.empty} of its {rows} rows hold only zeros (no pose): left as gaps")


def segments(
    numbers: Sequence[int], rate: float, fault: Callable[[int, str], None]
) -> Iterator[tuple[int, list[int]]]:
    """Takes in a file, by its frame numbers.

    Numbers that start again are another take, as in files that were put together; so is what comes after a
    minute without rows. A single number that does not fit is a fault.

    Args:
        numbers: frame number of each row in the order of the file.
        rate: frames a second.
        fault: called with a row's place in `numbers` and what is wrong with it.

    Yields:
        How often the numbers have started again until here, and the places of the take's rows.
    """
    restarts, step, rows = 0, 1, list[int]()
    for place, number in enumerate(numbers):
        if not rows:
            rows = [place]
            continue
        last = numbers[rows[-1]]
        if last < number <= last + _PAUSE * rate:
            step = max(step, min(number - last, 5))
            rows.append(place)
            continue
        following = numbers[place + 1] if place + 1 < len(numbers) else None
        back = number <= last
        if back and (number == last or following is None or last < following <= last + 2 * step):
            fault(place, f"frame {number} comes after frame {last}")
            continue
        if len(rows) > 1:
            yield restarts, rows
        else:
            fault(rows[0], f"frame {last} stands alone")
        rows, step, restarts = [place], 1, restarts + back
    if len(rows) > 1 or (rows and len(numbers) == 1):
        yield restarts, rows
    elif rows:
        fault(rows[0], f"frame {numbers[rows[0]]} stands alone")
