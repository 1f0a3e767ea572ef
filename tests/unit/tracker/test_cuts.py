"""Cuts: another scene is one, whatever else changes in a scene is none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.cuts import CutDetector

Image = NDArray[np.uint8]


def _scene(seed: int, height: int = 360, width: int = 640) -> Image:
    """A made-up room: large patches of random light."""
    rough = np.random.default_rng(seed).integers(20, 230, (5, 7, 3), np.uint8)
    return np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _cuts(*frames: Image) -> list[bool]:
    detector = CutDetector()
    return [detector.update(frame) for frame in frames]


def test_another_scene_is_a_cut_once() -> None:
    first, second = _scene(1), _scene(2)
    assert _cuts(first, first, second, second, second) == [False, False, False, True, False]


def test_one_broken_picture_is_none_and_neither_is_the_way_back() -> None:
    first, broken = _scene(1), _scene(2)
    assert _cuts(first, broken, first, first, broken, first) == [False] * 6


def test_a_cut_through_black_is_one() -> None:
    black = np.zeros((360, 640, 3), np.uint8)
    assert _cuts(_scene(1), black, _scene(2), _scene(2)) == [False, False, False, True]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: np.clip(image * 0.5 + 10, 0, 255).astype(np.uint8),  # exposure
        lambda image: cv2.merge([cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)] * 3),  # night: infrared, grey
        lambda image: cv2.rectangle(image.copy(), (100, 40), (260, 360), (20, 30, 25), -1),  # somebody near
        lambda image: np.roll(image, 12, axis=1),  # a mast in the wind
        lambda image: cv2.resize(image, (1280, 720)),  # another resolution
    ],
    ids=["exposure", "infrared", "somebody near", "shaking", "resolution"],
)
def test_what_changes_in_a_scene_is_no_cut(change: object) -> None:
    image = _scene(3)
    assert _cuts(image, change(image)) == [False, False]  # type: ignore[operator]


def test_darkness_says_nothing() -> None:
    random = np.random.default_rng(0)
    dark = [random.integers(0, 12, (360, 640, 3), np.uint8) for _ in range(10)]
    assert _cuts(*dark) == [False] * 10


def _furnished(seed: int) -> Image:
    image, random = _scene(seed).copy(), np.random.default_rng(seed)
    for x, y, width, height in random.integers((0, 0, 20, 20), (600, 330, 120, 90), (50, 4)).tolist():
        colour = [int(level) for level in random.integers(30, 230, 3)]
        cv2.rectangle(image, (x, y), (x + width, y + height), colour, -1)
    return image


def _infrared(image: Image) -> Image:
    """Lit in one place by the camera's own light; what is blue is bright in it, what is green dark."""
    rows, columns = np.mgrid[:360, :640]
    lit = np.exp(-(((columns - 250) / 250) ** 2 + ((rows - 200) / 140) ** 2))
    return (
        np.clip((280.0 - image[..., 1]) * (0.1 + 0.9 * lit), 0, 255).astype(np.uint8)[..., None].repeat(3, 2)
    )


def test_infrared_light_that_turns_light_and_dark_round_is_no_cut() -> None:
    room, other = _furnished(4), _furnished(5)
    assert _cuts(room, room, *[_infrared(room)] * 4, room, room) == [False] * 8
    assert _cuts(room, room, *[_infrared(other)] * 3) == [False, False, False, True, False], "another room is"


def test_a_frame_around_two_scenes_does_not_make_them_one() -> None:
    first, second = _furnished(6), _furnished(7)
    for image in (first, second):
        image[:, :30] = image[:, -30:] = 128
        image[50:70, 100:300] = 255  # the name of the channel
    assert _cuts(first, first, second, second) == [False, False, False, True]


def test_a_light_that_goes_on_or_off_is_a_flash_and_somebody_near_is_none() -> None:
    room, detector = _furnished(8), CutDetector()
    near = cv2.rectangle(room.copy(), (100, 40), (360, 360), (20, 30, 25), -1)
    dark = (room * 0.3).astype(np.uint8)
    found = []
    for image in (room, room, near, room, dark, dark, room):
        detector.update(image)
        found.append(detector.flash)
    assert found == [False, False, False, False, True, False, True]
