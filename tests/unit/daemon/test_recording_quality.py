"""Numbers from time stamps, what is said of a take, and where takes go."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_scenes import HEIGHT, WIDTH, landmarks

from classifier.recording import read_folder, read_recording
from daemon.errors import UsageError
from daemon.recording.numbering import number_frames
from daemon.recording.quality import PARTS, assess
from daemon.recording.series import Series
from daemon.recording.takes import TakeWriter

# --- numbers from time stamps ---------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    rate=st.sampled_from([5.0, 10.0, 12.5, 15.0, 25.0, 29.97, 30.0, 50.0]),
    count=st.integers(10, 900),
    seen=st.floats(0.2, 1.0),
    jitter=st.floats(0.0, 0.004),
    lost=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_steady_stream_keeps_its_rate_whatever_frames_are_missing(rate, count, seen, jitter, lost, seed):
    """Frames that the machine has no time for have a number, frames that are lost on the way have none."""
    random = np.random.default_rng(seed)
    chosen = np.flatnonzero(random.random(count) < seen)
    if len(chosen) < 4:
        return
    sent = chosen + (5 * (chosen > count / 2) if lost else 0)
    times = 1e5 + sent / rate + random.uniform(-jitter, jitter, len(chosen))
    found, numbers = number_frames(times.tolist(), chosen.tolist())
    if lost and jitter:
        return  # where few frames are seen, a jump may look like the rhythm
    assert found == pytest.approx(rate, rel=0.1 if jitter else 1e-4)
    np.testing.assert_array_equal(numbers, sent - sent[0])


@settings(max_examples=200)
@given(st.lists(st.tuples(st.floats(0.004, 3.0), st.integers(1, 3)), max_size=200))
def test_the_numbers_tell_the_true_times(steps):
    times = np.cumsum([77.7, *(step for step, _ in steps)])
    indices = np.cumsum([7, *(count for _, count in steps)])
    rate, numbers = number_frames(times.tolist(), indices.tolist())
    assert numbers[0] == 0
    assert (np.diff(numbers) > 0).all()
    told = numbers / rate
    told += np.mean(times - times[0] - told)
    assert np.abs(told - (times - times[0])).max() <= 0.02


def test_the_numbers_of_a_variable_rate_are_hundredths():
    rate, numbers = number_frames([0.0, 0.04, 0.11, 0.13, 0.3, 0.37], range(6))
    assert (rate, numbers.tolist()) == (100.0, [0, 4, 11, 13, 30, 37])


def test_times_in_whole_milliseconds_are_a_steady_rate():
    times = [round(n / 30, 3) for n in range(600)]
    assert number_frames(times, range(600))[0] == pytest.approx(30.0, rel=1e-4)


# --- what a take is like --------------------------------------------------------------------------------


def series(poses, *, rate: float = 10.0, indices=None, boxes=None) -> Series:
    indices = list(range(len(poses))) if indices is None else indices
    one = Series(3, "0-record-3", WIDTH, HEIGHT)
    one.indices = indices
    one.times = [500 + n / rate for n in indices]
    one.landmarks = [(pose / (WIDTH, HEIGHT, WIDTH, 1)).astype(np.float32) for pose in poses]
    one.boxes = [np.array(box, np.float32) for box in boxes or [(200, 80, 320, 440)] * len(poses)]
    one.met = [False] * len(poses)
    return one


def still(count: int, box=(200, 80, 320, 440)):
    return [landmarks(box) for _ in range(count)]


def every(one: Series) -> list[tuple[int, float]]:
    """The frames that were looked at, where all were."""
    first = one.times[0] - one.indices[0] / 10
    return [(n, first + n / 10) for n in range(one.indices[-1] + 1)]


def test_a_good_take_gets_no_advice():
    quality = assess(series(still(60)), every(series(still(60))))
    assert quality.advice == ()
    assert quality.lines()[-1] == "verdict  good"
    assert (quality.frames, quality.no_pose, quality.skipped, quality.lost) == (60, 0, 0, 0)
    assert quality.rate == pytest.approx(10.0)
    assert quality.visible == dict.fromkeys(PARTS, 1.0)
    assert (quality.height, quality.never, quality.jitter) == (360.0, (), 0.0)


def hidden(pose: np.ndarray, joints) -> np.ndarray:
    pose = pose.copy()
    pose[list(joints), 3] = 0.1
    return pose


def below(pose: np.ndarray, joints) -> np.ndarray:
    """Guessed below the picture, and surely so: MediaPipe's visibility is not to be trusted there."""
    pose = pose.copy()
    pose[list(joints), 1] = HEIGHT * 1.3
    return pose


LEGS = range(25, 33)


@pytest.mark.parametrize(
    ("one", "advice"),
    [
        (series(still(10)), "only 0.9 s"),
        (series([hidden(pose, LEGS) for pose in still(60)]), "the legs are hardly ever seen: step back"),
        (series([below(pose, LEGS) for pose in still(60)]), "the legs are hardly ever seen: step back"),
        (series([hidden(pose, range(27, 33)) for pose in still(60)]), "the feet are hardly ever seen"),
        (
            series([hidden(pose, (13, 15, 17, 19, 21)) for pose in still(60)]),
            "the left arm is hidden in 100%",
        ),
        (series(still(60), boxes=[(0, 80, 90, 440)] * 60), "cut off at the left: stay nearer to the middle"),
        (series(still(60), boxes=[(0, 80, 640, 440)] * 60), "cut off at the left and the right"),
        (series(still(60), boxes=[(200, 80, 230, 140)] * 60), "only 60 px tall: come closer"),
        (series(still(60), indices=[n for n in range(120) if n % 12 < 6]), "the pose was often not found"),
        (series(still(20), indices=list(range(0, 60, 3))), "only 3.3 poses a second"),
    ],
)
def test_advice_says_what_to_do(one, advice):
    quality = assess(one, every(one))
    assert any(advice in line for line in quality.advice), quality.advice
    assert "verdict" not in "\n".join(quality.lines())


def test_the_report_fits_a_terminal():
    one = series([hidden(pose, range(33)) for pose in still(20)], indices=list(range(0, 60, 3)))
    lines = assess(one, every(one)).lines()
    assert max(map(len, lines)) <= 96
    assert {line[:9].strip() for line in lines} == {
        "frames",
        "missed",
        "body",
        "joints",
        "never",
        "jitter",
        "advice",
        "",
    }


def test_company_is_told():
    one = series(still(60))
    one.met = [n < 15 for n in range(60)]
    (advice,) = assess(one, every(one)).advice
    assert advice.startswith("somebody else is before or behind the person in 25% of the frames")


def test_joints_that_are_never_seen_are_named():
    quality = assess(series([hidden(pose, (27, 28)) for pose in still(60)]), [])
    assert quality.never == ("left ankle", "right ankle")
    assert quality.visible["left leg"] == pytest.approx(0.5)


def test_what_was_missed_is_told_by_its_cause():
    """Frame 5 has no pose, 10 and 11 came while the machine was busy, 20 to 22 never came."""
    kept = [n for n in range(40) if n not in (5, 10, 11)]
    one = series(still(len(kept)), indices=kept)
    one.times = [time + (0.3 if index >= 20 else 0.0) for time, index in zip(one.times, kept, strict=True)]
    frames = [(n, 0.0) for n in range(40) if n not in (10, 11)]
    quality = assess(one, frames)
    assert (quality.no_pose, quality.skipped, quality.lost) == (1, 2, 3)
    assert quality.longest_gap == pytest.approx(0.4)


@pytest.mark.parametrize("noise", [0.5, 2.0, 6.0])
def test_jitter_is_the_noise_and_not_the_motion(noise):
    random = np.random.default_rng(1)
    poses = []
    for n in range(200):
        pose = landmarks((100 + n, 80, 220 + n, 440))  # walks
        pose[:, :2] += random.normal(0, noise, (33, 2))
        poses.append(pose)
    assert assess(series(poses), []).jitter * 360 == pytest.approx(noise, rel=0.1)


# --- where takes go -------------------------------------------------------------------------------------


def write(out, source="clips/shop.mp4", person=None, label="Jumping Jacks", **more):
    one = series(still(20))
    return TakeWriter(out, label, source, person).write(one, every(one), **more)


def test_takes_never_replace_each_other(tmp_path):
    paths = [write(tmp_path, person="ann").path for _ in range(3)]
    (tmp_path / "ann" / "take-4").mkdir()
    (tmp_path / "ann" / "take-4" / "JUMPING_JACKS.json").write_text("{}")
    paths.append(write(tmp_path, person="ann").path)
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "ann/JUMPING_JACKS.txt",
        "ann/take-2/JUMPING_JACKS.txt",
        "ann/take-3/JUMPING_JACKS.txt",
        "ann/take-5/JUMPING_JACKS.txt",
    ]
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize(
    ("source", "person", "group", "told"),
    [
        ("clips/shop.mp4", None, "shop", "shop.mp4"),
        ("clips/shop.mp4", "ann", "ann", "shop.mp4"),
        (
            "rtsp://admin:s3cret@10.0.0.5/live?token=abc",
            None,
            "somebody",
            "rtsp://***@10.0.0.5/live?token=***",
        ),
        ("0", "Ann-Marie 2", "Ann-Marie 2", "0"),
    ],
)
def test_training_keeps_all_takes_of_a_person_together(tmp_path, source, person, group, told):
    for _ in range(2):
        write(tmp_path, source, person)
    write(tmp_path, source, person, of_many=True)
    found = read_folder(tmp_path, problems=lambda _: None)
    assert {(one.group, one.source, one.label, one.track) for one in found} == {
        (group, told, "jumping_jacks", "3")
    }
    assert len(found) == 3
    assert "s3cret" not in "".join(path.read_text() for path in tmp_path.rglob("*.json"))


def test_the_side_file_tells_how_good_the_take_is(tmp_path):
    written = write(tmp_path)
    side = json.loads(written.path.with_suffix(".json").read_text())
    assert side["quality"]["visible"]["feet"] == 1.0
    assert (side["rate"], side["width"], side["height"]) == (10.0, WIDTH, HEIGHT)
    read = read_recording(written.path)
    np.testing.assert_allclose(read.pixels[0], landmarks((200, 80, 320, 440)), atol=0.05)


@pytest.mark.parametrize("person", ["", "..", "../ann", "ann/bob", ".hidden", "a" * 99, "ann\n"])
def test_a_person_is_a_name_and_no_path(tmp_path, person):
    with pytest.raises(UsageError, match="--person"):
        TakeWriter(tmp_path, "WALKING", "0", person)


def test_a_label_needs_a_letter():
    with pytest.raises(UsageError, match="--label"):
        TakeWriter(Path("takes"), "../..", "0", None)


def test_a_folder_that_cannot_be_is_refused_before_the_take(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "deeper" / "takes"):
        with pytest.raises(UsageError, match="file is a file"):
            TakeWriter(out, "WALKING", "0", None)
    monkeypatch.setattr(os, "access", lambda *_: False)  # tests may run as root, who may write anywhere
    with pytest.raises(UsageError, match="cannot be written to"):
        TakeWriter(tmp_path / "new", "WALKING", "0", None)
