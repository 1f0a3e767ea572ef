"""Which network reads whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tracker.pose import Company, Image, Pose, Roi
from tracker.pose_choice import ChosenPoseEstimator

IMAGE = np.zeros((100, 100, 3), np.uint8)


class _Network:
    """Says who read which square beside whom."""

    min_score = 0.4

    def __init__(self) -> None:
        self.calls: list[tuple[list[Roi], list[Company | None]]] = []

    def estimate(
        self,
        _image: Image,
        rois: Sequence[Roi],
        company: Sequence[Company | None] | None = None,
        _steady: Sequence[bool] | None = None,
    ) -> list[Pose]:
        self.calls.append((list(rois), list(company or ())))
        return [Pose(np.zeros((33, 4), np.float32), np.zeros((33, 3), np.float32), 0.9, roi) for roi in rois]


@pytest.fixture
def networks() -> tuple[_Network, _Network]:
    return _Network(), _Network()


@pytest.mark.parametrize(
    ("angle", "side", "steady", "light"),
    [
        (0.1, 200, True, True),
        (-0.3, 200, True, True),
        (0.1, 200, False, False),  # new, or moves otherwise than evenly
        (1.5, 200, True, False),  # lies
        (-0.9, 200, True, False),  # leans far over
        (0.1, 300, True, False),  # close to the camera
        (6.2, 200, True, True),  # a whole turn is none
        (0.1, 150, False, True),  # very small: nobody would see more
        (1.5, 150, False, False),
    ],
)
def test_the_light_network_reads_who_is_upright_small_and_steady(
    networks: tuple[_Network, _Network], angle: float, side: float, steady: bool, light: bool
) -> None:
    full, lite = networks
    ChosenPoseEstimator(full, lite).estimate(IMAGE, [Roi(50, 50, side, angle)], None, [steady])
    assert (len(full.calls), len(lite.calls)) == (int(not light), int(light))


@pytest.mark.parametrize(("share", "light"), [(0.38, True), (0.42, False)])
def test_who_is_far_away_in_a_sharp_picture_is_small(
    networks: tuple[_Network, _Network], share: float, light: bool
) -> None:
    full, lite = networks
    image = np.zeros((1080, 1920, 3), np.uint8)
    ChosenPoseEstimator(full, lite).estimate(image, [Roi(500, 500, 1080 * share)], None, [True])
    assert (len(full.calls), len(lite.calls)) == (int(not light), int(light))


def test_poses_come_in_the_order_of_the_squares_each_with_its_company(
    networks: tuple[_Network, _Network],
) -> None:
    full, lite = networks
    rois = [Roi(float(n), 50, 200) for n in range(5)]
    beside = [Company(np.full(4, n), np.zeros((0, 4))) if n % 2 else None for n in range(5)]
    poses = ChosenPoseEstimator(full, lite).estimate(IMAGE, rois, beside, [True, False, True, True, False])
    assert [pose.next_roi for pose in poses] == rois
    assert lite.calls == [([rois[0], rois[2], rois[3]], [None, None, beside[3]])]
    assert full.calls == [([rois[1], rois[4]], [beside[1], None])]


def test_nobody_is_steady_where_nothing_is_said(networks: tuple[_Network, _Network]) -> None:
    full, lite = networks
    both = ChosenPoseEstimator(full, lite)
    assert both.estimate(IMAGE, []) == []
    both.estimate(IMAGE, [Roi(50, 50, 300)])
    assert (len(full.calls), len(lite.calls), both.min_score) == (1, 0, 0.4)
