"""The command line: help, exit statuses, one line an error, and what it does not load."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.capture import CaptureError, Reason
from daemon.cli import main
from daemon.config import ConfigError
from daemon.errors import UsageError, exit_status
from tracker.runtime import ModelError

COMMANDS = ("run", "check", "replay", "models", "train", "benchmark", "demo")
GOOD = "cameras: {door: {url: rtsp://127.0.0.1/x}}\n"


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def needs_training() -> None:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("matplotlib") is None:
        pytest.skip("training needs the extra `train`")


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "posewatch.yaml"
    path.write_text(GOOD)
    return str(path)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"example:\n  posewatch {command}" in text


def test_the_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    listed = capsys.readouterr().out
    assert [command for command in COMMANDS if f"\n    {command}" not in listed] == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["run"],
        ["replay", "clip.mp4"],
        ["replay", "clip.mp4", "-c", "x.yaml", "--seconds", "0"],
        ["replay", "clip.mp4", "-c", "x.yaml", "--seconds", "nan"],
        ["benchmark", "--frames", "-3"],
        ["train", "DIR", "--epochs", "some"],
        ["demo", "--seconds", "forever"],
    ],
)
def test_wrong_usage_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: posewatch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["check", "-c", "missing.yaml"], 2, "missing.yaml: no such file"),
        (["run", "-c", "missing.yaml"], 2, "missing.yaml: no such file"),
        (["replay", "clip.mp4", "-c", "missing.yaml"], 2, "missing.yaml: no such file"),
        (["replay", "missing.mp4", "-c", "{config}"], 1, "missing.mp4: no such file"),
        (["replay", "a.mp4", "-c", "{config}", "--camera", "attic"], 2, "--camera attic: not in the conf"),
        (["replay", "a.mp4", "x/a.mp4", "-c", "{config}", "--landmarks", "l"], 2, "two clips are called a"),
        (["replay", "a.mp4", "b.mp4", "-c", "{config}", "--tracks", "t.txt"], 2, "must be a folder"),
        (["replay", "a.mp4", "-c", "{config}", "--annotate", "."], 2, "is a folder"),
        (["benchmark", "missing.mp4", "--measure", "0", "--workers", "1"], 1, "missing.mp4: no such file"),
        (["demo", "--source", "missing.mp4"], 1, "missing.mp4: no such file"),
        (["train", "missing", "--out", "model.pt"], 2, ".onnx"),
    ],
)
def test_an_error_is_one_line_and_a_status(arguments, status, says, config, tmp_path, monkeypatch, capsys):
    if arguments[0] == "train":
        needs_training()
    monkeypatch.chdir(tmp_path)
    assert main([part.format(config=config) for part in arguments]) == status
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("posewatch: ")
    assert says in line
    assert captured.out == ""


def test_check_says_what_it_read(config, capsys):
    assert main(["check", "-c", config]) == 0
    assert "ok, 1 camera" in capsys.readouterr().out


def test_check_shows_how_a_camera_is_looked_at(tmp_path, capsys):
    path = tmp_path / "tiles.yaml"
    path.write_text(
        "cameras:\n  yard: {url: rtsp://h/x, detect: {tiles: 2x1, size: 640}}\n  door: {url: rtsp://h/y}\n"
    )
    assert main(["check", "-c", str(path)]) == 0
    _, yard, door = capsys.readouterr().out.splitlines()
    assert "size: 640  tiles: 2x1" in yard
    assert "size" not in door
    assert "tiles" not in door


def test_check_says_which_rules_do_not_watch_at_a_camera_and_which_can_say_nothing(tmp_path, capsys):
    path = tmp_path / "rules.yaml"
    path.write_text(
        "rules:\n  lying: {type: lying, zones: [floor]}\n  sits: {type: action, actions: [siting]}\n"
        "  gate: {type: loitering, cameras: [yard]}\n  old: {type: fall, enabled: false}\n"
        "cameras:\n  yard: {url: rtsp://h/x, rules: {sits: {enabled: false}}}\n"
        "  hall: {url: rtsp://h/y, zones: {floor: {points: [[0, 0], [1, 0], [1, 1]]}}}\n"
    )
    assert main(["check", "-c", str(path)]) == 0
    _, yard, not_in_the_yard, hall, not_in_the_hall, warning = capsys.readouterr().out.splitlines()
    assert yard.endswith("rules: gate")
    assert not_in_the_yard.endswith(": lying")
    assert hall.endswith("rules: lying, sits")
    assert not_in_the_hall.endswith(": gate")
    assert "warning: rule sits: the action model knows no 'siting'; it knows standing" in warning


def test_every_mistake_of_a_configuration_is_a_line(tmp_path, capsys):
    path = tmp_path / "bad.yaml"
    path.write_text("cameras:\n  door: {urll: rtsp://127.0.0.1/x}\n  attic: {url: rtsp://h/x, fps: 0}\n")
    assert main(["check", "-c", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert any(f"{path}:2" in line and 'did you mean "url"' in line for line in lines)
    assert any(f"{path}:3" in line and "fps" in line for line in lines)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("x"), 2),
        (ConfigError(["x"]), 2),
        (ModelError("x"), 2),
        (CaptureError(Reason.NOT_FOUND, "x"), 1),
        (FileNotFoundError("x"), 1),
        (ZeroDivisionError("a bug"), None),
    ],
)
def test_statuses(error, status):
    assert exit_status(error) == status


def test_training_without_torch_says_what_to_install(tmp_path):
    done = python(
        "import sys; sys.modules['torch'] = sys.modules['matplotlib'] = None; from daemon.cli import main; "
        f"sys.exit(main(['train', {str(tmp_path)!r}]))"
    )
    assert done.returncode == 2
    assert done.stderr == "posewatch: training needs torch and matplotlib: pip install 'posewatch[train]'\n"


def test_the_daemon_loads_no_training_framework():
    done = python("import sys, daemon.service, daemon.replay; print(*sys.modules)")
    loaded = set(done.stdout.split())
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "tensorflow", "mediapipe", "ultralytics", "matplotlib", "onnx", "tflite"}


def test_help_is_quick_because_it_loads_nothing_heavy():
    done = python(
        "import sys\nfrom daemon.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: print('loaded:', *sys.modules)"
    )
    loaded = set(done.stdout.partition("loaded:")[2].split())
    assert "daemon.cli" in loaded
    assert not loaded & {"numpy", "cv2", "av", "onnxruntime", "pydantic", "paho", "torch"}
