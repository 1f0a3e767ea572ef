"""When the detector runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.pacing import DetectorPacing
from tracker.tracks import Track, TrackState

Boxes = dict[str, NDArray[np.float32]]

ALONE: Boxes = {"a": np.array([100, 100, 140, 200], np.float32)}
APART: Boxes = ALONE | {"b": np.array([300, 100, 340, 200], np.float32)}
CROSSING: Boxes = ALONE | {"b": np.array([120, 100, 160, 200], np.float32)}


def _track(key: str, state: TrackState = TrackState.CONFIRMED, since: float = -60.0) -> Track:
    still = np.zeros(2, np.float32)
    return Track(key, 1, state, ALONE["a"], None, still, 0.8, 0.0, since, 0.0, 9, True, 0.0)


@dataclass
class _Camera:
    """A camera with a pacing; what is not said is a calm scene."""

    pacing: DetectorPacing
    rate: float = 10.0
    frames: int = field(default=0)

    def due(self, boxes: Boxes, tracks: list[Track] | None = None, doubt: bool = False) -> bool:
        tracks = [_track(key) for key in boxes] if tracks is None else tracks
        self.frames += 1
        return self.pacing.due(tracks, boxes, doubt, self.frames / self.rate)


def test_every_third_frame_while_everybody_is_followed() -> None:
    camera = _Camera(DetectorPacing(3))
    assert [camera.due(APART) for _ in range(7)] == [True, False, False, True, False, False, True]


def test_every_third_frame_where_nobody_is() -> None:
    camera = _Camera(DetectorPacing(3))
    assert [camera.due({}) for _ in range(4)] == [True, False, False, True]


def test_one_is_every_frame() -> None:
    camera = _Camera(DetectorPacing(1))
    assert all(camera.due(ALONE) for _ in range(5))


def test_a_slow_camera_is_looked_at_in_every_frame() -> None:
    camera = _Camera(DetectorPacing(10), rate=2.0)
    assert all(camera.due(ALONE) for _ in range(5))


@pytest.mark.parametrize(
    ("boxes", "tracks", "doubt"),
    [
        (CROSSING, None, False),  # two who may be mixed up
        (APART, None, True),  # one pose was not found
        (ALONE, [_track("a", since=0.0)], False),  # somebody new
        (ALONE, [_track("a"), _track("b", TrackState.TENTATIVE, since=0.0)], False),  # perhaps somebody
        (ALONE, [_track("a"), _track("b", TrackState.LOST)], False),  # somebody who may come out again
    ],
    ids=["crossing", "no pose", "new", "tentative", "lost"],
)
def test_at_once_when_in_doubt(boxes: Boxes, tracks: list[Track] | None, doubt: bool) -> None:
    camera = _Camera(DetectorPacing(5))
    assert camera.due(ALONE)
    assert not camera.due(ALONE)
    assert camera.due(boxes, tracks, doubt)


def test_time_that_goes_backwards_is_a_doubt() -> None:
    pacing = DetectorPacing(5)
    assert pacing.due([], {}, False, 10.0)
    assert pacing.due([], {}, False, 9.0)
