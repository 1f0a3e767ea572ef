"""Descriptors of looks: colours, not size; compared about what a camera's people share."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.appearance import DESCRIPTOR_LENGTH, AppearanceSpace, describe

RED, BLUE, GREEN, GREY = (40, 40, 200), (200, 60, 40), (40, 160, 40), (120, 120, 120)
Colour = tuple[int, int, int]


def _scene(*people: tuple[int, Colour, Colour], height: int = 80, seed: int = 0) -> np.ndarray:
    """A noisy grey floor with people as upper and lower halves of colour, 30 px wide at x."""
    image = np.full((200, 600, 3), GREY, np.float64)
    for x, upper, lower in people:
        image[50 : 50 + height // 2, x : x + 30] = upper
        image[50 + height // 2 : 50 + height, x : x + 30] = lower
    return np.clip(image + np.random.default_rng(seed).normal(0, 12, image.shape), 0, 255).astype(np.uint8)


def _box(x: float, height: int = 80, width: int = 30) -> list[float]:
    return [x, 50.0, x + width, 50.0 + height]


def test_the_same_clothes_are_alike_at_another_place_and_size() -> None:
    first = describe(_scene((50, RED, BLUE), (200, GREEN, BLUE), (350, BLUE, RED)), np.array(
        [_box(50), _box(200), _box(350)]))  # fmt: skip
    second = describe(_scene((420, RED, BLUE), height=140, seed=1), np.array([_box(420, 140)]))
    space = AppearanceSpace()
    space.learn(first)
    likeness = space.similarity(second, first)[0]
    assert likeness.argmax() == 0
    assert likeness[0] > 0.9
    assert max(likeness[1:]) < 0.3


def test_descriptors_have_length_one_and_nonsense_does_no_harm() -> None:
    boxes = np.array(
        [
            _box(50),
            [-50, -50, 20, 20],
            [590, 190, 900, 900],
            [10, 10, 10, 10],
            [np.nan] * 4,
            [-1e9, 0, 1e9, 9],
        ]
    )
    found = describe(_scene((50, RED, BLUE)), boxes)
    assert found.shape == (6, DESCRIPTOR_LENGTH)
    assert found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-4)
    assert describe(_scene(), np.zeros((0, 4))).shape == (0, DESCRIPTOR_LENGTH)
