"""What is behind the drawing of a scene: nothing, a few patches of colour, or the camera's picture.

`blur` is no filter over the picture but a new picture from very little: at most 16 x 16 patches of 32
shades a colour, in which the people who are followed do not take part. Whatever is drawn from it holds no
more than that, however large it is shown and however it is sharpened: a face that fills a third of the
picture is five patches wide. (People know a familiar face from about 7 x 10 pixels on: Sinha et al. 2006,
Face Recognition by Humans, result 1.)
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from daemon.media.privacy import PrivacyMasks
from daemon.scene import Scene

__all__ = ["PATCHES", "blank", "full", "paint_patches", "patches", "target_size"]

Image = NDArray[np.uint8]

PATCHES = 16
"""Patches along the longer side of a blurred scene."""

_SHADES = 8  # step between two shades of a patch
_FINE = 8  # fine pixels a side of a patch: so exactly are people left out of it
_AROUND = 0.15  # of a person's box on each side, left out as well
_BLANK = (46, 40, 36)
_UNKNOWN = 96.0  # shade of a scene of which nothing may be shown
_DIMMED = 0.62  # so that skeletons stand out


def target_size(width: int, height: int, widest: int) -> tuple[int, int]:
    """Width and height of a picture that is made at most `widest` wide; both even, as H.264 wants them."""
    scale = min(1.0, widest / width)
    return max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2)


def blank(size: tuple[int, int]) -> Image:
    """A dark ground (H, W, 3) for a size of width and height."""
    row = np.full((size[0], 3), _BLANK, np.uint8)
    return np.broadcast_to(row, (size[1], *row.shape)).copy()  # ten times as fast as pixel by pixel


def full(image: Image, masks: PrivacyMasks, size: tuple[int, int]) -> Image:
    """A copy of the camera's picture in this size; the masks are covered."""
    if size == (image.shape[1], image.shape[0]):
        return masks.cover(image.copy())
    # Means are better than samples, but take five times as long; down to a half nobody sees it.
    how = cv2.INTER_LINEAR if 2 * size[0] >= image.shape[1] else cv2.INTER_AREA
    return masks.cover(np.asarray(cv2.resize(image, size, interpolation=how), np.uint8))


def patches(image: Image, scene: Scene, masks: PrivacyMasks) -> Image:
    """All that a blurred scene is made of: (rows, columns, 3) uint8, one pixel a patch.

    Args:
        image: (H, W, 3) uint8 BGR.
        scene: its people, who are left out: seen, tentative and lost ones.
        masks: what is left out as well.
    """
    height, width = image.shape[:2]
    columns, rows = _grid(width, height)
    fine = (columns * _FINE, rows * _FINE)
    known = _seen_by_all(scene, masks, fine)
    small = cv2.resize(image, fine, interpolation=cv2.INTER_AREA).astype(np.float32)
    weight = np.asarray(cv2.resize(known, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
    kept = small * known[:, :, None]
    total = np.asarray(cv2.resize(kept, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
    means = _fill(total, weight)
    return (np.clip(means, 0, 255) // _SHADES * _SHADES + _SHADES // 2).astype(np.uint8)


def paint_patches(cells: Image, masks: PrivacyMasks, size: tuple[int, int]) -> Image:
    """A blurred scene (H, W, 3) of this size from its patches."""
    rows, columns = cells.shape[:2]
    fine = (columns * _FINE, rows * _FINE)
    soft = cv2.resize(cells, fine, interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(soft.astype(np.float32) * _DIMMED, (0, 0), 0.6 * _FINE)
    return masks.cover(np.asarray(cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR), np.uint8))


def _grid(width: int, height: int) -> tuple[int, int]:
    longer = max(width, height)
    return max(1, round(PATCHES * width / longer)), max(1, round(PATCHES * height / longer))


def _seen_by_all(scene: Scene, masks: PrivacyMasks, size: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W) 1 where nobody and no mask is."""
    width, height = size
    known = np.ones((height, width), np.float32)
    for person in scene.people:
        left, top, right, bottom = person.track.box.tolist()
        x, y = _AROUND * (right - left), _AROUND * (bottom - top)
        columns = np.array([left - x, right + x]) * width / scene.width
        rows = np.array([top - y, bottom + y]) * height / scene.height
        first_x, first_y = max(0, int(np.floor(columns[0]))), max(0, int(np.floor(rows[0])))
        last_x, last_y = max(0, int(np.ceil(columns[1]))), max(0, int(np.ceil(rows[1])))
        known[first_y:last_y, first_x:last_x] = 0.0
    if masks:
        known[masks.hidden(width, height)] = 0.0
    return known


def _fill(total: NDArray[np.floating], weight: NDArray[np.floating]) -> NDArray[np.float32]:
    """Means of patches; one of which too little may be seen takes its surroundings' colour."""
    enough = weight >= 0.2
    total, weight = total * enough[:, :, None], weight * enough
    means = np.full(total.shape, _UNKNOWN, np.float32)
    for sigma in (8.0, 3.0, 1.0):  # from far to near, where there is something near
        around = cv2.GaussianBlur(weight, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
        colours = cv2.GaussianBlur(total, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
        there = around > 1e-3
        means[there] = colours.reshape(means.shape)[there] / around[there, None]
    means[enough] = total[enough] / weight[enough, None]
    return means
