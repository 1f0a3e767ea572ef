"""Tracks of a clip as recordings: what is written, what is not, and what a user may do with it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classifier.recording import read_folder, read_recording
from daemon.errors import UsageError
from daemon.landmark_log import LandmarkLog, unlabelled
from daemon.scene import Person, Scene
from tracker.association import Track, TrackState
from tracker.pose import Pose

WIDTH, HEIGHT, RATE = 800, 400, 12.5
CLIP = Path("clips/shop.mp4")


def pose(seed: int) -> Pose:
    """Landmarks all over the image, z of both signs."""
    shares = np.random.default_rng(seed).uniform((0, 0, -1, 0), (1, 1, 1, 1), (33, 4))
    landmarks = (shares * (WIDTH, HEIGHT, WIDTH, 1)).astype(np.float32)
    return Pose(landmarks, np.zeros((33, 3), np.float32), 0.9)


def person(
    number: int,
    frame: int,
    state: TrackState = TrackState.CONFIRMED,
    *,
    seen: bool = True,
    posed: bool = True,
) -> Person:
    track = Track(
        id=f"0-shop-{number}", number=number, state=state, box=np.zeros(4, np.float32), detection_box=None,
        velocity=np.zeros(2, np.float32), score=0.9, started_at=0.0, first_monotonic=0.0,
        last_monotonic=frame / RATE if seen else -1.0, hits=5, stationary=False, speed=0.0,
    )  # fmt: skip
    found = pose(100 * number + frame) if posed else None
    return Person(track, found, None, "unknown", 0.0, ())


def scene(frame: int, *people: Person) -> Scene:
    return Scene("shop", WIDTH, HEIGHT, 1000.0 + frame / RATE, frame / RATE, people)


def log(folder: Path | None, scenes: dict[int, Scene], clip: Path = CLIP) -> None:
    with ExitStack() as stack:
        landmarks = LandmarkLog(folder, clip, RATE, stack)
        for number, one in scenes.items():
            landmarks.write(number, one)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_track_is_a_recording_in_shares_of_the_image(tmp_path):
    log(tmp_path, {n: scene(n, person(7, n)) for n in range(5)})
    recording = read_recording(tmp_path / "shop-7" / "UNLABELLED.txt")
    assert recording.frames.tolist() == [0, 1, 2, 3, 4]
    expected = np.stack([pose(700 + n).landmarks for n in range(5)])
    np.testing.assert_allclose(recording.pixels, expected, rtol=1e-4, atol=1e-3)
    assert recording.landmarks[..., :2].min() >= 0
    assert recording.landmarks[..., :2].max() <= 1
    # z has the scale of x.
    np.testing.assert_allclose(recording.landmarks[..., 2] * WIDTH, expected[..., 2], rtol=1e-4, atol=1e-3)
    assert (recording.rate, recording.width, recording.height) == (RATE, WIDTH, HEIGHT)
    assert (recording.source, recording.track, recording.group) == ("shop.mp4", "7", "shop")


def test_frames_without_the_person_are_gaps_in_the_numbers(tmp_path):
    scenes = {
        10: scene(10, person(1, 10)),
        11: scene(11, person(1, 11, TrackState.LOST, seen=False)),  # predicted only
        12: scene(12, person(1, 12, posed=False)),  # seen, no pose found
        14: scene(14, person(1, 14)),
    }
    log(tmp_path, scenes)
    recording = read_recording(tmp_path / "shop-1" / "UNLABELLED.txt")
    assert recording.frames.tolist() == [10, 14]
    assert recording.times[1] - recording.times[0] == pytest.approx(4 / RATE)


def test_a_clip_of_variable_rate_has_true_times(tmp_path):
    times = [0.3, 0.35, 0.5, 0.52, 0.9]
    scenes = {n + 4: replace(scene(0, person(1, 0)), monotonic=time) for n, time in enumerate(times)}
    scenes = {
        n: replace(one, people=tuple(
            replace(who, track=who.track._replace(last_monotonic=one.monotonic)) for who in one.people
        ))
        for n, one in scenes.items()
    }  # fmt: skip
    log(tmp_path, scenes)
    recording = read_recording(tmp_path / "shop-1" / "UNLABELLED.txt")
    np.testing.assert_allclose(recording.times, times, atol=0.011)


def test_only_people_are_written_from_their_first_frame_on(tmp_path):
    scenes = {
        0: scene(0, person(1, 0, TrackState.TENTATIVE), person(2, 0, TrackState.TENTATIVE)),
        1: scene(1, person(1, 1), person(2, 1, TrackState.REMOVED, seen=False, posed=False)),
        2: scene(2, person(1, 2), person(3, 2, posed=False)),
    }
    log(tmp_path, scenes)
    assert names(tmp_path) == {"shop-1/UNLABELLED.txt", "shop-1/UNLABELLED.json"}
    assert read_recording(tmp_path / "shop-1" / "UNLABELLED.txt").frames.tolist() == [0, 1, 2]


def test_nothing_shows_before_the_end_and_nothing_stays_after_an_error(tmp_path):
    class BrokenError(Exception):
        pass

    with pytest.raises(BrokenError), ExitStack() as stack:  # noqa: PT012
        landmarks = LandmarkLog(tmp_path, CLIP, RATE, stack)
        landmarks.write(0, scene(0, person(1, 0)))
        landmarks.write(1, scene(1, person(1, 1, TrackState.REMOVED, seen=False)))  # its file is made now
        assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
        raise BrokenError
    assert list(tmp_path.iterdir()) == []


def test_two_runs_write_the_same_bytes_and_leave_nothing_of_the_first(tmp_path):
    log(tmp_path, {0: scene(0, person(1, 0), person(2, 0))})
    first = (tmp_path / "shop-1" / "UNLABELLED.txt").read_bytes()
    log(tmp_path, {0: scene(0, person(1, 0))})
    assert names(tmp_path) == {"shop-1/UNLABELLED.txt", "shop-1/UNLABELLED.json"}
    assert not (tmp_path / "shop-2").exists()
    assert (tmp_path / "shop-1" / "UNLABELLED.txt").read_bytes() == first


def test_clips_share_a_folder(tmp_path):
    log(tmp_path, {0: scene(0, person(1, 0))})
    log(tmp_path, {0: scene(0, person(1, 0))}, clip=Path("shop-back.mp4"))
    assert {path.name for path in tmp_path.iterdir()} == {"shop-1", "shop-back-1"}


def rename(text: Path, side: Path) -> None:
    text.rename(text.with_name("WALKING.txt"))
    side.rename(side.with_name("WALKING.json"))


def name_in_side_file(_text: Path, side: Path) -> None:
    side.write_text(json.dumps({**json.loads(side.read_text()), "label": "WALKING"}))


@pytest.mark.parametrize("label", [rename, name_in_side_file])
def test_a_user_can_label_a_take_which_no_later_run_replaces(tmp_path, label):
    scenes = {n: scene(n, person(1, n), person(2, n)) for n in range(3)}
    log(tmp_path, scenes)
    assert len(unlabelled(tmp_path)) == 2
    text, side = (tmp_path / "shop-1" / f"UNLABELLED.{suffix}" for suffix in ("txt", "json"))
    label(text, side)
    assert unlabelled(tmp_path) == [tmp_path / "shop-2" / "UNLABELLED.txt"]
    recording = read_folder(tmp_path)[0]
    assert (recording.label, recording.rate, recording.group) == ("walking", RATE, "shop")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    with pytest.raises(UsageError, match=r"shop-1: holds a labelled recording"):
        log(tmp_path, scenes)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log(None, {0: scene(0, person(1, 0))})
    assert list(tmp_path.iterdir()) == []
