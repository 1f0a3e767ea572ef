"""`posewatch replay` on a scene whose people are too far away for one look at the whole image."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from daemon.video_writer import VideoWriter

SECONDS, RATE = 1.5, 10
CONFIG = """\
cameras:
  plain: {url: rtsp://camera.invalid/wall, rules: {}}
  tiled: {url: rtsp://camera.invalid/wall, rules: {}, detect: {tiles: 3x2}}
"""


@pytest.fixture(scope="module")
def wall(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1920x1080: four takes of the street side by side, as a recorder shows them, people 50 pixels tall."""
    path = tmp_path_factory.mktemp("wall") / "wall.mp4"
    starts = [0, 200, 400, 600]
    videos = [cv2.VideoCapture(str(footage)) for _ in starts]
    for video, start in zip(videos, starts, strict=True):
        video.set(cv2.CAP_PROP_POS_FRAMES, start)
    writer = VideoWriter(path, RATE)
    for _ in range(round(SECONDS * RATE)):
        scene = np.full((1080, 1920, 3), 60, np.uint8)
        for number, video in enumerate(videos):
            row, column = divmod(number, 2)
            small = cv2.resize(video.read()[1], (480, 360), interpolation=cv2.INTER_AREA)
            scene[200 + 360 * row :, 500 + 480 * column :][:360, :480] = small
        writer.write(scene)
    writer.close()
    return path


def people_a_frame(wall: Path, camera: str, folder: Path) -> float:
    config, tracks = folder / "posewatch.yaml", folder / f"{camera}.txt"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "daemon.cli", "replay", str(wall), "-c", str(config)]
    command += ["--camera", camera, "--tracks", str(tracks)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    rows = np.loadtxt(tracks, delimiter=",", ndmin=2).reshape(-1, 10)
    heights = rows[:, 5]
    assert ((heights > 20) & (heights < 110)).mean() > 0.9
    counts = Counter(rows[:, 0].astype(int).tolist())
    # The first frames only confirm tracks.
    return float(np.mean([counts[frame] for frame in range(6, round(SECONDS * RATE) + 1)]))


def test_tiles_follow_people_whom_the_whole_image_loses(wall: Path, pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    plain, tiled = (people_a_frame(wall, camera, tmp_path) for camera in ("plain", "tiled"))
    assert tiled > 10
    assert tiled > 1.7 * plain
