"""Pictures and clips of real people's alerts, every file that is written for them, and replay's drawings."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

SECONDS = 6.0
MASK = [[0.55, 0.0], [1.0, 0.0], [1.0, 0.5], [0.7, 0.5]]
CONFIG = """\
cameras:
  street:
    url: rtsp://camera.invalid/street
    zones:
      path: {{points: [[0.3, 0.3], [0.8, 0.3], [0.8, 0.8], [0.3, 0.8]]}}
    privacy_masks:
      house: {{points: {mask}}}
    snapshots: {{style: {style}}}
    clips: {{enabled: {clips}, style: {style}, before: 2s, after: 2s}}
    rules:
      about: {{type: loitering, for: 2s, zones: [path]}}
"""


@dataclass(frozen=True)
class Run:
    """What a run said, and every file that it opened to write, from outside where strace is installed."""

    state: Path
    messages: list[dict[str, Any]]
    written: set[str]
    found: set[str]

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return [one["payload"] for one in self.messages if one["topic"].endswith("/alerts")]


@pytest.fixture
def run(street: Path, pose_model: Path, tmp_path: Path) -> Any:
    def run(style: str, clips: bool) -> Run:
        config, output = tmp_path / "posewatch.yaml", tmp_path / "messages.jsonl"
        config.write_text(CONFIG.format(mask=MASK, style=style, clips=str(clips).lower()))
        home, work, temporary = (tmp_path / name for name in ("home", "work", "tmp"))
        for folder in (home, work, temporary):
            folder.mkdir()
        state, trace = tmp_path / "state", tmp_path / "trace"
        script = Path(__file__).with_name("media_run.py")
        command = [sys.executable, "-B", str(script), *map(str, (config, street, state, output, SECONDS))]
        strace = shutil.which("strace")
        if strace is not None:
            calls = "open,openat,creat,rename,renameat,renameat2,link,linkat,mkdir,mkdirat"
            trace.mkdir()
            # One file a thread, so that no call is split in two.
            options = ["-ff", "--seccomp-bpf", "-qq", "-e", "signal=none", "-e", f"trace={calls}"]
            command = [strace, *options, "-o", str(trace / "trace"), *command]
        surroundings = {**os.environ, "HOME": str(home), "TMPDIR": str(temporary)}
        surroundings["CACHE_DIRECTORY"] = str(pose_model.parents[1])
        done = subprocess.run(
            command, cwd=work, env=surroundings, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, done.stderr
        messages = [json.loads(line) for line in output.read_text().splitlines()]
        found = {
            path.relative_to(tmp_path).as_posix()
            for folder in (home, work, temporary, state)
            for path in folder.rglob("*")
            if path.is_file()
        }
        written = _written(trace) if strace else {str(output), *(str(tmp_path / name) for name in found)}
        assert str(output) in written
        return Run(state, messages, written - {str(output)}, found)

    return run


def _written(trace: Path) -> set[str]:
    """Paths that were opened to write, made or given a name, by any thread; devices left out."""
    found = set()
    for line in (row for file in trace.iterdir() for row in file.read_text(errors="replace").splitlines()):
        call = re.search(r"\b(\w+)\(.*\) += (-?\d+)", line)
        if call is None or call[2].startswith("-"):
            continue
        names = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
        writes = call[1] not in ("open", "openat") or re.search(r"O_WRONLY|O_RDWR|O_CREAT", line)
        if names and writes:
            found.add(names[-1])
    return {name for name in found if not name.startswith(("/dev/", "/proc/", "/sys/"))}


def test_with_style_none_nothing_is_written(run: Any) -> None:
    done = run("none", clips=True)
    assert len([alert for alert in done.alerts if alert["type"] == "raised"]) >= 2
    assert all(alert["snapshot"] is None and alert["clip"] is None for alert in done.alerts)
    assert not [one for one in done.messages if "/snapshot/" in one["topic"]]
    assert done.found == set()
    assert done.written == set()
    assert not done.state.exists()


@pytest.mark.parametrize("style", ["skeleton", "blur", "full"])
def test_only_what_alerts_name_is_written(run: Any, style: str) -> None:
    done = run(style, clips=True)
    raised = [alert for alert in done.alerts if alert["type"] == "raised"]
    assert len(raised) >= 2
    given = {alert["id"]: (alert["snapshot"], alert["clip"]) for alert in raised}
    ended = [alert for alert in done.alerts if alert["type"] == "cleared"]
    assert {alert["id"] for alert in ended} == set(given)  # those at the end of the run among them
    assert all((alert["snapshot"], alert["clip"]) == given[alert["id"]] for alert in done.alerts)
    named = {alert["snapshot"]["file"] for alert in raised} | {alert["clip"]["file"] for alert in raised}
    assert done.found == {f"state/{name}" for name in named}
    assert done.written >= {str(done.state / name) for name in named}
    inside = f"{done.state}/"
    for path in done.written:  # temporary names and folders, all of them below the state directory
        assert path == str(done.state) or path.startswith(inside), path
    # Every picture, file, message and frame of a clip: black where the mask is.
    images = [cv2.imread(str(done.state / alert["snapshot"]["file"])) for alert in raised]
    sent = [bytes.fromhex(one["payload"]) for one in done.messages if "/snapshot/" in one["topic"]]
    assert len(sent) == len(raised)
    images += [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in sent]
    for name in {alert["clip"]["file"] for alert in raised}:
        frames = decoded(done.state / name)
        assert len(frames) > 10
        images += frames
    for image in images:
        assert image.shape == (576, 768, 3)
        assert image[mask_of(image, inner=16)].max() <= 8
        assert image[:200, :300].max() > 100


def decoded(clip: Path) -> list[np.ndarray]:
    with av.open(str(clip)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def mask_of(image: np.ndarray, inner: int) -> np.ndarray:
    """(H, W) where the mask is, this many px from its edges."""
    height, width = image.shape[:2]
    canvas = np.zeros((height + 2, width + 2), np.uint8)
    points = np.round(np.array(MASK) * (width, height)).astype(np.int32) + 1
    cv2.fillPoly(canvas, [points], 1)
    side = 2 * inner + 1
    # The image's own border is no edge of the mask.
    whole = cv2.erode(canvas[1:-1, 1:-1], np.ones((side, side), np.uint8), borderValue=1)
    return whole.astype(bool)


def test_replay_draws_nothing_into_privacy_masks(street: Path, pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    config = tmp_path / "posewatch.yaml"
    config.write_text(CONFIG.format(mask=MASK, style="full", clips="false"))
    command = [sys.executable, "-m", "daemon.cli", "replay", str(street), "-c", str(config),
               "--seconds", "1.5", "--annotate", str(tmp_path / "out.mp4"), "--quiet"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    frames = decoded(tmp_path / "out.mp4")
    assert len(frames) == 15
    for frame in frames:
        assert frame[mask_of(frame, inner=16)].max() <= 8
        assert frame[300:].max() > 150
    assert {path.name for path in tmp_path.iterdir()} == {"posewatch.yaml", "out.mp4"}


def test_a_real_fall_is_on_its_picture_and_in_its_clip(
    shared_data: Path, pose_model: Path, tmp_path: Path
) -> None:
    """The person who fell stands out, on the floor, in the picture and in the last frames of the clip."""
    assert pose_model.is_file()
    clip = shared_data / "video" / "urfd_fall" / "fall-05-cam0.mp4"
    if not clip.is_file():
        pytest.skip(f"no such clip: {clip}")
    config, output = tmp_path / "posewatch.yaml", tmp_path / "messages.jsonl"
    config.write_text(
        "cameras: {room: {url: rtsp://camera.invalid/x, clips: {enabled: true, style: skeleton}}}"
    )
    script = Path(__file__).with_name("media_run.py")
    command = [sys.executable, str(script), *map(str, (config, clip, tmp_path / "state", output, 60.0))]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    messages = [json.loads(line) for line in output.read_text().splitlines()]
    alert = next(one["payload"] for one in messages if one["topic"].endswith("/alerts"))
    assert (alert["rule"], alert["type"]) == ("fall", "raised")
    picture = cv2.imread(str(tmp_path / "state" / alert["snapshot"]["file"]))
    frames = decoded(tmp_path / "state" / alert["clip"]["file"])
    left, top, right, bottom = alert["evidence"]["boxes"][alert["tracks"][0]]
    height, width = picture.shape[:2]
    first_row, last_row = max(0, round(top * height) - 25), round(bottom * height) + 3  # its label is above
    box = np.s_[first_row:last_row, round(left * width) - 3 : round(right * width) + 3]
    assert red(picture)[box].mean() > 0.02
    assert red(picture)[box].sum() > 0.8 * red(picture)[60:].sum()  # what is above 60 are the words
    rows = [np.nonzero(red(frame)[60:].any(axis=1))[0].min() + 60 for frame in (frames[10], frames[-1])]
    assert rows[1] > rows[0] + 0.1 * height  # standing before, on the floor after


def red(image: np.ndarray) -> np.ndarray:
    """(H, W) the colour of whom a critical alert names."""
    blue, green, red = (image[:, :, channel].astype(int) for channel in range(3))
    return (red > 180) & (green < 110) & (blue < 110)
