"""`posewatch train-detector` from labelled images to a model that the detector loads."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker.detector import Detector


def train_detector(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon.cli", "train-detector", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=230)


def needs_torch() -> None:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("matplotlib") is None:
        pytest.skip("training needs the extra `train`")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Five scenes, each with one box."""
    random = np.random.default_rng(5)
    (tmp_path / "data/hall/images").mkdir(parents=True)
    (tmp_path / "data/hall/labels").mkdir()
    for scene in range(5):
        picture = cv2.resize(random.integers(0, 255, (6, 7, 3)).astype(np.uint8), (140, 120))
        cv2.imwrite(str(tmp_path / f"data/hall/images/{scene}.jpg"), picture)
        (tmp_path / f"data/hall/labels/{scene}.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    return tmp_path / "data"


@pytest.mark.slow
def test_a_short_run_writes_model_figures_curves_and_log(images, tmp_path):
    needs_torch()
    out = tmp_path / "made" / "person.onnx"

    done = train_detector(images, "--out", out, "--epochs", 1, "--rate", 1e-5, "--threads", 1)

    assert done.returncode == 0, done.stderr
    assert Detector(out).input_size == (416, 416)
    history = json.loads(out.with_suffix(".json").read_text())["history"]
    assert [entry["epoch"] for entry in history] == [0, 1]
    assert set(history[0]["metrics"]) == {"hall", "all"}
    assert cv2.imread(str(out.with_suffix(".png"))) is not None
    assert "epoch=1" in out.with_suffix(".log").read_text()
    assert str(out) in done.stdout
    assert not list(out.parent.glob("*.part"))


@pytest.mark.parametrize(
    ("label", "words"),
    [("0 0.5 0.5 0.25", "0.txt:1: expected `class cx cy w h`"), ("7 0.5 0.5 0.2 0.2", "0.txt:1: class 7")],
)
def test_a_wrong_label_is_named_with_its_line(images, tmp_path, label, words):
    needs_torch()
    (images / "hall/labels/0.txt").write_text(label)

    done = train_detector(images, "--out", tmp_path / "person.onnx")

    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "person.onnx").exists()


def test_missing_data_is_reported_in_one_line(tmp_path):
    needs_torch()

    done = train_detector(tmp_path / "nothing", "--out", tmp_path / "person.onnx")

    assert done.returncode == 2
    assert "no images: expected" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_start_must_be_a_yolox_nano(images, tmp_path):
    needs_torch()
    (tmp_path / "start.onnx").write_bytes(b"nothing")

    done = train_detector(images, "--start", tmp_path / "start.onnx", "--out", tmp_path / "person.onnx")

    assert done.returncode == 2
    assert "start.onnx: cannot be read as ONNX" in done.stderr.splitlines()[-1]
