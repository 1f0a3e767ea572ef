"""What is drawn into a frame of `replay --annotate`."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.annotate import annotate
from daemon.config.rules import LineCrossingRule
from daemon.scene import Scene


def drawn(**parts) -> np.ndarray:
    """(200, 300) whether something was drawn there on a black frame without people."""
    scene = Scene("door", 300, 200, 0.0, 0.0, ())
    image = np.zeros((200, 300, 3), np.uint8)
    return annotate(image, scene, {}, **parts).any(axis=2)


@pytest.mark.parametrize(
    ("direction", "left", "right"),
    [("left_to_right", False, True), ("right_to_left", True, False), ("both", True, True)],
)
def test_arrows_point_the_way_that_counts(direction, left, right):
    """Up the image: right is where the right hand is."""
    rule = LineCrossingRule(type="line_crossing", line=((0.5, 0.9), (0.5, 0.1)), direction=direction)
    where = drawn(lines={"gate": rule})[90:110]  # around the middle, away from the name
    assert where[:, 150].all()
    # The tip is farther from the line than the tail.
    assert where[:, 142].any() == left
    assert where[:, 158].any() == right


def test_masks_have_their_outline_and_name():
    where = drawn(masks={"screen": ((0.5, 0.5), (0.9, 0.5), (0.9, 0.9), (0.5, 0.9))})
    assert where[100, 150:270].all()
    assert not where[:90, :140].any()
