"""Draws a scene into its frame: zones, boxes, ids, skeletons, labels, alerts."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from daemon.scene import Person, Scene
from tracker.association import TrackState
from tracker.landmarks import CONNECTIONS
from tracker.pose import Pose

__all__ = ["VideoWriter", "annotate"]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE = (255, 255, 255)
_DARK = (32, 32, 32)
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
    labels = _Labels(canvas, scale)
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


def track_color(number: int) -> tuple[int, int, int]:
    """A BGR colour for a track: hues a golden angle apart, so that neighbours in number differ."""
    red, green, blue = colorsys.hsv_to_rgb((number * 0.618034) % 1.0, 0.75, 1.0)
    return int(blue * 255), int(green * 255), int(red * 255)


def _draw_person(canvas: NDArray[np.uint8], person: Person, scale: float) -> None:
    color = track_color(person.track.number)
    left, top, right, bottom = (round(float(value)) for value in person.track.box)
    cv2.rectangle(canvas, (left, top), (right, bottom), color, 1 if scale < 0.7 else 2, cv2.LINE_AA)
    if person.pose is not None:
        _draw_skeleton(canvas, person.pose, color, scale)


def _draw_skeleton(canvas: NDArray[np.uint8], pose: Pose, color: tuple[int, int, int], scale: float) -> None:
    points = np.round(pose.landmarks[:, :2]).astype(int)
    visible = pose.landmarks[:, 3] >= _MIN_VISIBILITY
    thickness = 1 if scale < 0.7 else 2
    for start, end in CONNECTIONS:
        if visible[start] and visible[end]:
            cv2.line(canvas, points[start].tolist(), points[end].tolist(), color, thickness, cv2.LINE_AA)
    for x, y in points[visible].tolist():
        cv2.circle(canvas, (x, y), max(1, round(2 * scale)), _WHITE, -1, cv2.LINE_AA)


class _Labels:
    """Texts on filled boxes, inside the image and not on top of each other.

    Args:
        canvas: what to draw on.
        scale: size of the font.
    """

    def __init__(self, canvas: NDArray[np.uint8], scale: float) -> None:
        self._canvas, self._scale = canvas, scale
        self._taken: list[tuple[int, int, int, int]] = []

    def put(
        self,
        text: str,
        x: int,
        y: int,
        color: tuple[int, int, int],
        *,
        above: bool = False,
        otherwise: int | None = None,
    ) -> None:
        """Draws a text at x below y (or above it), else below `otherwise`, else at the next free place."""
        (width, height), baseline = cv2.getTextSize(text, _FONT, self._scale, 1)
        width, height = width + 4, height + baseline
        x = int(np.clip(x, 0, max(0, self._canvas.shape[1] - width)))
        step = -height if above else height
        tops = [y - height if above else y]
        tops += [] if otherwise is None else [otherwise]
        tops += [tops[0] + n * step for n in (1, 2, 3)]
        places = [(x, self._inside(top, height), width, height) for top in tops]
        place = next((place for place in places if not self._overlaps(place)), places[0])
        self._taken.append(place)
        left, top = place[:2]
        cv2.rectangle(self._canvas, (left, top), (left + width, top + height), color, -1)
        ink = _DARK if sum(color) > 380 else _WHITE
        corner = (left + 2, top + height - baseline // 2 - 1)
        cv2.putText(self._canvas, text, corner, _FONT, self._scale, ink, 1, cv2.LINE_AA)

    def _inside(self, top: int, height: int) -> int:
        return int(np.clip(top, 0, max(0, self._canvas.shape[0] - height)))

    def _overlaps(self, place: tuple[int, int, int, int]) -> bool:
        left, top, width, height = place
        return any(
            left < x + w and x < left + width and top < y + h and y < top + height
            for x, y, w, h in self._taken
        )


class VideoWriter:
    """H.264 in MP4, written to a temporary name and renamed when whole.

    Args:
        path: the file to make; its folder must exist.
        rate: frames a second of the result.

    Raises:
        OSError: the file cannot be written (from the constructor or the first write).
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.part.mp4")
        self._rate = Fraction(rate).limit_denominator(1001)
        self._container = av.open(str(self._temporary), "w")
        self._stream: av.VideoStream | None = None

    def write(self, image: NDArray[np.uint8]) -> None:
        """Adds one frame, (H, W, 3) uint8 BGR; later frames are resized to the first one's size."""
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=self._rate)
            self._stream.width = image.shape[1] // 2 * 2
            self._stream.height = image.shape[0] // 2 * 2
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = {"crf": "23", "preset": "veryfast"}
        size = (self._stream.width, self._stream.height)
        if (image.shape[1], image.shape[0]) != size:
            image = np.asarray(cv2.resize(image, size), np.uint8)
        for packet in self._stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")):
            self._container.mux(packet)

    def close(self, *, keep: bool = True) -> None:
        """Ends the file; `keep=False` throws it away."""
        if self._stream is not None:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()
        if keep and self._stream is not None:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keeps the file only where the block ended well."""
        self.close(keep=kind is None)
