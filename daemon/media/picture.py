"""Draws a scene for an alert: zones, stick figures, whom it is about, and when it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from daemon.config.zones import Zone
from daemon.drawing import Color, Labels
from daemon.media.figures import draw_figure
from daemon.media.privacy import PrivacyMasks
from daemon.media.subject import Shares, Subject
from daemon.scene import Person, Scene
from tracker.association import TrackState

__all__ = ["Caption", "draw_picture"]

Image: TypeAlias = NDArray[np.uint8]
_Rectangle: TypeAlias = tuple[int, int, int, int]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SEVERITY: Mapping[str, Color] = {
    "info": (225, 160, 60),
    "warning": (40, 165, 250),
    "critical": (60, 60, 240),
}
_OTHERS = (205, 190, 170)
_ZONE = (170, 140, 90)
_STRIP = (24, 22, 20)
_WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Caption:
    """What a picture says in its corner.

    Attributes:
        camera: name.
        captured_at: UTC epoch seconds, shown in the system's time zone.
        subjects: alerts that are raised by then: their rules are named, their places marked.
        steady: in the same corner in every picture of a video, wherever people are.
    """

    camera: str
    captured_at: float
    subjects: Sequence[Subject] = ()
    steady: bool = False


def draw_picture(
    canvas: Image,
    scene: Scene,
    zones: Mapping[str, Zone],
    masks: PrivacyMasks,
    subjects: Sequence[Subject],
    caption: Caption,
) -> Image:
    """Draws everything on a backdrop, in place, and covers the privacy masks last of all.

    Args:
        canvas: (H, W, 3) uint8 BGR of any size.
        scene: people in px of the camera's picture.
        zones: by name.
        masks: the privacy masks.
        subjects: whom and what to show up; in a video also before the alert.
        caption: the words in the corner.

    Returns:
        The canvas.
    """
    height, width = canvas.shape[:2]
    scale = max(0.42, min(width, height) / 900.0)
    hidden = masks.hidden(width, height) if masks else None
    labels = Labels(canvas, scale, 2 if scale >= 0.9 else 1, hidden)
    strip = _Strip(caption, scale, canvas)
    place = strip.place(masks, [] if caption.steady else _occupied(scene, width, height))
    labels.reserve(place)
    polygons = _draw_zones(canvas, zones, subjects)
    ratio = np.array([width / scene.width, height / scene.height], np.float32)
    people = sorted(_shown(scene, subjects), key=lambda person: _concerned(person, subjects) is not None)
    for person in people:
        _draw_person(canvas, person, ratio, _concerned(person, subjects))
    _draw_marks(canvas, scene, caption.subjects, labels)
    # After every figure, so that none crosses a label; whom it is about first, for the best places.
    for person in reversed(people):
        subject = _concerned(person, subjects)
        text = f"{person.track.number}" + (f" {person.action}" if person.action != "unknown" else "")
        box = np.round(person.track.box.reshape(2, 2) * ratio).astype(int)
        color = _OTHERS if subject is None else _color(subject)
        labels.put(text, int(box[0, 0]), int(box[0, 1]), color, above=True, otherwise=int(box[1, 1]))
    for name, ((x, y), color) in polygons.items():
        labels.put(name, x, y, color)
    strip.draw(place)
    return masks.cover(canvas)


def _draw_person(canvas: Image, person: Person, ratio: NDArray[np.float32], subject: Subject | None) -> None:
    color = _OTHERS if subject is None else _color(subject)
    box = person.track.box.reshape(2, 2) * ratio
    tall = float((box[1] - box[0]).max())
    weight = int(np.clip(round(tall / 90), 1, 5))
    edge = 1 if tall < 200 else 2
    (left, top), (right, bottom) = np.round(box).astype(int).tolist()
    if subject is not None or person.pose is None:
        cv2.rectangle(canvas, (left, top), (right, bottom), color, edge, cv2.LINE_AA)
    if person.pose is not None:
        landmarks = person.pose.landmarks.copy()
        landmarks[:, :2] *= ratio
        draw_figure(canvas, landmarks, color, weight + (1 if subject is not None else 0))


def _draw_zones(
    canvas: Image, zones: Mapping[str, Zone], subjects: Sequence[Subject]
) -> dict[str, tuple[tuple[int, int], Color]]:
    """Draws the outlines, those of alerts filled a little; returns where each name goes, and its colour."""
    height, width = canvas.shape[:2]
    names = {}
    for name, zone in zones.items():
        polygon = np.round(np.asarray(zone.points, np.float32) * (width - 1, height - 1)).astype(np.int32)
        subject = next((one for one in subjects if name in one.zones), None)
        color = _ZONE if subject is None else _color(subject)
        if subject is not None:
            _tint(canvas, polygon, color)
        cv2.polylines(canvas, [polygon], True, color, 2 if subject is not None else 1, cv2.LINE_AA)
        names[name] = ((int(polygon[0, 0]), int(polygon[0, 1])), color)
    return names


def _tint(canvas: Image, polygon: NDArray[np.int32], color: Color) -> None:
    left, top, wide, high = cv2.boundingRect(polygon)
    part = canvas[top : top + high, left : left + wide]
    inside = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(inside, [polygon - (left, top)], 1)
    mixed = cv2.addWeighted(part, 0.85, np.full_like(part, color), 0.15, 0)
    np.copyto(part, mixed, where=inside[:, :, None].astype(bool))


def _shown(scene: Scene, subjects: Sequence[Subject]) -> list[Person]:
    """Who is seen; of those who were no people yet, only whom an alert names later on."""
    return [
        person
        for person in scene.people
        if person.track.state is TrackState.CONFIRMED
        or (person.track.state is TrackState.TENTATIVE and _concerned(person, subjects) is not None)
    ]


def _draw_marks(canvas: Image, scene: Scene, subjects: Sequence[Subject], labels: Labels) -> None:
    """Lines and places of alerts, and where people whom they name were seen last who are not in the scene."""
    height, width = canvas.shape[:2]
    seen = {person.track.id for person in scene.confirmed}
    weight = 1 if height < 600 else 2
    for subject in subjects:
        if subject.line:
            points = np.round(np.array(subject.line) * (width - 1, height - 1)).astype(np.int32)
            cv2.polylines(canvas, [points], False, _color(subject), weight + 1, cv2.LINE_AA)
        places: list[Shares] = [] if subject.place is None else [subject.place]
        places += [box for track, box in subject.boxes.items() if track not in seen]
        for left, top, right, bottom in places:
            # Kept off the borders, where it would not be seen.
            first = (max(1, round(left * width)), max(1, round(top * height)))
            last = (min(width - 2, round(right * width)), min(height - 2, round(bottom * height)))
            cv2.rectangle(canvas, first, last, _color(subject), weight, cv2.LINE_AA)
            labels.put(subject.rule, *first, _color(subject), above=True, otherwise=last[1])


def _concerned(person: Person, subjects: Sequence[Subject]) -> Subject | None:
    return next((subject for subject in subjects if person.track.id in subject.tracks), None)


def _color(subject: Subject) -> Color:
    return _SEVERITY.get(subject.severity, _SEVERITY["warning"])


def _occupied(scene: Scene, width: int, height: int) -> list[_Rectangle]:
    ratio = np.array([width, height, width, height]) / (scene.width, scene.height, scene.width, scene.height)
    boxes = [np.round(person.track.box * ratio).astype(int).tolist() for person in scene.confirmed]
    return [(left, top, right - left, bottom - top) for left, top, right, bottom in boxes]


class _Strip:
    """The words in the corner: the rules on their colour, then camera and time."""

    def __init__(self, caption: Caption, scale: float, canvas: Image) -> None:
        self._canvas = canvas
        rules = dict.fromkeys((one.rule, _color(one)) for one in caption.subjects)
        moment = datetime.fromtimestamp(caption.captured_at).astimezone()
        stamp = moment.strftime("%Y-%m-%d %H:%M:%S ") + (moment.tzname() or "")
        parts = [(rule, color, 1.25) for rule, color in rules]
        parts += [(f"{caption.camera}  {stamp}", _STRIP, 1.0)]
        self._rows = [self._fit(text, color, size * scale) for text, color, size in parts]
        self.width = max(row[3] for row in self._rows)
        self.height = sum(row[4] for row in self._rows)

    def _fit(self, text: str, color: Color, scale: float) -> tuple[str, Color, float, int, int, int]:
        """Text, colour, scale, width, height and base line; smaller where the picture is narrow."""
        weight = 2 if scale >= 0.8 else 1
        (width, height), base = cv2.getTextSize(text, _FONT, scale, weight)
        widest = self._canvas.shape[1] - 16
        if width > widest:
            scale *= widest / width
            (width, height), base = cv2.getTextSize(text, _FONT, scale, weight)
        return text, color, scale, width + 16, height + base + 8, base

    def place(self, masks: PrivacyMasks, people: Sequence[_Rectangle]) -> _Rectangle:
        """The corner with least of masks and then of people in it."""
        height, width = self._canvas.shape[:2]
        tops, lefts = (0, max(0, height - self.height)), (0, max(0, width - self.width))
        corners = [(left, top, self.width, self.height) for top in tops for left in lefts]
        return min(corners, key=lambda corner: (self._masked(corner, masks), _shared(corner, people)))

    def _masked(self, corner: _Rectangle, masks: PrivacyMasks) -> int:
        if not masks:
            return 0
        left, top, width, height = corner
        hidden = masks.hidden(self._canvas.shape[1], self._canvas.shape[0])
        return int(np.count_nonzero(hidden[top : top + height, left : left + width]))

    def draw(self, place: _Rectangle) -> None:
        left, top, width, _ = place
        for text, color, scale, own, height, base in self._rows:
            x = left if left == 0 else left + width - own
            cv2.rectangle(self._canvas, (x, top), (x + own - 1, top + height - 1), color, -1)
            weight = 2 if scale >= 0.8 else 1
            corner = (x + 8, top + height - base // 2 - 6)
            cv2.putText(self._canvas, text, corner, _FONT, scale, _WHITE, weight, cv2.LINE_AA)
            top += height


def _shared(one: _Rectangle, others: Sequence[_Rectangle]) -> int:
    """Pixels of a rectangle that are in others."""
    left, top, width, height = one
    sides = [
        (min(left + width, x + w) - max(left, x), min(top + height, y + h) - max(top, y))
        for x, y, w, h in others
    ]
    return sum(wide * high for wide, high in sides if wide > 0 and high > 0)
