"""`performance.provider` and its neighbours: from the file to the models, and back to whoever asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnxruntime as ort
import pytest

from daemon.cli import main
from daemon.config import Config, PerformanceConfig
from daemon.providers import session_pool, told
from daemon.reload import engines_for

CONFIG = "mqtt: {{enabled: false}}\nperformance: {{{}}}\ncameras: {{door: {{url: rtsp://127.0.0.1/x}}}}\n"
needs_no_cuda = pytest.mark.skipif(
    "CUDAExecutionProvider" in ort.get_available_providers(), reason="this build has CUDA"
)


def config_file(folder: Path, performance: str) -> Path:
    path = folder / "posewatch.yaml"
    path.write_text(CONFIG.format(performance))
    return path


@needs_no_cuda
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_provider_that_is_not_there_is_one_line_and_status_2(tmp_path, capsys, command):
    path = config_file(tmp_path, "provider: cuda")
    assert main([command, "-c", str(path)]) == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert out == ""
    assert line.startswith(f"posewatch: {path}:2: performance: cuda is not installed: ")
    assert "onnxruntime-gpu" in line


@needs_no_cuda
def test_with_fallback_check_warns_and_says_what_runs_the_models(tmp_path, capsys, pose_model):
    assert pose_model.is_file()
    assert main(["check", "-c", str(config_file(tmp_path, "provider: cuda, fallback: true"))]) == 0
    first, warning, _ = capsys.readouterr().out.splitlines()
    assert first.endswith("models run by cpu")
    assert warning.startswith("  warning: the CPU runs the models: cuda is not installed")


def test_a_precision_without_a_provider_for_it_is_refused(tmp_path, capsys):
    assert main(["check", "-c", str(config_file(tmp_path, "precision: bf16"))]) == 2
    assert "cpu has no precision bf16: use fp32" in capsys.readouterr().err


@needs_no_cuda
def test_the_log_says_that_the_cpu_takes_over(caplog, pose_model):
    pool = session_pool(PerformanceConfig(provider="cuda", fallback=True))
    pool(pose_model)
    (record,) = caplog.records
    assert record.getMessage().startswith("provider_fallback provider=cpu reason=")
    assert "cuda is not installed" in record.getMessage()


def test_workers_share_the_models_and_go_on_with_them_until_something_else_is_to_run_them(pose_model):
    assert pose_model.is_file()
    cameras = {"door": {"url": "rtsp://10.0.0.1/"}}
    config = Config.model_validate({"cameras": cameras})
    first, second = engines_for(config, [], 2)
    settings = config.cameras["door"]
    assert first.detector(settings.detect) is not second.detector(settings.detect)
    assert first.detector(settings.detect)._session is second.detector(settings.detect)._session  # type: ignore[union-attr]
    assert engines_for(config, [first, second], 3)[:2] == [first, second]
    other = Config.model_validate({"cameras": cameras, "performance": {"batching": True}})
    assert not {first, second} & set(engines_for(other, [first, second], 2))
    assert first.run_by(settings, fights=True) == dict.fromkeys(
        ("detector", "pose", "actions", "fights"), "cpu"
    )


def test_people_read_one_word_where_everything_is_the_same():
    assert told({"detector": "cpu", "pose": "cpu"}) == "cpu"
    mixed = told({"detector": "openvino CPU bf16", "pose": "mediapipe"})
    assert mixed == "detector: openvino CPU bf16, pose: mediapipe"


def test_opencv_takes_one_thread():
    code = (
        "from daemon.cli import _limit_library_threads as limit; limit(); import cv2; "
        "print(cv2.getNumThreads())"
    )
    plain = {key: value for key, value in os.environ.items() if key != "OPENCV_FOR_THREADS_NUM"}
    done = subprocess.run([sys.executable, "-c", code], env=plain, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
