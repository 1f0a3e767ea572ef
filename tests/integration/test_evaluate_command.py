"""From recordings over `train` and `evaluate` to `replay` with the trained model."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from takes import take

from classifier.model import ActionModel
from classifier.recording import write_recording

LABELS = ("standing", "waving")


def posewatch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=230)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of people whom no model here has seen; one does what no model was taught, one row is bad."""
    folder = tmp_path_factory.mktemp("others")
    for number in (20, 21):
        for label in LABELS:
            write_recording(folder / f"person-{number}" / f"{label.upper()}.txt", take(label, number))
    write_recording(folder / "person-20" / "SPINNING.txt", take("spinning", 20))
    path = folder / "person-21" / "WAVING.txt"
    lines = path.read_text().splitlines()
    lines[7] = "6,what is this"
    path.write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of each recipe."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("matplotlib") is None:
        pytest.skip("training needs the extra `train`")
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(3):
        for label in LABELS:
            write_recording(folder / f"person-{number}" / f"{label.upper()}.txt", take(label, number))
    made = {}
    for recipe, more in (("posewatch", ("--epochs", 6)), ("classic", ())):
        made[recipe] = folder.with_name(f"{folder.name}-models") / f"{recipe}.onnx"
        done = posewatch("train", folder, "--out", made[recipe], "--recipe", recipe, *more)
        assert done.returncode == 0, done.stderr
        assert "FEW PEOPLE: 3 groups" in done.stderr
        assert ("random split" in done.stdout) == (recipe == "classic")
    return made


def test_what_evaluate_tells(models: dict[str, Path], others: Path, tmp_path: Path) -> None:
    done = posewatch("evaluate", others, "--model", models["posewatch"], "--plots", tmp_path / "plots")
    assert done.returncode == 0, done.stderr
    assert "person-21/WAVING.txt:8:" in done.stderr  # the bad row
    lines = done.stdout.splitlines()
    assert "4 recordings of labels that it knows, 2 people" in lines[0]
    for label in LABELS:
        row = next(line for line in lines if line.startswith(label))
        assert float(row.split()[-1]) > 0.8, done.stdout
    assert any(line.startswith("worst people: person-2") for line in lines)
    [foreign] = [line for line in lines if "SPINNING.txt" in line]
    assert "spinning" in foreign
    assert "windows answered unknown" in foreign
    [plot] = (tmp_path / "plots").iterdir()
    assert plot.name == "posewatch_evaluation.png"
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_evaluate_as_json_says_the_same(models: dict[str, Path], others: Path) -> None:
    done = posewatch("evaluate", others, "--model", models["posewatch"], "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    confusion = np.array(found["confusion"])
    assert found["windows"] == confusion.sum() == sum(take["windows"] for take in found["recordings"])
    assert found["accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum())
    assert [take["name"] for take in found["foreign"]] == ["person-20/SPINNING.txt"]
    assert sum(found["foreign"][0]["answers"].values()) == pytest.approx(1.0)
    assert sum(count for *_, count in found["reliability"]) == found["windows"]


def test_a_model_of_the_classic_recipe_is_evaluated(models: dict[str, Path], others: Path) -> None:
    done = posewatch("evaluate", others, "--model", models["classic"], "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["labels"] == list(LABELS)
    model = ActionModel(models["classic"])
    assert (model.samples, round(model.samples / model.seconds)) == (10, 25)  # ten frames of these recordings


@pytest.mark.parametrize("recipe", ["posewatch", "classic"])
def test_a_trained_model_runs_in_the_daemon(
    recipe: str, models: dict[str, Path], street: Path, pose_model: Path, tmp_path: Path
) -> None:
    assert pose_model.is_file()
    config = tmp_path / "posewatch.yaml"
    config.write_text(
        "mqtt: {host: broker.invalid}\n"
        f"cameras: {{street: {{url: rtsp://camera.invalid/street, actions: {{model: {models[recipe]}, "
        "min_score: 0.0, confirm: 0s}}}\n"
    )
    events = tmp_path / "events.jsonl"
    done = posewatch("replay", street, "-c", config, "--events", events)
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in events.read_text().splitlines()]
    named = {json.loads(m["payload"])["action"] if isinstance(m["payload"], str) else m["payload"]["action"]
             for m in messages if m["topic"].endswith("/actions")}  # fmt: skip
    assert named, done.stderr
    assert named <= set(LABELS)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("nowhere",), "nowhere: no such folder"),
        ((".", "--model", "none.onnx"), "none.onnx: no such model file"),
        ((".",), "holds no recordings"),
    ],
)
def test_what_is_not_there_is_one_line_and_status_2(
    arguments: tuple[str, ...], what: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "daemon.cli", "evaluate", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert what in line


def test_help_shows_an_example() -> None:
    done = posewatch("evaluate", "--help")
    assert done.returncode == 0
    assert "posewatch evaluate recordings-of-others --model actions.onnx" in done.stdout
