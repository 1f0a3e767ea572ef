"""A few thousand pixels of a frame: enough to tell whether the camera still shows what it should.

Pixels are picked, not averaged, so that the cost is the same at any resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.edges import BLOCKS, FINE, edge_field, pick_levels, reduce_blocks

__all__ = ["Sample", "Sampler", "is_plain", "one_colour"]

Floats = NDArray[np.float32]

_STEADY = 0.4  # seconds over which noise is averaged out
_PLAIN = 0.85  # share of a frame within some levels, below which no colour has the share that says something
_SAME = 1  # level within which colours are the same: fog and snow differ by more, also after a codec


@dataclass(frozen=True, slots=True)
class Sample:
    """What was sampled of the last frames.

    Attributes:
        steady: (144, 256) float32 green levels, averaged over a part of a second.
        edges: (72, 128, 2) float32 of them.
        level: (9, 16) float32 mean level of each block, of this frame alone.
        powers: (2, 2, 9, 16) float32, squared levels: power of the differences of neighbours, and of what is
            a sixteenth of the width apart, by block; first without noise, then without the blur of movement.
        bright: share of this frame that is saturated, 0..1.
    """

    steady: Floats
    edges: Floats
    level: Floats
    powers: Floats
    bright: float


class Sampler:
    """Samples the frames of one camera, and averages noise out of them."""

    def __init__(self) -> None:
        self._steady: Floats | None = None
        self._powers: Floats = np.zeros((2, 2, *BLOCKS), np.float32)
        self._steps: tuple[Floats, ...] = ()
        self._at = 0.0

    def sample(self, image: NDArray[np.uint8], monotonic: float, span: tuple[int, int] = (0, 255)) -> Sample:
        """Of a frame, (H, W) luma whose black and white are `span`, at its time in seconds."""
        now = pick_levels(image, span)
        steps = _steps(now)
        if self._steady is None or monotonic - self._at > 10 * _STEADY:
            self._steady = now
            self._powers = np.stack([_powers(steps, steps)] * 2)
        else:
            share = 1.0 - float(np.exp(-max(monotonic - self._at, 0.0) / _STEADY))
            # The noise of two pictures is not the same: in their product it cancels out.
            powers = np.stack([_powers(steps, self._steps), _powers(steps, steps)])
            self._powers = self._powers + share * (powers - self._powers)
            self._steady = self._steady + share * (now - self._steady)
        self._at, self._steps = monotonic, steps
        bright = float((now >= 250.0).mean())
        return Sample(
            self._steady, edge_field(self._steady), reduce_blocks(now), np.maximum(self._powers, 0.0), bright
        )


def _steps(levels: Floats) -> tuple[Floats, ...]:
    """Differences of neighbours, and of what is a sixteenth of the width apart: across and down, each."""
    wide = FINE[1] // 16
    return tuple(
        np.asarray(cv2.copyMakeBorder(step, top, 0, left, 0, cv2.BORDER_CONSTANT, value=0), np.float32)
        for step, top, left in (
            (cv2.subtract(levels[:, 1:], levels[:, :-1]), 0, 1),
            (cv2.subtract(levels[1:], levels[:-1]), 1, 0),
            (cv2.subtract(levels[:, wide:], levels[:, :-wide]), 0, wide),
            (cv2.subtract(levels[wide:], levels[:-wide]), wide, 0),
        )
    )


def _powers(one: tuple[Floats, ...], other: tuple[Floats, ...]) -> Floats:
    """(2, 9, 16) products of the differences of two pictures by block: small ones, and wide ones."""
    across, down, wide_across, wide_down = (
        reduce_blocks(first * second) for first, second in zip(one, other, strict=True)
    )
    return np.stack([across + down, wide_across + wide_down])


def is_plain(luma: NDArray[np.uint8]) -> bool:
    """Whether a frame may be of one colour, of which `one_colour` says how far; by its luma (H, W) alone."""
    height, width = luma.shape
    rows, columns = max(1, height // 36), max(1, width // 64)
    counts = np.bincount(luma[rows // 2 :: rows, columns // 2 :: columns].ravel(), minlength=256).cumsum()
    middle = int(np.searchsorted(counts, counts[-1] / 2))
    # The same colour may differ by this much in luma, as channels are rounded.
    low, high = middle - 2 * _SAME - 2, min(255, middle + 2 * _SAME + 2)
    return float(counts[high] - (counts[low] if low >= 0 else 0)) >= _PLAIN * float(counts[-1])


def one_colour(image: NDArray[np.uint8]) -> tuple[float, int, int]:
    """How far a frame is of one colour.

    Args:
        image: (H, W, 3) uint8 BGR.

    Returns:
        Share of the frame in its most frequent colour, 0..1; that colour's least and greatest channel.
    """
    height, width = image.shape[:2]
    rows, columns = max(1, height // 36), max(1, width // 64)
    picked = np.ascontiguousarray(image[rows // 2 :: rows, columns // 2 :: columns])
    counts = [np.bincount(picked[..., channel].ravel(), minlength=256).cumsum() for channel in range(3)]
    middle = [int(np.searchsorted(count, count[-1] / 2)) for count in counts]
    low, high = [max(0, level - _SAME) for level in middle], [min(255, level + _SAME) for level in middle]
    same = cv2.countNonZero(cv2.inRange(picked, np.array(low), np.array(high)))
    return same / (picked.shape[0] * picked.shape[1]), min(middle), max(middle)
