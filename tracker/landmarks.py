"""The 33 landmarks of BlazePose, the two auxiliary ones, and which of them a skeleton joins."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

__all__ = ["BODY_CENTRE", "BODY_CIRCLE", "CONNECTIONS", "LANDMARKS", "MIRROR", "Landmark"]


class Landmark(IntEnum):
    """Index of each landmark; left and right are the person's own."""

    NOSE = 0
    LEFT_EYE_INNER = 1
    LEFT_EYE = 2
    LEFT_EYE_OUTER = 3
    RIGHT_EYE_INNER = 4
    RIGHT_EYE = 5
    RIGHT_EYE_OUTER = 6
    LEFT_EAR = 7
    RIGHT_EAR = 8
    MOUTH_LEFT = 9
    MOUTH_RIGHT = 10
    LEFT_SHOULDER = 11
    RIGHT_SHOULDER = 12
    LEFT_ELBOW = 13
    RIGHT_ELBOW = 14
    LEFT_WRIST = 15
    RIGHT_WRIST = 16
    LEFT_PINKY = 17
    RIGHT_PINKY = 18
    LEFT_INDEX = 19
    RIGHT_INDEX = 20
    LEFT_THUMB = 21
    RIGHT_THUMB = 22
    LEFT_HIP = 23
    RIGHT_HIP = 24
    LEFT_KNEE = 25
    RIGHT_KNEE = 26
    LEFT_ANKLE = 27
    RIGHT_ANKLE = 28
    LEFT_HEEL = 29
    RIGHT_HEEL = 30
    LEFT_FOOT_INDEX = 31
    RIGHT_FOOT_INDEX = 32


LANDMARKS = len(Landmark)
BODY_CENTRE = 33
"""Auxiliary output of the network: middle of the circle around the whole body."""
BODY_CIRCLE = 34
"""Auxiliary output of the network: the point of that circle above the head."""

MIRROR = np.array(
    (0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(place for left in range(11, 33, 2) for place in (left + 1, left)))
)
"""(33,) the landmark on the other side of the body."""

CONNECTIONS: tuple[tuple[int, int], ...] = (
    *((7, 3), (3, 2), (2, 1), (1, 0), (0, 4), (4, 5), (5, 6), (6, 8), (9, 10)),  # face
    *((11, 12), (11, 23), (12, 24), (23, 24)),  # trunk
    *((11, 13), (13, 15), (15, 17), (15, 19), (15, 21), (17, 19)),  # left arm and hand
    *((12, 14), (14, 16), (16, 18), (16, 20), (16, 22), (18, 20)),  # right arm and hand
    *((23, 25), (25, 27), (27, 29), (27, 31), (29, 31)),  # left leg and foot
    *((24, 26), (26, 28), (28, 30), (28, 32), (30, 32)),  # right leg and foot
)
"""Pairs of landmarks that a drawn skeleton joins."""
