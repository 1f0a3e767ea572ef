"""`posewatch train` from recordings to a model that the daemon can use."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from classifier.model import ActionModel
from classifier.recording import Recording, write_recording

RATE, SECONDS = 25.0, 6.0
# Left shoulder, elbow, wrist, hip, knee, ankle, heel, toes: x to the person's left and y down, hips at 0.
_LEFT = {
    **{11: (0.12, -0.3), 13: (0.16, -0.14), 15: (0.17, 0.02), 23: (0.08, 0.0)},
    **{25: (0.09, 0.25), 27: (0.09, 0.48), 29: (0.09, 0.51), 31: (0.12, 0.53)},
}


def train(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon.cli", "train", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=230)


def take(label: str, seed: int) -> Recording:
    """A person who stands, or who waves with the right arm, a little different every time."""
    random = np.random.default_rng(seed)
    times = np.arange(round(SECONDS * RATE)) / RATE
    body = np.zeros((33, 4), np.float32)
    body[:, 3] = 0.95
    body[:11, :2] = (0.0, -0.42)
    for left, (x, y) in _LEFT.items():
        body[left, :2], body[left + 1, :2] = (x, y), (-x, y)
    body[[17, 19, 21]], body[[18, 20, 22]] = body[15], body[16]
    poses = np.repeat(body[None], len(times), axis=0)
    if label == "waving":
        swing = 0.12 * np.sin(2 * np.pi * 1.5 * times + random.uniform(0, 6))
        for landmark in (16, 18, 20, 22):
            poses[:, landmark, 0] = -0.2 + swing
            poses[:, landmark, 1] = -0.55
        poses[:, 14, :2] = (-0.2, -0.35)
    poses[..., :2] += random.normal(0, 0.004, poses[..., :2].shape)
    poses[..., :2] = poses[..., :2] * random.uniform(0.3, 0.6) + random.uniform(0.4, 0.6, 2)
    return Recording(label, np.arange(len(times)), poses.astype(np.float32), rate=RATE, width=480, height=480)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("matplotlib") is None:
        pytest.skip("training needs the extra `train`")
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(6):
        for label in ("standing", "waving"):
            write_recording(folder / f"person-{number}" / f"{label.upper()}.txt", take(label, number))
    return folder


def test_training_ends_with_a_model_its_card_and_its_scores(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "mine.onnx"
    done = train(recordings, "--out", out, "--epochs", 3, "--seed", 4)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.parent.iterdir()} == {"mine.onnx", "mine.md", "mine.png"}
    passes = [line for line in done.stderr.splitlines() if "epoch" in line]
    assert len(passes) == 6 * 3  # five folds, and once more on everything
    assert passes[0].startswith("fold 1/5 epoch 1/3 loss ")
    assert passes[-1].startswith("all takes epoch 3/3 loss ")
    assert "5 folds by group" in done.stdout
    truth = next(line for line in done.stdout.splitlines() if line.startswith("truth"))
    assert truth.split()[:3] == ["truth", "standin", "waving"]
    for label in ("standing", "waving"):
        row = next(line for line in done.stdout.splitlines() if line.startswith(label))
        assert float(row.split()[-1]) > 0.8, done.stdout  # F1 of people who were not trained on
    assert str(out) in done.stdout
    model = ActionModel(out)
    assert model.labels == ("standing", "waving")


def test_takes_without_a_label_are_named(recordings: Path, tmp_path: Path) -> None:
    assert recordings.is_dir()
    write_recording(tmp_path / "clip-3" / "UNLABELLED.txt", take("", 1))
    done = train(tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "clip-3/UNLABELLED.txt" in line
    assert "LABEL.txt" in line


def test_too_little_to_train_on_is_one_line(recordings: Path, tmp_path: Path) -> None:
    assert recordings.is_dir()
    write_recording(tmp_path / "WALKING.txt", take("", 1))
    done = train(tmp_path, "--out", tmp_path / "mine.onnx")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("posewatch: ")
    assert "only the label walking" in line
    assert not (tmp_path / "mine.onnx").exists()
