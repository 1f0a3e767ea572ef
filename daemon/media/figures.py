"""People as stick figures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from daemon.drawing import Color
from tracker.landmarks import CONNECTIONS, Landmark

__all__ = ["draw_figure"]

_MIN_VISIBILITY = 0.5
_OUTLINE = (16, 16, 16)
_JOINT = (255, 255, 255)
_FACE = Landmark.MOUTH_RIGHT  # the last landmark of the face
_HAND_AND_FOOT = frozenset({17, 18, 19, 20, 21, 22, 29, 30, 31, 32})
_LIMBS = tuple((start, end) for start, end in CONNECTIONS if start > _FACE)
_JOINTS = tuple(number for number in range(_FACE + 1, len(Landmark)) if number not in _HAND_AND_FOOT)


def draw_figure(
    canvas: NDArray[np.uint8], landmarks: NDArray[np.floating], color: Color, weight: int
) -> None:
    """Draws a body with a round head, dark around its lines so that it shows on any ground.

    Args:
        canvas: (H, W, 3) uint8, drawn on.
        landmarks: (33, 4) x, y in px of the canvas, z, visibility; hidden ones are left out.
        color: of the lines.
        weight: of the lines, in px.
    """
    visible = (landmarks[:, 3] >= _MIN_VISIBILITY) & np.isfinite(landmarks[:, :2]).all(axis=1)
    reach = 4 * max(canvas.shape[:2])
    points = np.round(np.clip(np.nan_to_num(landmarks[:, :2]), -reach, reach)).astype(int)
    limbs = [(points[a].tolist(), points[b].tolist()) for a, b in _LIMBS if visible[a] and visible[b]]
    head = _head(points, visible)
    for ink, extra in ((_OUTLINE, 2), (color, 0)):
        for start, end in limbs:
            cv2.line(canvas, start, end, ink, weight + extra, cv2.LINE_AA)
        if head is not None:
            centre, radius = head
            cv2.circle(canvas, centre, radius, ink, weight + extra, cv2.LINE_AA)
    radius = max(1, round(0.7 * weight))
    for number in _JOINTS:
        if visible[number]:
            cv2.circle(canvas, points[number].tolist(), radius, _JOINT, -1, cv2.LINE_AA)


def _head(points: NDArray[np.int_], visible: NDArray[np.bool_]) -> tuple[tuple[int, int], int] | None:
    """Middle and radius of the head; None where no more than one landmark of it is seen."""
    face = points[: _FACE + 1][visible[: _FACE + 1]]
    if len(face) < 2:
        return None
    centre = face.mean(axis=0)
    radius = 1.3 * float(np.linalg.norm(face - centre, axis=1).max())
    shoulders = points[[Landmark.LEFT_SHOULDER, Landmark.RIGHT_SHOULDER]]
    if visible[[Landmark.LEFT_SHOULDER, Landmark.RIGHT_SHOULDER]].all():
        radius = max(radius, 0.45 * float(np.linalg.norm(shoulders.mean(axis=0) - centre)))
    return (round(float(centre[0])), round(float(centre[1]))), max(2, round(radius))
