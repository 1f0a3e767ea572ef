"""What every drawing of a scene is made of: colours and labels."""

from __future__ import annotations

import colorsys
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Color", "Labels", "track_color"]

Color: TypeAlias = tuple[int, int, int]
"""Blue, green, red."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE = (255, 255, 255)
_DARK = (32, 32, 32)


def track_color(number: int) -> Color:
    """A BGR colour for a track: hues a golden angle apart, so that neighbours in number differ."""
    red, green, blue = colorsys.hsv_to_rgb((number * 0.618034) % 1.0, 0.75, 1.0)
    return int(blue * 255), int(green * 255), int(red * 255)


class Labels:
    """Texts on filled boxes, inside the image and not on top of each other.

    Args:
        canvas: what to draw on.
        scale: size of the font.
        weight: of its lines in px.
        hidden: (H, W) where labels are not seen, and are put only where no other place is free.
    """

    def __init__(
        self,
        canvas: NDArray[np.uint8],
        scale: float,
        weight: int = 1,
        hidden: NDArray[np.bool_] | None = None,
    ) -> None:
        self._canvas, self._scale, self._weight, self._hidden = canvas, scale, weight, hidden
        self._taken: list[tuple[int, int, int, int]] = []

    def reserve(self, place: tuple[int, int, int, int]) -> None:
        """Keeps labels away from a rectangle of left, top, width and height."""
        self._taken.append(place)

    def put(
        self,
        text: str,
        x: int,
        y: int,
        color: Color,
        *,
        above: bool = False,
        otherwise: int | None = None,
    ) -> None:
        """Draws a text at x below y (or above it), else below `otherwise`, else at the next free place."""
        (width, height), baseline = cv2.getTextSize(text, _FONT, self._scale, self._weight)
        width, height = width + 4, height + baseline
        x = int(np.clip(x, 0, max(0, self._canvas.shape[1] - width)))
        step = -height if above else height
        tops = [y - height if above else y]
        tops += [] if otherwise is None else [otherwise]
        tops += [tops[0] + n * step for n in (1, 2, 3)]
        places = [(x, self._inside(top, height), width, height) for top in tops]
        place = next((place for place in places if not self._overlaps(place)), places[0])
        self._taken.append(place)
        left, top = place[:2]
        cv2.rectangle(self._canvas, (left, top), (left + width, top + height), color, -1)
        ink = _DARK if sum(color) > 380 else _WHITE
        corner = (left + 2, top + height - baseline // 2 - 1)
        cv2.putText(self._canvas, text, corner, _FONT, self._scale, ink, self._weight, cv2.LINE_AA)

    def _inside(self, top: int, height: int) -> int:
        return int(np.clip(top, 0, max(0, self._canvas.shape[0] - height)))

    def _overlaps(self, place: tuple[int, int, int, int]) -> bool:
        left, top, width, height = place
        if self._hidden is not None and self._hidden[top : top + height, left : left + width].any():
            return True
        return any(
            left < x + w and x < left + width and top < y + h and y < top + height
            for x, y, w, h in self._taken
        )
