"""When the detector runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tracker.pacing import DetectorPacing
from tracker.tracks import Track, TrackState

Image = NDArray[np.uint8]

NOISE = np.random.default_rng(4).normal(0, 2, (7, 144, 256)).astype(np.float32)


def _track(state: TrackState = TrackState.CONFIRMED, since: float = -60.0, seen: float = 0.0) -> Track:
    box, still = np.array([100, 100, 140, 200], np.float32), np.zeros(2, np.float32)
    return Track("a", 1, state, box, None, still, 0.8, 0.0, since, seen, 9, True, 0.0)


CALM = [_track()]


def _picture(frame: int, left: float | None = None, contrast: float = 60.0) -> Image:
    """A room with noise; and somebody at that place, in px."""
    room = np.tile(np.linspace(60, 160, 256, dtype=np.float32), (144, 1)) + NOISE[frame * frame % 23 % 7]
    if left is not None:
        room[40:120, max(0, round(left)) : max(0, round(left) + 24)] -= contrast
    return np.clip(room, 0, 255).astype(np.uint8)


class _Camera:
    """A camera with a pacing; what is not said is a calm scene of one person."""

    def __init__(self, pacing: DetectorPacing, rate: float = 10.0) -> None:
        self.pacing, self.rate, self.frames = pacing, rate, 0

    @property
    def now(self) -> float:
        return self.frames / self.rate

    def due(
        self, tracks: list[Track] | None = None, doubt: bool = False, picture: Image | None = None
    ) -> bool:
        self.frames += 1
        luma = None if picture is None else lambda: picture
        return self.pacing.due(CALM if tracks is None else tracks, doubt, self.now, luma)

    def empty(self, seconds: float, left: float | None = None) -> list[float]:
        """Times at which the detector ran while nobody was followed."""
        return [
            self.now
            for _ in range(round(seconds * self.rate))
            if self.due([], picture=_picture(self.frames + 1, left))
        ]


def test_every_third_frame_of_ten_a_second_while_everybody_is_followed() -> None:
    camera = _Camera(DetectorPacing())
    assert [camera.due() for _ in range(7)] == [True, False, False, True, False, False, True]


@pytest.mark.parametrize("rate", [4.0, 8.0, 10.0, 12.5, 15.0, 25.0, 30.0, 60.0])
def test_no_pause_is_longer_than_the_one_that_is_set(rate: float) -> None:
    camera = _Camera(DetectorPacing(pause=0.3), rate)
    ran = [camera.now for _ in range(round(6 * rate)) if camera.due()]
    assert np.diff(ran).max() <= 0.3 + 0.5 / rate
    assert len(ran) <= 6 / (0.3 - 0.5 / rate) + 1


def test_one_is_every_frame_and_so_is_no_pause() -> None:
    for pacing in (DetectorPacing(1), DetectorPacing(pause=0.0), DetectorPacing(1, idle=2.0)):
        camera = _Camera(pacing)
        assert all(camera.due([], picture=_picture(0)) for _ in range(400))


def test_every_so_many_frames_where_that_comes_first() -> None:
    camera = _Camera(DetectorPacing(2), rate=30.0)
    assert [camera.due() for _ in range(4)] == [True, False, True, False]


@pytest.mark.parametrize(
    "tracks",
    [
        [_track(TrackState.TENTATIVE, since=0.0)],
        [_track(), _track(TrackState.LOST, seen=0.1)],
    ],
    ids=["perhaps somebody", "lost just now"],
)
def test_who_is_new_or_lost_is_looked_for_twenty_times_a_second(tracks: list[Track]) -> None:
    camera = _Camera(DetectorPacing(), rate=60.0)
    assert camera.due()
    assert [camera.due(tracks) for _ in range(6)] == [False, False, True, False, False, True]


def test_what_stays_doubtful_is_not() -> None:
    camera = _Camera(DetectorPacing())
    camera.due()
    camera.frames += 20
    camera.due([_track(TrackState.TENTATIVE, since=0.0)])
    assert [camera.due([_track(TrackState.TENTATIVE, since=0.0)]) for _ in range(3)] == [False, False, True]


def test_a_lost_pose_is_looked_for_soon_but_not_all_the_time() -> None:
    camera = _Camera(DetectorPacing(pause=0.5))
    camera.due()
    ran = [camera.due(doubt=True) for _ in range(20)]
    assert ran[:2] == [True, False]
    assert 4 <= sum(ran) <= 6


@pytest.mark.parametrize("rate", [4.0, 10.0, 15.0, 25.0, 30.0, 60.0])
def test_a_lost_pose_is_looked_for_soon_at_any_frame_rate(rate: float) -> None:
    camera = _Camera(DetectorPacing(pause=1.0), rate)
    assert camera.due()
    lost = camera.now
    while not camera.due(doubt=True):
        pass
    assert camera.now - lost <= max(0.1, 1 / rate) + 0.5 / rate


@pytest.mark.parametrize(("speed", "looks"), [(20.0, 1), (40.0, 3)])
def test_a_lost_pose_of_who_comes_down_is_looked_for_all_the_time(speed: float, looks: int) -> None:
    sinking = _track()._replace(velocity=np.array([0.0, speed], np.float32))  # of 100 px
    camera = _Camera(DetectorPacing(pause=1.0), rate=60.0)
    camera.due()
    assert sum(camera.due([sinking], doubt=True) for _ in range(10)) == looks


def test_every_frame_while_somebody_may_be_falling() -> None:
    camera = _Camera(DetectorPacing(), rate=30.0)
    assert all(camera.pacing.due(CALM, False, n / 30, pressing=True) for n in range(20))
    assert not camera.pacing.due(CALM, False, 20 / 30)


def test_time_that_goes_backwards_is_a_doubt() -> None:
    pacing = DetectorPacing()
    assert pacing.due(CALM, False, 10.0)
    assert pacing.due(CALM, False, 9.0)


def test_an_empty_room_is_looked_at_rarely_after_half_a_minute() -> None:
    camera = _Camera(DetectorPacing(idle=1.0))
    before, after = camera.empty(29), camera.empty(30)
    assert np.diff(before).max() <= 0.31
    assert len(after) <= 36
    assert np.diff(after).max() <= 1.05


def test_without_an_idle_time_it_is_looked_at_as_ever() -> None:
    camera = _Camera(DetectorPacing(idle=0.0))
    assert np.diff(camera.empty(60)).max() <= 0.31


def test_whoever_was_followed_is_looked_for_half_a_minute_longer() -> None:
    camera = _Camera(DetectorPacing(idle=5.0))
    camera.empty(35)
    camera.due([_track(TrackState.LOST)], picture=_picture(0))
    assert np.diff(camera.empty(29)).max() <= 0.31


def test_who_lies_and_is_followed_is_looked_at_as_ever() -> None:
    camera = _Camera(DetectorPacing(idle=5.0))
    camera.empty(35)
    still = [camera.now for _ in range(100) if camera.due([_track()], picture=_picture(0))]
    assert np.diff(still).max() <= 0.31


@settings(max_examples=10, deadline=None)
@given(
    speed=st.floats(2.0, 200.0),
    contrast=st.floats(0.0, 90.0),
    rate=st.sampled_from([5.0, 10.0, 25.0]),
    start=st.integers(0, 30),
)
def test_whoever_comes_in_is_looked_at_in_time(
    speed: float, contrast: float, rate: float, start: int
) -> None:
    """Within the idle time in any case, within the pause where they can be told from the noise."""
    camera = _Camera(DetectorPacing(idle=1.0), rate)
    camera.empty(33)
    for _ in range(start):
        camera.due([], picture=_picture(camera.frames))
    came, inside = camera.now, None
    while camera.now < came + 4.0:
        left = min(100.0, -24.0 + speed * (camera.now - came))
        if inside is None and left >= -8.0:  # a third of them is to be seen
            inside = camera.now
        ran = camera.due([], picture=_picture(camera.frames, left, contrast))
        if inside is not None and ran:
            within = 0.3 if contrast >= 40.0 else 1.0
            assert camera.now - inside <= within + 1.5 / rate
            break
    else:
        assert inside is None
