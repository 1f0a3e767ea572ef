"""BlazePose in ONNX Runtime: rotated square crops in, landmarks in the picture out, one call for all people.

The network sees an upright person in a square. What it gives beside the 33 landmarks is the circle around the
body (Bazarevsky et al. 2020, BlazePose, section 2): from it comes the square of the next frame, turned with
the person, so that someone who falls stays upright in the crop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from tracker.landmarks import BODY_CENTRE, BODY_CIRCLE, LANDMARKS
from tracker.runtime import ModelError, OpenSession, create_session

__all__ = ["POINTS", "Company", "Pose", "PoseBackend", "PoseEstimator", "Roi", "poses_from_crops"]

Floats = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

POINTS = 39
"""Landmarks, auxiliary ones and hands; the network gives x, y, z, visibility and presence of each."""

_MARGIN = 1.25  # side of the crop over the body's circle, as MediaPipe's pose_landmarks_to_roi has it
_MAX_BATCH = 3  # crops in one call: one alone takes 8 % more time each, six 10 % (full; lite likewise)


@dataclass(frozen=True, slots=True)
class Roi:
    """A rotated square in an image.

    Attributes:
        x: centre in px.
        y: centre in px.
        side: length of a side in px.
        angle: turn in radians, clockwise in the image; at 0 the body's head is up.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    @classmethod
    def around(cls, box: npt.NDArray[np.floating], angle: float = 0.0) -> Roi:
        """The square that a person in a box (4,) of left, top, right, bottom in px needs."""
        left, top, right, bottom = (float(value) for value in box)
        side = max(right - left, bottom - top, 2.0) * _MARGIN
        return cls((left + right) / 2, (top + bottom) / 2, side, angle)

    def moved(self, x: float, y: float, scale: float = 1.0) -> Roi:
        """The square after a step of x, y px and a change of size."""
        return Roi(self.x + x, self.y + y, self.side * scale, self.angle)

    def to_image(self, size: int) -> npt.NDArray[np.float64]:
        """(2, 3) affine map from a crop of size x size px to the image."""
        scale, half = self.side / size, size / 2
        cosine, sine = math.cos(self.angle) * scale, math.sin(self.angle) * scale
        return np.array(
            [
                [cosine, -sine, self.x - (cosine - sine) * half],
                [sine, cosine, self.y - (sine + cosine) * half],
            ]
        )


@dataclass(frozen=True, slots=True)
class Company:
    """Whose body is to be read where several stand close together.

    What is in the boxes of the others and not in the person's own is blanked in the crop: on real crossings
    (docs/results.md) the pose otherwise goes over to the neighbour one time in six.

    Attributes:
        own: (4,) the person's box, left, top, right, bottom in px of the image.
        others: (K, 4) the neighbours' boxes.
    """

    own: npt.NDArray[np.floating]
    others: npt.NDArray[np.floating]

    def hidden(self, shape: tuple[int, int], to_crop: npt.NDArray[Any] | None = None) -> Image:
        """(H, W) uint8, 1 where a picture of this shape is to be blanked.

        Args:
            shape: height and width of the picture.
            to_crop: (2, 3) affine map from the image to the picture; None where it is the image.
        """
        mask = np.zeros(shape, np.uint8)
        for box, value in [*((box, 1) for box in self.others), (self.own, 0)]:
            left, top, right, bottom = (float(side) for side in box)
            corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
            if to_crop is not None:
                corners = corners @ to_crop[:, :2].T + to_crop[:, 2]
            cv2.fillConvexPoly(mask, np.clip(corners, -1e4, 1e4).round().astype(np.int32), value)
        return mask


@dataclass(frozen=True, slots=True)
class Pose:
    """One person's pose in one image.

    Attributes:
        landmarks: (33, 4) float32: x, y and z in px of the image (z from the hips, smaller is nearer) and
            visibility 0..1; the order is `tracker.landmarks.Landmark`.
        world: (33, 3) float32 metres from the middle of the hips; x to the right and y down in the image.
        score: probability 0..1 that there is a person in the crop.
        next_roi: where the body is, for the crop of the next frame.
        moved: whether it was read in an earlier frame, and has only been moved with the person's box since.
    """

    landmarks: Floats
    world: Floats
    score: float
    next_roi: Roi | None = None
    moved: bool = False


class PoseBackend(Protocol):
    """What reads poses, whatever runs the network; used by one thread at a time."""

    @property
    def min_score(self) -> float:
        """`Pose.score` from which a pose is to be used."""

    def estimate(
        self,
        image: Image,
        rois: Sequence[Roi],
        company: Sequence[Company | None] | None = None,
        steady: Sequence[bool] | None = None,
    ) -> list[Pose]:
        """Reads the person in each square.

        Args:
            image: (H, W, 3) uint8 BGR.
            rois: squares, in px of the image; they may reach beyond it.
            company: who stands close to the person of each square; None where nobody does.
            steady: whether the person of each square was steady of late, so that a lighter network will do;
                None where nobody was.

        Returns:
            One pose a square, in the same order, however weak.
        """


class PoseEstimator:
    """Reads poses in crops of an image with ONNX Runtime: a `PoseBackend`.

    Args:
        model: ONNX file made by `posewatch models`; None takes `variant` from the model store.
        variant: full, lite or heavy.
        min_score: `score` from which a pose is to be used. `estimate` returns weaker ones too.
        threads: threads of one call.
        open_session: loads the model: on the CPU, or as a `tracker.runtime.SessionPool` is told.

    Raises:
        ModelError: the model is not there, or is no BlazePose network.
    """

    def __init__(
        self,
        model: Path | None = None,
        *,
        variant: str = "full",
        min_score: float = 0.5,
        threads: int = 1,
        open_session: OpenSession = create_session,
    ) -> None:
        if model is None:
            from tracker.store import ModelStore

            model = ModelStore().path(f"pose_{variant}")
        self.min_score = min_score
        self._session = open_session(model, threads=threads)
        inputs = self._session.get_inputs()
        outputs = {output.name: output.shape[-1] for output in self._session.get_outputs()}
        expected = {"landmarks": POINTS * 5, "presence": 1, "world": POINTS * 3}
        if len(inputs) != 1 or inputs[0].type != "tensor(uint8)" or outputs != expected:
            raise ModelError(
                f"{model}: not a converted BlazePose network: get one with `posewatch models fetch pose_full`"
            )
        self._input = inputs[0].name
        self._size = int(inputs[0].shape[1])

    def estimate(
        self,
        image: Image,
        rois: Sequence[Roi],
        company: Sequence[Company | None] | None = None,
        steady: Sequence[bool] | None = None,  # noqa: ARG002 (one network for all)
    ) -> list[Pose]:
        """Reads the person in each square; see `PoseBackend`."""
        beside = [None] * len(rois) if company is None else company
        poses: list[Pose] = []
        calls = -(-len(rois) // _MAX_BATCH)  # 4 are two and two, not three and one
        for call in range(calls):
            chosen = slice(call * len(rois) // calls, (call + 1) * len(rois) // calls)
            poses += self._estimate(image, rois[chosen], beside[chosen])
        return poses

    def _estimate(self, image: Image, rois: Sequence[Roi], company: Sequence[Company | None]) -> list[Pose]:
        maps = np.stack([roi.to_image(self._size) for roi in rois])
        crops = self._crops(image, maps)
        for crop, matrix, beside in zip(crops, maps, company, strict=True):
            if beside is not None:
                hidden = beside.hidden(crop.shape[:2], cv2.invertAffineTransform(matrix))
                _blank(crop, hidden)
        landmarks, presence, world = self._session.run(
            ["landmarks", "presence", "world"], {self._input: crops}
        )
        points = landmarks.reshape(-1, POINTS, 5)[:, :, :4]
        with np.errstate(
            over="ignore"
        ):  # of exp, where somebody is surely hidden: 1 / inf is the 0 that is meant
            points[:, :, 3] = 1.0 / (1.0 + np.exp(-points[:, :, 3]))
        return poses_from_crops(points, world.reshape(-1, POINTS, 3), presence[:, 0], rois, self._size)

    def _crops(self, image: Image, maps: npt.NDArray[np.float64]) -> Image:
        """(N, S, S, 3) uint8 RGB; beyond the image its edge is repeated, as MediaPipe does."""
        size = (self._size, self._size)
        crops = np.empty((len(maps), *size, 3), np.uint8)
        for crop, matrix in zip(crops, maps, strict=True):
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            cv2.warpAffine(image, matrix, size, dst=crop, flags=flags, borderMode=cv2.BORDER_REPLICATE)
            cv2.cvtColor(crop, cv2.COLOR_BGR2RGB, dst=crop)
        return crops


def _blank(crop: Image, hidden: Image) -> None:
    """Gives the crop's mean colour to what is hidden, in place."""
    plain = np.empty_like(crop)
    colour = [int(value) for value in cv2.mean(crop)[:3]]
    cv2.rectangle(plain, (0, 0), (crop.shape[1], crop.shape[0]), colour, cv2.FILLED)
    cv2.copyTo(plain, hidden, crop)


def poses_from_crops(
    points: Floats, world: Floats, scores: Floats, rois: Sequence[Roi], size: int
) -> list[Pose]:
    """Takes what the network says of N crops to the image they were cut from.

    Args:
        points: (N, 39, 4) float32: x, y, z in px of the crop and visibility 0..1.
        world: (N, 39, 3) float32 metres, upright as in the crop.
        scores: (N,) float32 presence 0..1.
        rois: the N squares of the crops.
        size: side of a crop in px.
    """
    maps = np.stack([roi.to_image(size) for roi in rois])
    scale = np.array([roi.side / size for roi in rois], np.float32)[:, None]
    linear = maps[:, :, :2].transpose(0, 2, 1)
    result = np.empty((len(rois), POINTS, 4), np.float32)
    result[:, :, :2] = points[:, :, :2] @ linear + maps[:, None, :, 2]
    result[:, :, 2] = points[:, :, 2] * scale
    result[:, :, 3] = points[:, :, 3]
    metres = world[:, :LANDMARKS].astype(np.float32)
    # The crop's turn is taken out of the metres, too.
    metres[:, :, :2] = metres[:, :, :2] @ (linear.astype(np.float32) / scale[:, None])
    return [
        Pose(
            landmarks=result[row, :LANDMARKS].copy(),
            world=metres[row],
            score=float(scores[row]),
            next_roi=_circle(result[row]),
        )
        for row in range(len(rois))
    ]


def _circle(points: Floats) -> Roi:
    """The square of the next frame from the auxiliary landmarks (39, 4)."""
    (x, y), (top_x, top_y) = points[BODY_CENTRE, :2].tolist(), points[BODY_CIRCLE, :2].tolist()
    radius = math.hypot(top_x - x, top_y - y)
    angle = math.atan2(top_x - x, y - top_y)  # 0 where the circle's point is straight above the centre
    return Roi(x, y, max(2.0 * radius * _MARGIN, 2.0), angle)
