"""`posewatch train` from recordings to a model that the daemon can use."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from takes import take

from classifier.model import ActionModel
from classifier.recording import write_recording


def train(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon.cli", "train", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=230)


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


def test_one_take_of_each_label_of_one_person_will_do_and_the_card_says_so(
    recordings: Path, tmp_path: Path
) -> None:
    assert recordings.is_dir()
    for label in ("left_wave", "right_wave", "standing"):
        write_recording(tmp_path / "me" / f"{label.upper()}.txt", take(label, 1, seconds=12.0))
    out = tmp_path / "mine.onnx"
    done = train(tmp_path / "me", "--out", out, "--epochs", 8, "--folds", 2)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("ONE PERSON ONLY")
    card = out.with_suffix(".md").read_text()
    assert "**ONE PERSON ONLY" in card
    assert "ONE TAKE ONLY: standing, left_wave, right_wave" in card
    for label in ("left_wave", "right_wave", "standing"):  # told apart although each is mirrored
        row = next(line for line in done.stdout.splitlines() if line.startswith(label))
        assert float(row.split()[-1]) > 0.9, done.stdout


def test_a_lone_side_is_not_mirrored_into_itself(recordings: Path, tmp_path: Path) -> None:
    assert recordings.is_dir()
    for number in range(2):
        for label in ("left_wave", "standing"):
            write_recording(tmp_path / f"p{number}" / f"{label.upper()}.txt", take(label, number))
    done = train(tmp_path, "--out", tmp_path / "mine.onnx", "--epochs", 1)
    assert done.returncode == 0, done.stderr
    assert "not mirrored, as there is no label for the other side: left_wave" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--augment", "twist=1"), "augmentation twist: choose of"),
        (("--augment", "yaw=90"), "yaw=90: must be within 0..60"),
        (("--augment", "yaw"), "yaw: give a name and a number"),
        (("--swap", "standing"), "standing: give two labels"),
        (("--out", "mine.pt"), "end its name with .onnx"),
        (("--folds", "-1"), "must be a whole number"),
    ],
)
def test_wrong_arguments_are_told(recordings: Path, arguments: tuple[str, ...], what: str) -> None:
    done = train(recordings, *arguments)
    assert done.returncode == 2
    assert what in done.stderr.splitlines()[-1]


def test_a_swap_of_a_label_that_is_not_there_writes_nothing(recordings: Path, tmp_path: Path) -> None:
    done = train(recordings, "--out", tmp_path / "mine.onnx", "--swap", "waving=nodding")
    assert done.returncode == 1
    assert "no label nodding: there are standing, waving" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
