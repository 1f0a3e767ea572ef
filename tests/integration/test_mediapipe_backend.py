"""`pose.backend: mediapipe` from the command line, with the extra and without it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """mqtt: {{enabled: false}}
pose:
  backend: {backend}
cameras: {{door: {{url: rtsp://127.0.0.1/x}}}}
"""
INSTALLED = importlib.util.find_spec("mediapipe") is not None
HELP = "pip install 'posewatch[mediapipe]'"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "posewatch.yaml"
    path.write_text(CONFIG.format(backend="mediapipe"))
    return path


def posewatch(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    return subprocess.run(
        [sys.executable, "-m", "daemon.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )


def commands(config: Path) -> list[list[str]]:
    return [
        ["check", "-c", str(config)],
        ["run", "-c", str(config)],
        ["replay", "clip.mp4", "-c", str(config)],
    ]


@pytest.mark.skipif(INSTALLED, reason="mediapipe is installed here")
@pytest.mark.parametrize("number", range(3))
def test_without_the_extra_one_line_says_what_to_install(config: Path, number: int) -> None:
    done = posewatch(*commands(config)[number])
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == f"posewatch: {config}:2: pose: the backend mediapipe is not installed: {HELP}"
    assert done.stdout == ""


def test_a_version_with_telemetry_is_refused_before_it_is_loaded(config: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"  # found first, like a newer wheel would be
    (site / "mediapipe-0.10.33.dist-info").mkdir(parents=True)
    (site / "mediapipe-0.10.33.dist-info" / "METADATA").write_text("Name: mediapipe\nVersion: 0.10.33\n")
    (site / "mediapipe").mkdir()
    (site / "mediapipe" / "__init__.py").write_text("print('loaded')")
    done = posewatch("check", "-c", str(config), path=site)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "mediapipe 0.10.33 is installed" in line
    assert line.endswith(HELP)
    assert done.stdout == ""


def test_an_onnx_file_goes_with_the_onnx_backend_only(config: Path, tmp_path: Path) -> None:
    (tmp_path / "pose.onnx").touch()
    config.write_text(
        config.read_text().replace("backend: mediapipe", "backend: mediapipe\n  model: pose.onnx")
    )
    done = posewatch("check", "-c", str(config))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"{config}:4: pose.model: must be auto, full, lite, heavy where the backend is mediapipe" in line


@pytest.mark.skipif(not INSTALLED, reason=f"mediapipe is not installed: {HELP}")
def test_the_list_of_models_claims_no_onnx_pose_for_it(config: Path) -> None:
    done = posewatch("models", "list", "-c", str(config), "--json")
    used = {row["name"]: row["in_use"] for row in json.loads(done.stdout)}
    assert used["detector"] == used["actions"] == ["door"]
    assert used["pose_full"] == []


@pytest.mark.skipif(not INSTALLED, reason=f"mediapipe is not installed: {HELP}")
@pytest.mark.slow
def test_replay_reads_the_same_people_with_both_backends(
    config: Path, tmp_path: Path, street: Path, pose_model: Path
) -> None:
    assert pose_model.is_file()
    rows = {}
    for backend in ("onnx", "mediapipe"):
        config.write_text(CONFIG.format(backend=backend))
        folder = tmp_path / backend
        done = posewatch(
            "replay", str(street), "-c", str(config), "--seconds", "4", "--landmarks", str(folder)
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        rows[backend] = sum(len(take.read_text().splitlines()) - 1 for take in folder.rglob("*.txt"))
    assert rows["onnx"] > 60
    assert rows["mediapipe"] == pytest.approx(rows["onnx"], rel=0.1)
