"""Draws skeletons with characters: each cell of Braille is 2 x 4 dots (Unicode 2800 to 28FF)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from daemon.recording.quality import VISIBLE
from tracker.landmarks import CONNECTIONS

__all__ = ["Canvas", "draw_pose"]

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
_HANDS = range(17, 23)
_RESET = "\x1b[0m"

LEFT, RIGHT, MIDDLE, OTHERS = 36, 33, 39, 90
"""SGR colours: cyan for the person's left, yellow for the right, the usual one for both, grey for others."""


class Canvas:
    """A picture of dots.

    Args:
        columns: characters a line, the frame around it included.
        rows: lines, the same.
        width: of the image in px, which is fitted in without distortion (dots are square on usual fonts).
        height: of the image in px.
    """

    def __init__(self, columns: int, rows: int, width: int, height: int) -> None:
        self._scale = min((2 * columns - 5) / width, (4 * rows - 9) / height)
        columns = int(width * self._scale) // 2 + 1
        rows = int(height * self._scale) // 4 + 1
        self._dots = np.zeros((rows, columns), np.uint8)
        self._colors = np.zeros((rows, columns), np.uint8)
        self._texts: list[tuple[int, int, str]] = []

    def line(
        self,
        start: npt.NDArray[np.floating],
        end: npt.NDArray[np.floating],
        color: int,
        *,
        thick: bool = False,
    ) -> None:
        """A line between two points (2,) in px of the image, one or two dots wide; clipped to the picture."""
        ends = np.nan_to_num(np.array([start, end], np.float64)) * self._scale
        # A wild landmark must cost neither memory nor an overflow.
        first, last = np.clip(ends, -1e6, 1e6)
        count = int(min(np.abs(last - first).max(), 4096)) + 1
        points = np.round(first + np.linspace(0.0, 1.0, count + 1)[:, None] * (last - first)).astype(np.int64)
        if thick:
            steep = abs(last[1] - first[1]) > abs(last[0] - first[0])
            points = np.concatenate([points, points + ((1, 0) if steep else (0, 1))])
        column, row = points[:, 0], points[:, 1]
        rows, columns = self._dots.shape
        inside = (column >= 0) & (column < 2 * columns) & (row >= 0) & (row < 4 * rows)
        column, row = column[inside], row[inside]
        np.bitwise_or.at(self._dots, (row // 4, column // 2), _DOTS[row % 4, column % 2])
        self._colors[row // 4, column // 2] = color

    def text(self, point: npt.NDArray[np.floating], text: str) -> None:
        """Writes over the dots, from a point (2,) in px of the image on, as far as there is room."""
        rows, columns = self._dots.shape
        column, row = (int(value) for value in np.asarray(point, np.float64) * self._scale / (2, 4))
        row, column = min(max(row, 0), rows - 1), min(max(column, 0), max(columns - len(text), 0))
        self._texts.append((row, column, text[:columns]))

    def lines(self, *, color: bool) -> list[str]:
        """The picture in a frame, a text a line; with colours, each line ends in the usual one."""
        table = [[chr(0x2800 + dots) if dots else " " for dots in row] for row in self._dots.tolist()]
        colors = self._colors.tolist()
        for row, column, text in self._texts:
            for place, character in enumerate(text, start=column):
                table[row][place], colors[row][place] = character, MIDDLE
        edge = "\u2500" * len(table[0])
        if color:
            inner = [_colored(row, codes) for row, codes in zip(table, colors, strict=True)]
        else:
            inner = ["".join(row) for row in table]
        return [f"\u250c{edge}\u2510", *(f"\u2502{row}\u2502" for row in inner), f"\u2514{edge}\u2518"]


def draw_pose(canvas: Canvas, landmarks: npt.NDArray[np.float32], *, chosen: bool) -> None:
    """Draws a skeleton.

    Args:
        canvas: where to.
        landmarks: (33, 4) px of the image, and visibility; joints that are not visible are left out.
        chosen: whether it is the one who is recorded: others are grey.
    """
    visible = landmarks[:, 3] >= VISIBLE
    for start, end in CONNECTIONS:
        if visible[start] and visible[end]:
            color = _color(start, end) if chosen else OTHERS
            thick = chosen and min(start, end) >= 11 and max(start, end) not in _HANDS
            canvas.line(landmarks[start, :2], landmarks[end, :2], color, thick=thick)


def _color(start: int, end: int) -> int:
    """Of a line between two joints; odd joints are left ones, apart from the face."""
    if min(start, end) < 11 or start % 2 != end % 2:
        return MIDDLE
    return LEFT if start % 2 else RIGHT


def _colored(row: list[str], codes: list[int]) -> str:
    text, last = "", 0
    for character, code in zip(row, codes, strict=True):
        code = code if character != " " else last
        if code != last:
            text += f"\x1b[{code}m"
            last = code
        text += character
    return text + (_RESET if last else "")
