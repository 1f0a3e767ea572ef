"""`posewatch replay` as a user runs it, on real footage: the same result every run, every output readable."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from payloads import PayloadChecker

from classifier.recording import read_folder
from daemon.config import load_config
from daemon.reader import FrameReader
from daemon.replay import ReplayOutputs, replay
from daemon.sources import EndOfStream

RATE, WIDTH, HEIGHT = 10, 768, 576
SECONDS = 6.0
FRAMES = round(SECONDS * RATE)
CONFIG = """\
mqtt: {host: broker.invalid}
cameras:
  street:
    url: rtsp://camera.invalid/street
    publish_tracks: true
    zones:
      road: {points: [[0.0, 0.25], [1.0, 0.25], [1.0, 0.75], [0.0, 0.75]]}
    rules:
      on_the_road: {type: zone_entry, zones: [road]}
"""
_ID = re.compile(r"\d+-street-\d+")


@dataclass(frozen=True)
class Run:
    """A finished replay and the folder of its outputs."""

    folder: Path
    status: int
    out: str
    err: str

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines()]

    def tracks(self) -> np.ndarray:
        return np.loadtxt(self.folder / "tracks.txt", delimiter=",", ndmin=2)


def posewatch(folder: Path, *arguments: object) -> Run:
    command = [sys.executable, "-m", "daemon.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    return Run(folder, done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "posewatch.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def run(
    street: Path, pose_model: Path, config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Run]:
    """Replays the clip in a process of its own, with every output, into a fresh folder."""
    assert pose_model.is_file()

    def once() -> Run:
        folder = tmp_path_factory.mktemp("run") / "new"
        return posewatch(
            folder, "replay", street, "-c", config, "--seconds", SECONDS,
            "--events", folder / "events.jsonl", "--tracks", folder / "tracks.txt",
            "--landmarks", folder / "landmarks", "--annotate", folder / "annotated.mp4",
        )  # fmt: skip

    return once


@pytest.fixture(scope="module")
def first(run: Callable[[], Run]) -> Run:
    done = run()
    assert done.status == 0, done.err
    return done


def test_two_runs_give_the_same_bytes(first: Run, run: Callable[[], Run]) -> None:
    second = run()
    assert second.status == 0, second.err
    for name in ("events.jsonl", "tracks.txt"):
        assert (second.folder / name).read_bytes() == (first.folder / name).read_bytes(), name
    written = [
        {path.relative_to(one.folder): path.read_bytes() for path in one.folder.glob("landmarks/*/*")}
        for one in (first, second)
    ]
    assert written[0] == written[1]


def test_the_summary_is_for_people_and_stdout_stays_free(first: Run) -> None:
    assert first.out == ""
    assert f"{FRAMES} frames of 1 clip" in first.err
    assert "frames/s" in first.err
    people = len(set(first.tracks()[:, 1]))
    assert f"people {people}," in first.err


def test_only_whole_files_are_left(first: Run) -> None:
    names = {path.name for path in first.folder.iterdir()}
    assert names == {"events.jsonl", "tracks.txt", "landmarks", "annotated.mp4"}


def test_tracks_are_mot_rows_of_people_in_the_picture(first: Run) -> None:
    rows = first.tracks()
    assert rows.shape[1] == 10
    frames, left, top, width, height, score = (rows[:, n] for n in (0, 2, 3, 4, 5, 6))
    assert frames.min() >= 1
    assert frames.max() == FRAMES
    assert (np.diff(frames) >= 0).all()
    assert ((width > 5) & (height > 20) & (height > width * 0.8)).mean() > 0.9  # people who stand and walk
    centre_x, centre_y = left + width / 2, top + height / 2
    assert ((centre_x > 0) & (centre_x < WIDTH) & (centre_y > 0) & (centre_y < HEIGHT)).all()
    assert ((score > 0) & (score <= 1)).all()
    assert (rows[:, 7:] == -1).all()
    # Five people are in sight from the first second on, and nobody is two rows of one frame.
    assert Counter(frames.astype(int).tolist())[FRAMES // 2] >= 4
    assert len(np.unique(rows[:, :2], axis=0)) == len(rows)


def test_nobody_falls_lies_or_fights_in_a_street_where_people_walk(first: Run) -> None:
    alerts = [row["payload"] for row in first.events() if row["topic"].endswith("/alerts")]
    assert {alert["rule"] for alert in alerts} == {"on_the_road"}
    assert re.search(r"fight [0-9.]+", first.err)  # it was looked for: that is a stage of its own


def test_every_payload_follows_its_schema(first: Run) -> None:
    checker = PayloadChecker()
    for row in first.events():
        checker.check(row["topic"], row["payload"])
    assert checker.problems == []
    assert {"event", "action", "alert", "people", "on_off"} <= set(checker.checked)


def test_events_tell_a_whole_story(first: Run) -> None:
    rows = first.events()
    assert all(set(row) == {"topic", "payload", "t"} for row in rows)
    times = [row["t"] for row in rows]
    assert times == sorted(times)
    assert times[0] == 0.0
    assert times[-1] == pytest.approx((FRAMES - 1) / RATE, abs=0.01)
    states = {row["topic"]: row["payload"] for row in reversed(rows)}  # the first of each
    assert states["posewatch/street/people"] == 0
    assert states["posewatch/street/alert/on_the_road"] == "OFF"

    opened: dict[str, int] = {}
    ended = set()
    for event in (row["payload"] for row in rows if row["topic"] == "posewatch/street/events"):
        track = event["after"]["id"]
        assert _ID.fullmatch(track)
        assert track not in ended
        assert event["seq"] == opened.get(track, -1) + 1
        assert (event["type"] == "new") == (track not in opened) == (event["before"] is None)
        opened[track] = event["seq"]
        if event["type"] == "end":
            ended.add(track)
            assert event["after"]["end_time"] >= event["after"]["start_time"]
    assert len(opened) >= 4
    assert ended == set(opened)


def test_actions_and_alerts_begin_and_end(first: Run) -> None:
    rows = first.events()
    for kind, (begin, end) in {"actions": ("start", "end"), "alerts": ("raised", "cleared")}.items():
        bodies = [row["payload"] for row in rows if row["topic"] == f"posewatch/street/{kind}"]
        began = [body["id"] for body in bodies if body["type"] == begin]
        assert began, kind
        assert len(set(began)) == len(began)
        assert sorted(began) == sorted(body["id"] for body in bodies if body["type"] == end)
    last = {row["topic"]: row["payload"] for row in rows}
    assert last["posewatch/street/alert/on_the_road"] == "OFF"
    assert last["posewatch/street/people"] == 0
    assert last["posewatch/street/zones/road/people"] == 0


def test_every_frame_has_its_tracks_message(first: Run) -> None:
    rows = [row for row in first.events() if row["topic"] == "posewatch/street/tracks"]
    assert len(rows) == FRAMES
    people = [person for row in rows for person in row["payload"]["people"]]
    assert {len(person["landmarks"]) for person in people if person["landmarks"]} == {33}
    assert sum(person["landmarks"] is not None for person in people) > 0.7 * len(people)


def test_landmarks_are_recordings_of_the_same_tracks(first: Run) -> None:
    tracks = first.tracks()
    recordings = read_folder(first.folder / "landmarks")
    assert len(recordings) >= 4
    for recording in recordings:
        assert (recording.rate, recording.width, recording.height) == (RATE, WIDTH, HEIGHT)
        assert (recording.source, recording.group) == ("street.mp4", "street")
        rows = {int(row[0]) - 1: row[2:6] for row in tracks[tracks[:, 1] == int(recording.track)]}
        known = [place for place, frame in enumerate(recording.frames.tolist()) if frame in rows]
        # The frames before a track was confirmed are in the recording only.
        assert len(known) >= len(recording.frames) - 3
        hips = recording.pixels[known][:, 23:25, :2].mean(axis=1)
        boxes = np.stack([rows[frame] for frame in recording.frames[known].tolist()])
        margin = 0.1 * boxes[:, 3:]  # of the height: boxes are filtered, hidden hips are guessed
        inside = (hips >= boxes[:, :2] - margin) & (hips <= boxes[:, :2] + boxes[:, 2:] + margin)
        assert inside.all(axis=1).mean() > 0.9, recording.track


def test_the_annotated_video_has_every_frame_with_people_drawn_in(first: Run, street: Path) -> None:
    with av.open(str(first.folder / "annotated.mp4")) as container:
        video = container.streams.video[0]
        assert float(video.average_rate) == RATE
        drawn = [frame.to_ndarray(format="bgr24") for frame in container.decode(video)]
    assert len(drawn) == FRAMES
    assert drawn[0].shape == (HEIGHT, WIDTH, 3)
    plain = frames_of(street)[: len(drawn)]
    number = FRAMES // 2
    changed = np.abs(drawn[number].astype(int) - plain[number]).max(axis=2) > 60
    rows = first.tracks()
    for left, top, width, height in rows[rows[:, 0] == number + 1][:, 2:6].round().astype(int).tolist():
        box = changed[max(top - 2, 0) : top + height + 3, max(left - 2, 0) : left + width + 3]
        assert box.mean() > 0.02, (left, top, width, height)
    assert changed.mean() < 0.15  # and the rest of the picture is as it was


def frames_of(clip: Path) -> list[np.ndarray]:
    found = []
    with FrameReader("street", str(clip)) as reader:
        while True:
            try:
                found.append(reader.read().image)
            except EndOfStream:
                return found


def test_start_time_moves_every_time(street: Path, pose_model: Path, config: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    start = 1_700_000_000.0
    target = tmp_path / "events.jsonl"
    outputs = ReplayOutputs(events=str(target))
    summary = replay([street], load_config(config), outputs, start_time=start, max_seconds=1.0)
    assert summary.frames == RATE
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert {row["t"] for row in rows} <= {round(start + n / RATE, 3) for n in range(RATE)}
    events = [row["payload"]["after"] for row in rows if row["topic"].endswith("/events")]
    assert events
    assert all(event["id"].startswith(f"{int(event['start_time'] * 1000)}-street-") for event in events)
    assert min(event["start_time"] for event in events) >= start


def test_several_clips_go_one_after_the_other(
    street: Path, pose_model: Path, config: Path, tmp_path: Path
) -> None:
    assert pose_model.is_file()
    other = tmp_path / "yard.mp4"
    other.write_bytes(street.read_bytes())
    folder = tmp_path / "out"
    done = posewatch(
        folder, "replay", street, other, "-c", config, "--seconds", "1", "--events", "-",
        "--tracks", folder / "tracks", "--landmarks", folder / "landmarks",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert {path.name for path in (folder / "tracks").iterdir()} == {"street.txt", "yard.txt"}
    assert (folder / "tracks" / "street.txt").read_text() == (folder / "tracks" / "yard.txt").read_text()
    assert {path.name.rpartition("-")[0] for path in (folder / "landmarks").iterdir()} == {"street", "yard"}
    rows = [json.loads(line) for line in done.out.splitlines()]
    new = [
        row["payload"]["after"]["id"] for row in rows if row["payload"] and "new" in str(row["payload"])[:20]
    ]
    assert len(new) == len(set(new)) >= 6
    assert {row["t"] > 1.5 for row in rows} == {True, False}


@pytest.mark.parametrize("content", [b"", b"no video at all" * 500])
def test_an_unreadable_clip_is_one_line_and_leaves_nothing(
    content: bytes, pose_model: Path, config: Path, tmp_path: Path
) -> None:
    assert pose_model.is_file()
    clip, folder = tmp_path / "broken.mp4", tmp_path / "out"
    clip.write_bytes(content)
    done = posewatch(
        folder, "replay", clip, "-c", config, "--events", folder / "events.jsonl",
        "--tracks", folder / "tracks.txt", "--landmarks", folder / "landmarks",
        "--annotate", folder / "annotated.mp4",
    )  # fmt: skip
    assert done.status == 1
    (line,) = done.err.splitlines()
    assert "broken.mp4" in line
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_a_broken_second_clip_leaves_no_half_of_the_events(
    street: Path, pose_model: Path, config: Path, tmp_path: Path
) -> None:
    assert pose_model.is_file()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    target = tmp_path / "events.jsonl"
    done = posewatch(tmp_path, "replay", street, broken, "-c", config, "--seconds", "0.5", "--events", target)
    assert done.status == 1
    assert "broken.mp4" in done.err.splitlines()[-1]
    assert {path.name for path in tmp_path.iterdir()} == {"broken.mp4"}


def test_a_reader_that_goes_away_ends_the_replay_quietly(
    street: Path, pose_model: Path, config: Path
) -> None:
    """As `posewatch replay ... --events - | head -1` does."""
    assert pose_model.is_file()
    command = [sys.executable, "-m", "daemon.cli", "replay", str(street), "-c", str(config), "--events", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["t"] == 0.0
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(120) == 1
    assert "Traceback" not in errors
    assert "Exception" not in errors


def test_a_real_fall_raises_the_alert(
    shared_data: Path, pose_model: Path, config: Path, tmp_path: Path
) -> None:
    assert pose_model.is_file()
    clip = shared_data / "video" / "urfd_fall" / "fall-01-cam0.mp4"
    if not clip.is_file():
        pytest.skip(f"{clip.name} is not in the evaluation data")
    target = tmp_path / "events.jsonl"
    summary = replay([clip], load_config(config), ReplayOutputs(events=str(target)))
    assert "fall" in [alert.rule for alert in summary.alerts]


@pytest.fixture(scope="module")
def examples() -> Path:
    return Path(__file__).resolve().parents[2] / "config" / "examples" / "replay"


def test_the_examples_of_what_to_expect(footage, pose_model, examples, shared_data):
    """The two clips of the examples; a third one, in which somebody falls later, is judged against them."""
    assert pose_model.is_file()
    given = ("-c", examples / "posewatch.yaml", "--expect", examples / "expect.yaml", "--quiet")
    fall = shared_data / "video" / "urfd_fall" / "fall-01-cam0.mp4"
    for clip, camera, alerts in ((footage, "street", r"\d\d"), (fall, "room", "1")):
        done = posewatch(examples, "replay", clip, "--camera", camera, *given)
        assert (done.status, done.err) == (0, "")
        assert re.fullmatch(rf"{clip.name}: as expected, {alerts} alerts\n", done.out)


def test_a_difference_is_told_and_fails(street, pose_model, config, tmp_path):
    assert pose_model.is_file()
    expect = tmp_path / "expect.yaml"
    expect.write_text(
        "clips:\n  street.mp4:\n    alerts:\n"
        "    - {rule: fall, between: [1s, 2s]}\n    - {rule: on_the_road, count: 50..}\n"
    )
    done = posewatch(tmp_path, "replay", street, "-c", config, "--expect", expect, "--seconds", 3, "--quiet")
    assert done.status == 1
    lines = done.out.splitlines()
    assert lines[0] == "street.mp4: NOT as expected"
    assert lines[1] == "  fall between 1 s and 2 s: expected 1, got 0 (none)"
    assert lines[2].startswith("  on_the_road: expected 50 or more, got ")
    assert "on_the_road in road at " in lines[2]


def test_expectations_are_checked_before_the_work(street, config, tmp_path):
    expect = tmp_path / "expect.yaml"
    expect.write_text("clips:\n  street:\n    alerts:\n      - {rule: falls}\n")
    done = posewatch(tmp_path, "replay", street, "-c", config, "--expect", expect)
    assert done.status == 2
    assert done.err.startswith(f"posewatch: {expect}:4: clips.street.alerts[0].rule: the camera has no rule")
    assert len(done.err.splitlines()) == 1
