"""Looks for the pose of a person in a box where no last pose says how the body lies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tracker.fitting import Box, belongs, company_of, fit
from tracker.pose import Pose, PoseBackend, Roi

__all__ = ["Picture", "Sought", "is_good", "read_all", "search"]

Picture: TypeAlias = npt.NDArray[np.uint8] | Callable[[], npt.NDArray[np.uint8]]
"""(H, W, 3) uint8 BGR, or what gives it: it is asked for only where somebody is read."""

_LYING = (math.pi / 2, -math.pi / 2)
_LEANING = (math.pi / 4, -math.pi / 4)
_WIDE = 0.9  # width over height from which a box may hold somebody who lies
_NARROW = 0.5  # width over height below which nobody leans
_SURE, _FILLS, _UPRIGHT = 0.9, 0.5, 0.5  # score, fit and turn of a pose that needs no second look
_HOPE = 0.05  # score from which a square is worth a second look
_FLIP = 2.1  # radians that nobody turns within a moment


@dataclass(frozen=True, slots=True)
class Sought:
    """Somebody whose pose is looked for.

    Attributes:
        key: id of the track.
        box: (4,) px in which the person is.
        last: the square of a moment ago, which tells where the head is; None where that is not known.
        just_lost: whether there was a pose within the last second.
        tried: a pose that was read in vain in this frame, and may show where to look; or None.
    """

    key: str
    box: Box
    last: Roi | None = None
    just_lost: bool = False
    tried: Pose | None = None


def search(
    image: Picture, people: Sequence[Sought], everybody: Sequence[Box], estimator: PoseBackend
) -> dict[str, Pose]:
    """Reads people from their boxes: upright, and where that is no clear pose in every likely turn.

    Then again where the best ones have the body.

    Args:
        image: the picture.
        people: those who are looked for.
        everybody: boxes of all who are seen, those of `people` among them.
        estimator: what runs the network.

    Returns:
        Poses by id of those who were found.
    """
    upright = read_all(image, [(one.box, Roi.around(one.box)) for one in people], everybody, estimator)
    found, left, poses = dict[str, Pose](), list[Sought](), dict[str, list[Pose]]()
    for one, pose in zip(people, upright, strict=True):
        if _is_clear(pose, one.box) and is_good(pose, one.box, one.last, everybody, estimator):
            found[one.key] = pose
        else:
            left.append(one)
            poses[one.key] = [pose] if one.tried is None else [pose, one.tried]
    turned = [(one, roi) for one in left for roi in _turned(one)]
    first = read_all(image, [(one.box, roi) for one, roi in turned], everybody, estimator)
    for (one, _), pose in zip(turned, first, strict=True):
        poses[one.key].append(pose)
    again = []
    for one in left:
        best = sorted(poses[one.key], key=lambda pose: -_merit(pose, one))[:2]
        again += [(one, pose.next_roi) for pose in best if pose.score >= _HOPE and pose.next_roi]
    second = read_all(image, [(one.box, roi) for one, roi in again], everybody, estimator)
    for (one, _), pose in zip(again, second, strict=True):
        poses[one.key].append(pose)
    for one in left:
        pose = max(poses[one.key], key=lambda pose: _merit(pose, one))
        if is_good(pose, one.box, one.last, everybody, estimator):
            found[one.key] = pose
    return found


def read_all(
    image: Picture,
    wanted: Sequence[tuple[Box, Roi]],
    everybody: Sequence[Box],
    estimator: PoseBackend,
    calm: Sequence[bool] | None = None,
) -> list[Pose]:
    """A pose for each box and square, the neighbours blanked, in one call; see `PoseBackend.estimate`."""
    if not wanted:
        return []
    company = [company_of(roi, box, everybody) for box, roi in wanted]
    pixels = image() if callable(image) else image
    return estimator.estimate(pixels, [roi for _, roi in wanted], company, calm)


def is_good(pose: Pose, box: Box, last: Roi | None, everybody: Sequence[Box], estimator: PoseBackend) -> bool:
    """Whether a pose is sure enough, the right way up, and of the person in this box."""
    if pose.score < estimator.min_score or _flipped(pose, last):
        return False
    return belongs(pose, box, everybody)


def _is_clear(pose: Pose, box: Box) -> bool:
    """Whether a pose that was read upright leaves no doubt: a sure one that fills a narrow box."""
    if _shape(box) >= _WIDE or pose.score < _SURE:
        return False
    turn = 0.0 if pose.next_roi is None else abs(math.remainder(pose.next_roi.angle, 2 * math.pi))
    return turn < _UPRIGHT and fit(pose, box) >= _FILLS


def _turned(one: Sought) -> list[Roi]:
    """Squares around a box that are not upright: lying if it is wide, leaning if a pose was just lost."""
    shape, angles = _shape(one.box), list[float]()
    if shape >= _WIDE:
        angles += _LYING
    if one.just_lost and shape >= _NARROW:
        angles += _LEANING
    return [Roi.around(one.box, angle) for angle in angles]


def _shape(box: Box) -> float:
    """Width over height."""
    return float((box[2] - box[0]) / max(float(box[3] - box[1]), 1e-6))


def _merit(pose: Pose, one: Sought) -> float:
    """Tells the better of two poses of one person: the surer one, of those that fill the box alike.

    One that has the head where the feet were a moment ago is none.
    """
    return 0.0 if _flipped(pose, one.last) else pose.score * (0.2 + fit(pose, one.box))


def _flipped(pose: Pose, last: Roi | None) -> bool:
    """Whether a pose has its head where the feet were in the square of a moment ago."""
    if last is None or pose.next_roi is None:
        return False
    return abs(math.remainder(pose.next_roi.angle - last.angle, 2 * math.pi)) > _FLIP
