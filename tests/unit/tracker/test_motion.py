"""Whether anything moves before a camera that sees nobody."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.motion import MotionGate

Image = NDArray[np.uint8]

RANDOM = np.random.default_rng(7)


def _picture(level: float = 100.0, noise: float = 2.0, size: tuple[int, int] = (288, 512)) -> Image:
    values = np.linspace(level - 40, level + 40, size[1])[None] + RANDOM.normal(0, noise, size)
    return np.clip(values, 0, 255).astype(np.uint8)


def _learned(noise: float = 2.0) -> MotionGate:
    gate = MotionGate()
    for _ in range(30):
        gate.remember(_picture(noise=noise))
    return gate


def test_nothing_is_still_before_a_picture_is_known() -> None:
    gate = MotionGate()
    assert not gate.still(_picture())
    gate.remember(_picture())
    assert gate.still(_picture())
    gate.forget()
    assert not gate.still(_picture())


@pytest.mark.parametrize("noise", [0.0, 2.0, 6.0])
def test_noise_is_no_movement(noise: float) -> None:
    gate = _learned(noise)
    assert all(gate.still(_picture(noise=noise)) for _ in range(30))


@pytest.mark.parametrize("size", [(1, 1), (17, 31), (288, 512), (576, 768), (1080, 1920)])
def test_somebody_small_is_movement_at_any_size(size: tuple[int, int]) -> None:
    gate = MotionGate()
    gate.remember(_picture(size=size, noise=1.0))
    somebody = _picture(size=size, noise=1.0)
    height, width = size
    somebody[: max(1, height // 10), : max(1, width // 30)] = 200
    assert not gate.still(somebody)


def test_slow_changes_add_up_until_the_picture_is_remembered() -> None:
    gate = _learned(noise=1.0)
    still = []
    for step in range(30):
        creeping = _picture(noise=1.0)
        creeping[100:200, : 2 * step] = 30
        still.append(gate.still(creeping))
    assert still[0]
    assert not any(still[8:])


def test_planes_and_colour_pictures_are_taken() -> None:
    gate = MotionGate()
    plane = _picture()
    gate.remember(np.repeat(plane[..., None], 3, axis=2))
    assert gate.still(plane)
