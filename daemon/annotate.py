"""Draws a scene into its frame: zones, boxes, ids, skeletons, labels, alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from daemon.drawing import Color, Labels, track_color
from daemon.scene import Person, Scene
from tracker.association import TrackState
from tracker.landmarks import CONNECTIONS
from tracker.pose import Pose

__all__ = ["annotate"]

_WHITE = (255, 255, 255)
_ALERT = (40, 40, 230)
_ZONE = (200, 160, 60)
_MIN_VISIBILITY = 0.5
_LIKELY = 0.5  # score from which the place of a fight is drawn


def annotate(
    image: NDArray[np.uint8],
    scene: Scene,
    zones: Mapping[str, Sequence[tuple[float, float]]],
    alerts: Iterable[str] = (),
) -> NDArray[np.uint8]:
    """A copy of the frame with everything that is known about it drawn in.

    Args:
        image: (H, W, 3) uint8 BGR.
        scene: people of this frame, in pixels of the image.
        zones: name to polygon, in 0..1 of the image.
        alerts: names of the rules that are ON.

    Returns:
        (H, W, 3) uint8 BGR, a new array.
    """
    canvas = image.copy()
    height, width = canvas.shape[:2]
    scale = max(0.4, min(width, height) / 1000.0)
    labels = Labels(canvas, scale)
    for rule in alerts:
        labels.put(f"ALERT {rule}", 4, 4, _ALERT)
    for name, points in zones.items():
        polygon = np.round(np.asarray(points, np.float32) * (width, height)).astype(np.int32)
        cv2.polylines(canvas, [polygon], True, _ZONE, 1, cv2.LINE_AA)
        labels.put(name, int(polygon[0, 0]), int(polygon[0, 1]), _ZONE)
    for place in scene.fights:
        if place.score >= _LIKELY:
            left, top, right, bottom = (round(float(value)) for value in place.box)
            cv2.rectangle(canvas, (left, top), (right, bottom), _ALERT, 1, cv2.LINE_AA)
            labels.put(f"fight {place.score:.2f}", max(left, 4), max(top, 4), _ALERT)
    people = [person for person in scene.people if person.track.state is TrackState.CONFIRMED]
    for person in people:
        _draw_person(canvas, person, scale)
    # After every box and skeleton, so that none crosses a label.
    for person in people:
        text = f"{person.track.number}" + (f" {person.action}" if person.action != "unknown" else "")
        left, top, _, bottom = (round(float(value)) for value in person.track.box)
        labels.put(text, left, top, track_color(person.track.number), above=True, otherwise=bottom)
    return canvas


def _draw_person(canvas: NDArray[np.uint8], person: Person, scale: float) -> None:
    color = track_color(person.track.number)
    left, top, right, bottom = (round(float(value)) for value in person.track.box)
    cv2.rectangle(canvas, (left, top), (right, bottom), color, 1 if scale < 0.7 else 2, cv2.LINE_AA)
    if person.pose is not None:
        _draw_skeleton(canvas, person.pose, color, scale)


def _draw_skeleton(canvas: NDArray[np.uint8], pose: Pose, color: Color, scale: float) -> None:
    points = np.round(pose.landmarks[:, :2]).astype(int)
    visible = pose.landmarks[:, 3] >= _MIN_VISIBILITY
    thickness = 1 if scale < 0.7 else 2
    for start, end in CONNECTIONS:
        if visible[start] and visible[end]:
            cv2.line(canvas, points[start].tolist(), points[end].tolist(), color, thickness, cv2.LINE_AA)
    for x, y in points[visible].tolist():
        cv2.circle(canvas, (x, y), max(1, round(2 * scale)), _WHITE, -1, cv2.LINE_AA)
