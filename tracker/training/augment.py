"""Augmentation for surveillance: people who lie at any angle, odd light, poor cameras.

All functions take boxes as (N, 4) left, top, right, bottom in pixels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tracker.training.samples import Sample

__all__ = ["Augmentation", "Augmented", "augment", "warp_boxes"]

FloatArray = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

_GREY = (114, 114, 114)


@dataclass(frozen=True)
class Augmentation:
    """How often and how far images are changed.

    Attributes:
        mosaic: Share of images composed of four.
        nested: Share of a mosaic's parts that are mosaics themselves: street scenes with small people.
        turn: Share of images turned by up to `turn_degrees`, for people who lie; the others turn by up
            to `tilt_degrees`.
        turn_degrees: Largest turn, degrees.
        tilt_degrees: Largest tilt of a badly mounted camera, degrees.
        scale: Least and largest scale relative to fitting the input.
        far: Share of images shrunk further by up to `far_scale`, for people far away.
        far_scale: Least further scale.
        hide: Share of the people who are partly hidden by a patch, as behind furniture.
        empty: Share of images that show only what lies beside the people: rooms, furniture, coats, pets.
    """

    mosaic: float = 0.25
    nested: float = 0.2
    turn: float = 0.35
    turn_degrees: float = 100.0
    tilt_degrees: float = 8.0
    scale: tuple[float, float] = (0.7, 1.7)
    far: float = 0.12
    far_scale: float = 0.5
    hide: float = 0.06
    empty: float = 0.06


@dataclass(frozen=True)
class Augmented:
    """One training image.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        clean: The same before hiding, odd light and poor optics; what a teacher looks at.
        boxes: (N, 4) float32 people.
        unsure: (M, 4) float32 regions for which the loss asks nothing.
        upright: Whether nothing in it was turned far.
    """

    image: Image
    clean: Image
    boxes: FloatArray
    unsure: FloatArray
    upright: bool


def augment(
    sample: Sample,
    others: Sequence[Sample],
    size: tuple[int, int],
    settings: Augmentation,
    random: np.random.Generator,
) -> Augmented:
    """One training image.

    Args:
        sample: The image to use.
        others: Where the other three images of a mosaic are drawn from.
        size: Width and height of the result, pixels.
        settings: How often and how far.
        random: Source of every choice.
    """
    beside = _beside_people(sample) if random.random() < settings.empty else None
    if beside is not None:
        placed = dataclasses.replace(_place(beside, *size, settings, random), upright=False)
    elif random.random() >= settings.mosaic:
        placed = _place(_Picture.of(sample), *size, settings, random)
    else:
        placed = _mosaic(sample, others, *size, settings, random, settings.nested)
    image = placed.clean.copy()
    for box in placed.boxes[random.random(len(placed.boxes)) < settings.hide]:
        _hide(image, box, random)
    return dataclasses.replace(placed, image=_appearance(image, random))


def warp_boxes(boxes: FloatArray, matrix: npt.NDArray[np.float64]) -> FloatArray:
    """Boxes after an affine map, each taken as the ellipse that fills it.

    A person fills the middle of the box rather than its corners, so the ellipse's bounds fit a turned
    person where those of the turned corners are far too large (half extents of a mapped ellipse:
    sqrt((m00 a)^2 + (m01 b)^2) and likewise for y).

    Args:
        boxes: (N, 4).
        matrix: (2, 3) affine map.
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    half = np.sqrt(((boxes[:, 2:] - boxes[:, :2]) / 2) ** 2 @ (matrix[:, :2] ** 2).T)
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


@dataclass(frozen=True)
class _Picture:
    """An image with its people and unsure regions, pixels."""

    image: Image
    boxes: FloatArray
    unsure: FloatArray

    @classmethod
    def of(cls, sample: Sample) -> _Picture:
        image = sample.read()
        rows, columns = image.shape[:2]
        return cls(image, sample.pixels(columns, rows), sample.unsure_pixels(columns, rows))


def _beside_people(sample: Sample) -> _Picture | None:
    """The largest part left, right, above or below all people, if it is a quarter of the image or more.

    A hard negative: the very rooms in which people are to be found, without them.
    """
    picture = _Picture.of(sample)
    rows, columns = picture.image.shape[:2]
    taken = np.concatenate([picture.boxes, picture.unsure])
    if not len(taken):
        return picture
    left, top = (max(0, int(value)) for value in taken[:, :2].min(axis=0))
    right, bottom = (math.ceil(float(value)) for value in taken[:, 2:].max(axis=0))
    parts = [
        picture.image[:, :left],
        picture.image[:, right:],
        picture.image[:top],
        picture.image[bottom:],
    ]
    largest = max(parts, key=lambda part: part.shape[0] * part.shape[1])
    if largest.shape[0] * largest.shape[1] * 4 < rows * columns:
        return None
    nobody = np.zeros((0, 4), dtype=np.float32)
    return _Picture(largest, nobody, nobody)


def _place(
    picture: _Picture, width: int, height: int, settings: Augmentation, random: np.random.Generator
) -> Augmented:
    """The image, mirrored, turned, scaled and moved, on a canvas of width x height."""
    image = picture.image
    rows, columns = image.shape[:2]
    upright = random.random() >= settings.turn
    largest = settings.tilt_degrees if upright else settings.turn_degrees
    angle = math.radians(random.uniform(-largest, largest))
    low, high = np.log(settings.scale)
    # Between fitting the canvas and filling it: a square image would leave a wide canvas half empty.
    scale = math.sqrt(width / columns * height / rows) * math.exp(random.uniform(low, high))
    if random.random() < settings.far:
        scale *= random.uniform(settings.far_scale, 1.0)
    stretch = math.exp(random.uniform(-0.1, 0.1))
    mirror = -1.0 if random.random() < 0.5 else 1.0
    cosine, sine = math.cos(angle), math.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag(
        [mirror * scale * stretch, scale / stretch]
    )
    # Free room is used on either side; an image larger than the canvas keeps a random part in view.
    slack = np.abs(np.array([width, height]) - np.abs(linear) @ np.array([columns, rows])) / 2
    centre = np.array([width, height]) / 2 + random.uniform(-1.0, 1.0, 2) * (slack + 0.05 * width)
    shift = centre - linear @ np.array([columns / 2, rows / 2])
    matrix = np.concatenate([linear, shift[:, None]], axis=1)
    canvas = cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_AREA if scale < 0.6 else cv2.INTER_LINEAR,
        borderValue=_GREY,
    )
    clean = np.asarray(canvas, dtype=np.uint8)
    boxes = _visible(warp_boxes(picture.boxes, matrix), width, height)
    unsure = _visible(warp_boxes(picture.unsure, matrix), width, height)
    return Augmented(clean, clean, boxes, unsure, upright)


def _mosaic(
    sample: Sample,
    others: Sequence[Sample],
    width: int,
    height: int,
    settings: Augmentation,
    random: np.random.Generator,
    nested: float,
) -> Augmented:
    """Four images around a random point, of which a share `nested` are themselves made of four."""
    x, y = (int(value) for value in random.uniform(0.35, 0.65, 2) * (width, height))
    areas = [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
    chosen = [sample, *(others[index] for index in random.integers(0, len(others), 3))]
    canvas = np.empty((height, width, 3), dtype=np.uint8)
    boxes, unsure, upright = [], [], True
    for (left, top, right, bottom), item in zip(areas, chosen, strict=True):
        if random.random() < nested:
            part = _mosaic(item, others, right - left, bottom - top, settings, random, 0.0)
        else:
            part = _place(_Picture.of(item), right - left, bottom - top, settings, random)
        canvas[top:bottom, left:right] = part.clean
        offset = np.array([left, top, left, top], dtype=np.float32)
        boxes.append(part.boxes + offset)
        unsure.append(part.unsure + offset)
        upright &= part.upright
    return Augmented(canvas, canvas, np.concatenate(boxes), np.concatenate(unsure), upright)


def _visible(boxes: FloatArray, width: int, height: int) -> FloatArray:
    """Boxes cut at the border, without those mostly outside or too small to be learnt."""
    border = np.array([width, height, width, height], dtype=np.float32)
    cut = np.clip(boxes, 0.0, border)
    size, full = cut[:, 2:] - cut[:, :2], boxes[:, 2:] - boxes[:, :2]
    share = size.prod(axis=1) / np.maximum(full.prod(axis=1), 1e-6)
    kept: FloatArray = cut[(share > 0.25) & (size.min(axis=1) >= 3.0)]
    return kept


def _hide(image: Image, box: FloatArray, random: np.random.Generator) -> None:
    """Covers a third to a half of a person from one side with a patch of another part of the image."""
    left, top, right, bottom = (round(float(value)) for value in box)
    share = random.uniform(0.3, 0.5)
    columns, rows = right - left, bottom - top
    side = int(random.integers(0, 4))  # the lower half twice as often: furniture
    if side >= 2:
        top += int((1 - share) * rows)
    elif side == 1:
        left += int((1 - share) * columns)
    else:
        right -= int((1 - share) * columns)
    columns, rows = right - left, bottom - top
    if min(columns, rows) < 2:
        return
    x = int(random.integers(0, image.shape[1] - columns + 1))
    y = int(random.integers(0, image.shape[0] - rows + 1))
    if random.random() < 0.5:
        image[top:bottom, left:right] = image[y, x]
    else:
        image[top:bottom, left:right] = image[y : y + rows, x : x + columns].copy()


def _appearance(image: Image, random: np.random.Generator) -> Image:
    """Colour, night, infrared, low resolution, motion blur and compression, as cameras give them."""
    hue, saturation, value = random.uniform(-1.0, 1.0, 3) * (8.0, 0.5, 0.35)
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + hue) % 180.0
    hsv[..., 1:] = np.clip(hsv[..., 1:] * (1.0 + saturation, 1.0 + value), 0.0, 255.0)
    result = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)
    if random.random() < 0.12:
        result = cv2.cvtColor(cv2.cvtColor(result, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if random.random() < 0.15:
        gamma, gain, noise = random.uniform(1.2, 2.5), random.uniform(0.4, 1.0), random.uniform(0.0, 10.0)
        dark = 255.0 * gain * (result.astype(np.float32) / 255.0) ** gamma
        dark += random.normal(0.0, noise, dark.shape)
        result = np.clip(dark, 0.0, 255.0).astype(np.uint8)
    if random.random() < 0.1:
        rows, columns = result.shape[:2]
        share = random.uniform(0.4, 0.8)
        small = cv2.resize(result, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        result = cv2.resize(small, (columns, rows))
    elif random.random() < 0.08:
        length = int(random.integers(3, 10))
        kernel = np.zeros((length, length), dtype=np.float32)
        if random.random() < 0.5:
            kernel[length // 2] = 1.0 / length
        else:
            np.fill_diagonal(kernel, 1.0 / length)
        result = cv2.filter2D(result, -1, kernel)
    if random.random() < 0.15:
        quality = int(random.integers(20, 60))
        encoded = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        result = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return np.asarray(result, dtype=np.uint8)
