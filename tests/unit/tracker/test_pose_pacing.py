"""Whose pose is read in a frame."""

from __future__ import annotations

from collections.abc import Callable, Set

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.landmarks import Landmark
from tracker.pose_pacing import PosePacing

Array = NDArray[np.float32]
Motion = Callable[[Array, Array, float], tuple[Array, Array]]

BOX = np.array([100, 50, 160, 250], np.float32)
_JOINTS = {
    Landmark.NOSE: (130, 65),
    Landmark.LEFT_SHOULDER: (145, 90),
    Landmark.RIGHT_SHOULDER: (115, 90),
    Landmark.LEFT_ELBOW: (150, 115),
    Landmark.RIGHT_ELBOW: (110, 115),
    Landmark.LEFT_WRIST: (152, 140),
    Landmark.RIGHT_WRIST: (108, 140),
    Landmark.LEFT_HIP: (140, 150),
    Landmark.RIGHT_HIP: (120, 150),
    Landmark.LEFT_KNEE: (140, 200),
    Landmark.RIGHT_KNEE: (120, 200),
    Landmark.LEFT_ANKLE: (140, 245),
    Landmark.RIGHT_ANKLE: (120, 245),
}


def body() -> Array:
    """Landmarks (33, 4) of somebody who stands in BOX."""
    landmarks = np.zeros((33, 4), np.float32)
    for joint, place in _JOINTS.items():
        landmarks[joint] = (*place, 0.0, 0.95)
    return landmarks


def standing(landmarks: Array, box: Array, _time: float) -> tuple[Array, Array]:
    return landmarks, box


def walking(landmarks: Array, box: Array, time: float) -> tuple[Array, Array]:
    """0.8 heights a second to the right and a little up; arms and legs swing once a second."""
    step = np.array([160 * time, -30 * time], np.float32)
    landmarks[:, :2] += step
    swing = np.sin(2 * np.pi * time)
    for joint, reach in ((Landmark.LEFT_WRIST, 18), (Landmark.LEFT_ANKLE, -30), (Landmark.LEFT_KNEE, -15)):
        landmarks[joint, 0] += reach * swing
        landmarks[joint + 1, 0] -= reach * swing
    return landmarks, box + np.tile(step, 2)


def _turned(landmarks: Array, angle: float) -> tuple[Array, Array]:
    """The body turned around its feet, and its box."""
    feet = np.array([130, 248])
    cosine, sine = np.cos(angle), np.sin(angle)
    landmarks[:, :2] = (landmarks[:, :2] - feet) @ np.array([[cosine, sine], [-sine, cosine]]) + feet
    seen = landmarks[landmarks[:, 3] > 0.5, :2]
    return landmarks, np.concatenate([seen.min(axis=0) - 8, seen.max(axis=0) + 8]).astype(np.float32)


def falling(landmarks: Array, _box: Array, time: float) -> tuple[Array, Array]:
    """Over to the side, in 0.8 s."""
    return _turned(landmarks, min(time / 0.8, 1.0) ** 2 * np.pi / 2)


def collapsing(landmarks: Array, box: Array, time: float) -> tuple[Array, Array]:
    """Upright to the floor, a body height in 1 s."""
    share = min(time, 1.0) * 0.7
    landmarks[:, 1] += (248 - landmarks[:, 1]) * share
    return landmarks, box + np.array([0, (248 - 50) * share, 0, 0], np.float32)


def waving(landmarks: Array, box: Array, time: float) -> tuple[Array, Array]:
    """One hand to and fro above the head, twice a second."""
    landmarks[Landmark.LEFT_WRIST, :2] = (150 + 25 * np.sin(4 * np.pi * time), 55)
    return landmarks, box


def punching(landmarks: Array, box: Array, time: float) -> tuple[Array, Array]:
    """One arm out and back at the height of the shoulders, twice a second."""
    landmarks[Landmark.LEFT_WRIST, :2] = (185 + 45 * np.sin(4 * np.pi * time), 95)
    return landmarks, box


class Camera:
    """A camera before which one person moves; counts the frames in which the pose is read."""

    def __init__(self, pacing: PosePacing, fps: float = 10.0, height: float = 0.0) -> None:
        self.pacing, self.fps, self.frames, self.height = pacing, fps, 0, height
        self.read: list[float] = []

    @property
    def now(self) -> float:
        return self.frames / self.fps

    def run(
        self, motion: Motion, seconds: float, pressing: Set[str] = frozenset(), score: float = 0.98
    ) -> list[float]:
        """Times of the readings, in seconds from the beginning of the motion."""
        start, times = self.now, list[float]()
        while self.now < start + seconds - 1e-9:
            landmarks, box = motion(body(), BOX.copy(), self.now - start)
            rests = "a" in self.pacing.resting({"a": box}, self.now, pressing, self.height)
            if not (rests and self.pacing.fits("a", box, self.now)):
                self.pacing.see("a", landmarks, score, box, self.now)
                times.append(self.now - start)
            self.frames += 1
        return times


@pytest.mark.parametrize("motion", [standing, walking])
@pytest.mark.parametrize(("fps", "share"), [(5.0, 0.5), (10.0, 0.34), (15.0, 0.28), (30.0, 0.15)])
def test_who_is_steady_is_read_four_times_a_second(motion: Motion, fps: float, share: float) -> None:
    times = [time for time in Camera(PosePacing(4.0), fps).run(motion, 6.0) if time > 1.5]
    assert len(times) <= share * 4.5 * fps + 1
    assert np.diff(times).max() <= 0.4 + 1e-9  # windows bridge half a second


def test_who_is_far_away_is_read_less_often() -> None:
    near, far = (
        sum(time > 1.5 for time in Camera(PosePacing(5.0), 30.0, height).run(walking, 7.5))
        for height in (480.0, 720.0)
    )
    assert 0.6 * near <= far <= 0.8 * near


def test_who_is_new_is_read_in_every_frame() -> None:
    camera = Camera(PosePacing(4.0))
    assert len(camera.run(standing, 0.8)) == 8
    assert len(camera.run(standing, 3.0)) <= 11


@pytest.mark.parametrize("fps", [10.0, 15.0, 30.0])
@pytest.mark.parametrize(
    ("motion", "seconds", "rests"),
    [(falling, 0.8, 0.6), (collapsing, 1.0, 0.45), (waving, 2.0, 0.35), (punching, 2.0, 0.35)],
)
def test_what_begins_is_read_in_every_frame_from_its_first_reading(
    motion: Motion, seconds: float, rests: float, fps: float
) -> None:
    """`rests`: seconds after which every frame is read, at the latest."""
    camera = Camera(PosePacing(4.0), fps)
    camera.run(standing, 2.37)
    times = camera.run(motion, seconds)
    frames = np.arange(round(seconds * fps)) / fps
    late = frames[frames >= rests]
    assert np.isin(late.round(6), np.round(times, 6)).all()


def test_nothing_asked_reads_everybody() -> None:
    assert len(Camera(PosePacing(0.0)).run(standing, 3.0)) == 30
    assert len(Camera(PosePacing()).run(standing, 3.0)) == 30


def test_who_is_pressing_is_read_in_every_frame() -> None:
    camera = Camera(PosePacing(4.0))
    camera.run(standing, 2.0)
    assert len(camera.run(standing, 1.0, pressing={"a"})) == 10
    assert len(camera.run(standing, 1.0)) <= 4


def test_a_weak_pose_is_no_steady_one() -> None:
    assert len(Camera(PosePacing(4.0)).run(standing, 3.0, score=0.55)) == 30


def test_who_was_missed_is_read_again_at_once() -> None:
    camera = Camera(PosePacing(4.0))
    camera.run(standing, 2.0)
    assert camera.pacing.is_steady("a", camera.now)
    camera.pacing.miss("a", camera.now)
    assert camera.pacing.resting({"a": BOX}, camera.now) == set()


def test_a_box_of_another_shape_does_not_fit_what_was_expected() -> None:
    camera = Camera(PosePacing(4.0))
    camera.run(standing, 2.0)
    wide = np.array([60, 150, 200, 250], np.float32)
    assert camera.pacing.fits("a", BOX, camera.now)
    assert not camera.pacing.fits("a", wide, camera.now)


def test_what_is_known_goes_on_under_another_name_and_is_forgotten() -> None:
    camera = Camera(PosePacing(4.0))
    camera.run(standing, 2.1)
    now = camera.now
    camera.pacing.rename({"a": "b"})
    assert camera.pacing.resting({"a": BOX, "b": BOX}, now) == {"b"}
    camera.pacing.drop(["b"])
    assert camera.pacing.resting({"b": BOX}, now) == set()


def test_a_rate_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="rate"):
        PosePacing(-1.0)
