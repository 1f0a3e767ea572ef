"""Draws a scene into its frame: zones, masks, lines, boxes, ids, skeletons, labels, alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from daemon.config.rules import LineCrossingRule
from daemon.drawing import Color, Labels, track_color
from daemon.scene import Person, Scene
from tracker.association import TrackState
from tracker.landmarks import CONNECTIONS
from tracker.pose import Pose

__all__ = ["annotate"]

_WHITE = (255, 255, 255)
_ALERT = (40, 40, 230)
_ZONE = (200, 160, 60)
_MASK = (110, 110, 110)
_LINE = (60, 200, 220)
_ARROW = 0.04  # of the shorter side of the image
_MIN_VISIBILITY = 0.5
_LIKELY = 0.5  # score from which the place of a fight is drawn


def annotate(
    image: NDArray[np.uint8],
    scene: Scene,
    zones: Mapping[str, Sequence[tuple[float, float]]],
    alerts: Iterable[str] = (),
    *,
    masks: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    lines: Mapping[str, LineCrossingRule] | None = None,
    tamper: str | None = None,
) -> NDArray[np.uint8]:
    """A copy of the frame with everything that is known about it drawn in.

    Args:
        image: (H, W, 3) uint8 BGR.
        scene: people of this frame, in pixels of the image.
        zones: name to polygon, in 0..1 of the image.
        alerts: names of the rules that are ON.
        masks: name to polygon in which nobody is looked at.
        lines: rules whose line is drawn, with arrows the way that they count, by name.
        tamper: what is done to the camera; None where nothing is.

    Returns:
        (H, W, 3) uint8 BGR, a new array.
    """
    canvas = image.copy()
    height, width = canvas.shape[:2]
    scale = max(0.4, min(width, height) / 1000.0)
    labels = Labels(canvas, scale)
    if tamper is not None:
        labels.put(f"CAMERA {tamper}", 4, 4, _ALERT)
    for rule in alerts:
        labels.put(f"ALERT {rule}", 4, 4, _ALERT)
    for color, polygons in ((_MASK, masks or {}), (_ZONE, zones)):
        for name, points in polygons.items():
            polygon = np.round(np.asarray(points, np.float32) * (width, height)).astype(np.int32)
            cv2.polylines(canvas, [polygon], True, color, 1, cv2.LINE_AA)
            labels.put(name, int(polygon[0, 0]), int(polygon[0, 1]), color)
    for name, crossing in (lines or {}).items():
        x, y = _draw_line(canvas, crossing)
        labels.put(name, x, y, _LINE)
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


def _draw_line(canvas: NDArray[np.uint8], rule: LineCrossingRule) -> tuple[int, int]:
    """Draws a line with an arrow across its first part for each way that counts; returns where it begins."""
    height, width = canvas.shape[:2]
    points = np.asarray(rule.line, np.float64) * (width, height)
    cv2.polylines(canvas, [np.round(points).astype(np.int32)], False, _LINE, 2, cv2.LINE_AA)
    middle, along = (points[0] + points[1]) / 2, points[1] - points[0]
    # To the right of somebody who walks along the line; y points down.
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
    reach = across * _ARROW * min(width, height)
    for way, sign in (("left_to_right", 1.0), ("right_to_left", -1.0)):
        if rule.direction in ("both", way):
            start, end = (
                np.round(middle + share * sign * reach).astype(int).tolist() for share in (-0.5, 1.0)
            )
            cv2.arrowedLine(canvas, start, end, _LINE, 2, cv2.LINE_AA, tipLength=0.3)
    x, y = np.round(points[0]).astype(int).tolist()
    return int(x), int(y)


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
