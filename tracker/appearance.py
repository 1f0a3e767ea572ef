"""What a person looks like: colours of head, torso, legs and feet, for telling people of one camera apart.

No network: a grid of pixels is taken from every box at once, and a histogram a band and Lab channel of them.
Cheap, independent of size, and enough inside one camera once the mean of the camera is taken away
(`AppearanceSpace`), because what all boxes share, the floor and the light, tells nothing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["DESCRIPTOR_LENGTH", "AppearanceSpace", "describe"]

Floats = NDArray[np.float32]

_ROWS, _COLUMNS = 20, 6  # the grid in a box
_BANDS = np.repeat(np.arange(5), (3, 4, 4, 4, 5))  # head, chest, waist, thighs, feet
_CHANNELS, _BINS = 3, 8
_SPREAD = 0.35  # of the width on either side of the middle: the corners of a box show what is behind
DESCRIPTOR_LENGTH = 5 * _CHANNELS * _BINS
_CHANNEL_START = np.arange(_CHANNELS) * 256


def _bins() -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Of each value of each channel (3 * 256): the lower bin among the 24, and the share of the upper one.

    Colours are mostly grey: a and b get narrow bins around 128, the outer ones take the rest.
    """
    level = np.arange(256)
    values = np.stack([level / 32.0, (level - 88.0) / 10.0, (level - 88.0) / 10.0]) - 0.5
    values = np.clip(values, 0.0, _BINS - 1.001)
    lower = values.astype(np.intp)
    return (lower + np.arange(_CHANNELS)[:, None] * _BINS).ravel(), (values - lower).ravel()


_PLACE, _SHARE = _bins()


def describe(image: NDArray[np.uint8], boxes: NDArray[np.floating]) -> Floats:
    """Descriptors of the people in boxes.

    Args:
        image: (H, W, 3) uint8, BGR.
        boxes: (N, 4) left, top, right, bottom in pixels; what is outside the image repeats its border.

    Returns:
        (N, 120) float32 of length 1: square roots of histograms (Hellinger), five bands of three channels of
        eight bins.
    """
    count = len(boxes)
    if not count:
        return np.zeros((0, DESCRIPTOR_LENGTH), np.float32)
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    along = (np.arange(_ROWS) + 0.5) / _ROWS
    across = 0.5 + _SPREAD * ((np.arange(_COLUMNS) + 0.5) / _COLUMNS * 2 - 1)
    size = corners[:, 2:] - corners[:, :2]
    columns = _places(corners[:, :1] + size[:, :1] * across, image.shape[1])
    rows = _places(corners[:, 1:2] + size[:, 1:2] * along, image.shape[0])
    places = rows[:, :, None] * image.shape[1] + columns[:, None, :]
    pixels = image.reshape(-1, 3).take(places.ravel(), axis=0)  # half the time of image[rows, columns]
    lab = cv2.cvtColor(pixels.reshape(count * _ROWS, _COLUMNS, 3), cv2.COLOR_BGR2LAB).reshape(-1, 3)
    # Each value goes into its bin and the next one, by how near it is to either.
    cell = lab + _CHANNEL_START
    share = _SHARE.take(cell)
    weight = np.tile(np.exp(-(((across - 0.5) / 0.25) ** 2)), count * _ROWS)[:, None]
    group = np.repeat((np.arange(count)[:, None] * 5 + _BANDS).ravel() * (_CHANNELS * _BINS), _COLUMNS)
    place = (_PLACE.take(cell) + group[:, None]).ravel()
    upper = weight * share
    counts = np.bincount(place, (weight - upper).ravel(), count * DESCRIPTOR_LENGTH)
    counts[1:] += np.bincount(place, upper.ravel(), count * DESCRIPTOR_LENGTH)[:-1]
    histograms = counts.reshape(-1, _BINS)
    roots = np.sqrt(histograms / histograms.sum(axis=1, keepdims=True)).reshape(count, -1)
    result: Floats = (roots / np.sqrt(5 * _CHANNELS)).astype(np.float32)
    return result


def _places(values: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
    """Whole pixels inside the image; nonsense such as nan is pixel 0."""
    inside = np.clip(np.nan_to_num(values, nan=0.0, posinf=limit, neginf=0.0), 0, limit - 1)
    return inside.astype(np.intp)


class AppearanceSpace:
    """Compares descriptors of one camera by what sets its people apart.

    Args:
        memory: Descriptors after which the mean of the camera has forgotten to 1/e.
    """

    def __init__(self, memory: float = 500.0) -> None:
        self._memory = memory
        self._seen = 0.0
        self._mean = np.zeros(DESCRIPTOR_LENGTH, np.float32)

    def learn(self, descriptors: Floats) -> None:
        """Takes descriptors (N, 120) of people into the mean."""
        if not len(descriptors):
            return
        self._seen = min(self._seen + len(descriptors), self._memory)
        self._mean += (descriptors.mean(axis=0) - self._mean) * (len(descriptors) / max(self._seen, 1.0))

    def similarity(self, first: Floats, second: Floats) -> Floats:
        """Cosines (N, M) in -1..1 of descriptors (N, 120) and (M, 120) about the camera's mean."""
        one, two = _unit(first - self._mean), _unit(second - self._mean)
        result: Floats = one @ two.T
        return result


def _unit(vectors: Floats) -> Floats:
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    result: Floats = vectors / np.maximum(lengths, 1e-6)[:, None]
    return result
