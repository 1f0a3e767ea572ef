"""`performance.provider: openvino`, really: in the environment whose Python $POSEWATCH_OPENVINO names.

    python -m venv /tmp/openvino && /tmp/openvino/bin/pip install onnxruntime-openvino
    POSEWATCH_OPENVINO=/tmp/openvino/bin/python pytest tests/integration/test_openvino.py

Everything but ONNX Runtime comes from the environment of these tests.
"""

from __future__ import annotations

import json
import os
import site
import subprocess
from pathlib import Path

import pytest
from connections import UNAVAILABLE, contacts, traced

PYTHON = os.environ.get("POSEWATCH_OPENVINO", "")
ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not PYTHON, reason="POSEWATCH_OPENVINO names no Python with OpenVINO")

# Behind its own packages come ours; before all of them the sources.
START = "import runpy, sys; path, module = sys.argv[1:3]; sys.path += path.split(':'); "
COMMAND = START + "sys.argv[:] = sys.argv[2:]; runpy.run_module(module, run_name='__main__', alter_sys=True)"
COMPARE = START + (
    """
import json
import numpy as np
from tracker.detector import Detector
from tracker.pose import PoseEstimator, Roi
from tracker.runtime import Provider, SessionPool
pool = SessionPool(Provider("openvino", precision=module))
image = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
image = np.repeat(np.repeat(image[::40, ::40], 40, axis=0), 40, axis=1)
rois = [Roi(200.0 + 30 * number, 240.0, 300.0) for number in range(3)]
ways = [{}, {"open_session": pool}]
boxes = [Detector(score=0.0, max_detections=20, **way).detect(image).boxes for way in ways]
poses = [np.stack([one.landmarks for one in PoseEstimator(**way).estimate(image, rois)]) for way in ways]
spans = [np.stack([one.world for one in PoseEstimator(**way).estimate(image, rois)]) for way in ways]
print(json.dumps({
    "same_boxes": len(boxes[0]) == len(boxes[1]) and float(np.abs(boxes[0] - boxes[1]).max()),
    "landmarks": float(np.abs(poses[0] - poses[1])[..., :2].max()),
    "world": float(np.abs(spans[0] - spans[1]).max()),
    "run_by": pool.run_by,
}))
"""
)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def started(code: str, *arguments: str) -> list[str]:
    return [PYTHON, "-c", code, ":".join(site.getsitepackages()), *arguments]


def config_file(folder: Path, performance: str) -> Path:
    path = folder / "posewatch.yaml"
    path.write_text(
        f"mqtt: {{enabled: false}}\nperformance: {{{performance}}}\n"
        "cameras: {door: {url: rtsp://127.0.0.1/x}}\n"
    )
    return path


def check(folder: Path, performance: str) -> subprocess.CompletedProcess[str]:
    command = started(COMMAND, "daemon.cli", "check", "-c", str(config_file(folder, performance)))
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=200)


@pytest.mark.usefixtures("pose_model")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_it_finds_is_what_the_cpu_finds(precision: str) -> None:
    done = subprocess.run(
        started(COMPARE, precision), env=environment(), capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["run_by"] == f"openvino CPU {precision}"
    if precision == "fp32":
        assert found["same_boxes"] < 0.01  # px of 640x480
        assert found["landmarks"] < 0.05
        assert found["world"] < 0.001  # metres
    else:  # nobody is in the picture, so what bf16 costs on people is not seen here; it is another arithmetic
        assert found["landmarks"] > 0.05


@pytest.mark.usefixtures("pose_model")
def test_check_says_what_runs_the_models(tmp_path: Path) -> None:
    done = check(tmp_path, "provider: openvino, precision: bf16")
    assert done.returncode == 0, done.stderr
    assert "models run by detector: openvino CPU bf16, pose: openvino CPU bf16" in done.stdout
    assert done.stderr == ""


@pytest.mark.usefixtures("pose_model")
def test_a_device_that_is_not_there_is_one_line_or_the_cpu(tmp_path: Path) -> None:
    refused = check(tmp_path, "provider: openvino, device: GPU.7")
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.splitlines()[-1].startswith("posewatch: openvino: ")
    done = check(tmp_path, "provider: openvino, device: GPU.7, fallback: true")
    assert done.returncode == 0
    first, warning, *_ = done.stdout.splitlines()
    assert first.endswith("models run by cpu")
    assert warning.startswith("  warning: the CPU runs the models: openvino: ")


@pytest.mark.usefixtures("pose_model")
@pytest.mark.skipif(UNAVAILABLE is not None, reason=str(UNAVAILABLE))
def test_nobody_is_told(tmp_path: Path) -> None:
    path = config_file(tmp_path, "provider: openvino, precision: bf16")
    trace = tmp_path / "trace"
    command = started(COMMAND, "daemon.cli", "check", "-c", str(path))
    done = subprocess.run(traced(trace, command), env=environment(), capture_output=True, timeout=230)
    assert done.returncode == 0, done.stderr
    assert contacts(trace) == set()
