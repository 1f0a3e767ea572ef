"""Cuts: whether a frame shows another scene than the one before, so that nobody is followed across.

A switch between inputs, a camera that jumps to another view, a clip in a loop: the people of the frame before
are not in this one. (A camera that pans slowly is not noticed.) Compared is the layout of light and dark, as
the correlation of two tiny pictures, which neither exposure nor colour changes much, nor people who walk.
Where it has changed (infrared light comes from the camera, and other materials are bright in it), edges say
whether it is another scene.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.edges import (
    BLOCK,
    CLEAR,
    block_fit,
    clearness,
    edge_field,
    fit,
    pick_levels,
    spectrum,
    tiny_levels,
)

__all__ = ["CutDetector"]

Floats = NDArray[np.float32]

_FLASH = 1.6  # ratio of the mean levels of two frames that no movement makes
_EVERY = 5  # frames between two in which the edges of the scene are looked at
_STANDS_OUT, _CLEARLY = 4.5, 1.2  # by which edges fit in their place: in deviations, and than elsewhere
_AGREE, _SHARE = 0.3, 0.25  # agreement of a block's edges, and share of the blocks


class CutDetector:
    """Compares the frames of one camera.

    Args:
        same: correlation of the tiny pictures below which two frames show different scenes.
        contrast: standard deviation in grey levels below which a picture says nothing (fog, darkness).

    Attributes:
        flash: whether the whole picture became brighter or darker at once with the last frame: a light, the
            click of an infrared filter. What looks at movement takes it for some.
    """

    def __init__(self, *, same: float = 0.5, contrast: float = 4.0) -> None:
        self._same, self._contrast = same, contrast
        self._scene: Floats | None = None
        self._other: Floats | None = None
        self._levels: Floats | None = None
        self._age = 0
        self._mean: float | None = None
        self.flash = False

    def update(self, image: NDArray[np.uint8], span: tuple[int, int] = (0, 255)) -> bool:
        """Whether the next frame is the second one of another scene.

        Args:
            image: (H, W) luma or (H, W, 3), uint8.
            span: levels of black and white in it.
        """
        now = tiny_levels(image, span)
        mean = float(now.mean()) + 8.0  # noise of the dark is no light
        self.flash = self._mean is not None and not 1 / _FLASH < mean / self._mean < _FLASH
        self._mean = mean
        if now.std() < self._contrast:
            return False  # says nothing, and what comes after it is compared with what was before
        if self._scene is None or _alike(now, self._scene) >= self._same:
            self._keep(now, image, span)
            return False
        if self._levels is not None and _same_edges(pick_levels(image, span), self._levels):
            self._age = 0
            self._keep(now, image, span)
            return False
        # One picture may be broken: another scene is one that the next picture shows as well.
        if self._other is None or _alike(now, self._other) < self._same:
            self._other = now
            return False
        self._age = 0
        self._keep(now, image, span)
        return True

    def _keep(self, now: Floats, image: NDArray[np.uint8], span: tuple[int, int]) -> None:
        """This is the scene now."""
        self._scene, self._other = now, None
        if self._age % _EVERY == 0:
            self._levels = pick_levels(image, span)
        self._age += 1


def _same_edges(now: Floats, before: Floats) -> bool:
    """Whether edges are where they were, in whatever light."""
    one, other = edge_field(now), edge_field(before)
    for field in (one, other):
        field[:, :BLOCK] = field[:, -BLOCK:] = 0.0  # a frame around the picture is no scene
    best = fit(spectrum(one), spectrum(other))
    if best.here < max(_STANDS_OUT, _CLEARLY * best.elsewhere):
        return False
    placed = np.roll(one, (-best.shift[0], -best.shift[1]), (0, 1))
    known = clearness(other) > CLEAR
    agree = known & (clearness(placed) > CLEAR) & (block_fit(placed, other) > _AGREE)
    return bool(agree.sum() >= _SHARE * max(8, int(known.sum())))


def _alike(first: Floats, second: Floats) -> float:
    """Correlation of two pictures, -1 to 1."""
    one, two = first - first.mean(), second - second.mean()
    return float((one * two).sum() / np.sqrt((one**2).sum() * (two**2).sum()))
