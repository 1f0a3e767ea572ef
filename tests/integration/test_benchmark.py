"""`posewatch benchmark`: figures that fit together, of the clip it was given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FRAMES = 15


def benchmark(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon.cli", "benchmark", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


def test_one_worker_and_two(street: Path, pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    target = tmp_path / "figures.json"
    done = benchmark(
        street, "--frames", FRAMES, "--workers", 2, "--parts", "runs,detectors", "--json", target
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(target.read_text())
    one, two = figures["runs"]
    assert figures["clip"] == "street.mp4"
    assert (one["workers"], one["frames"]) == (1, FRAMES)
    assert (two["workers"], two["frames"]) == (2, 2 * FRAMES)
    for run in (one, two):
        assert (run["width"], run["height"]) == (768, 576)
        stages = ["read", "tamper", "detect", "track", "pose", "action", "fight", "report"]
        assert list(run["stages"]) == stages
        assert min(run["stages"].values()) > 0
        assert run["frames_per_second"] == pytest.approx(run["frames"] / run["seconds"])
        assert 2 < run["people"] < 9
        assert run["rss"] > 50e6
        # Networks are loaded and the first frame is processed, which is more than a frame's time.
        assert run["start_up"] > sum(run["stages"].values()) / 1000
    # With one worker the stages are where the time goes; counting people is all the rest.
    assert sum(one["stages"].values()) * FRAMES / 1000 == pytest.approx(one["seconds"], rel=0.15)
    assert two["rss"] > one["rss"]  # networks of its own for each worker
    assert f"{one['frames_per_second']:.1f} frames/s" in done.stdout
    assert "start-up" in done.stdout
    check_detectors(figures["detectors"], done.stdout)


def check_detectors(detectors: list[dict[str, Any]], report: str) -> None:
    cost = {each["setting"]: each for each in detectors}
    assert list(cost) == ["default", "size 320", "size 640", "tiles 2x1", "tiles 2x2"]
    # Processor time goes with the pixels that are looked at: 0.6, 2.4, and 1 for each tile.
    ratios = [each["ratio"] for each in detectors]
    assert ratios[0] == 1.0
    for ratio, expected in zip(ratios[1:], (0.6, 2.4, 3.0, 5.0), strict=True):
        assert expected / 1.5 < ratio < expected * 1.5
    assert all(each["milliseconds"] > 1 for each in detectors)
    people = {setting: each["people"] for setting, each in cost.items()}
    assert 2 < people["default"] < 9
    assert people["size 320"] <= people["default"] <= people["tiles 2x2"]
    for each in detectors:
        assert f"{each['setting']:<10} {each['milliseconds']:6.1f} ms" in report


def test_json_on_stdout_is_nothing_but_json(street: Path, pose_model: Path) -> None:
    assert pose_model.is_file()
    done = benchmark(street, "--frames", 2, "--workers", 1, "--parts", "runs", "--json", "-")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert [run["workers"] for run in figures["runs"]] == [1]
    assert (figures["detectors"], figures["ratios"]) == ([], {})  # parts that nobody asked for
    assert "one worker" in done.stderr


def test_a_broken_clip_is_one_line(pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    clip = tmp_path / "broken.mp4"
    clip.write_bytes(b"no video")
    done = benchmark(clip)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("posewatch: ")
    assert "broken.mp4" in line


_INTERRUPTED = """
import signal, sys, threading
from daemon.benchmarking.networks import make_networks
from daemon.benchmarking.scenario import Scenario
from daemon.config import CameraConfig

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background begins with it ignored
scenario = Scenario(sys.argv[1], CameraConfig(url=sys.argv[1]), make_networks(2))
main = threading.main_thread().ident

def interrupt():
    looked = threading.Event()
    while scenario.size == (0, 0):
        looked.wait(0.01)  # and leaves the others Python's lock meanwhile
    signal.pthread_kill(main, signal.SIGINT)

other = threading.Thread(target=interrupt)
other.start()
try:
    scenario.run(100_000)
except KeyboardInterrupt:
    other.join()
    print(threading.active_count(), flush=True)
"""


def test_nobody_is_left_at_work_after_an_interrupt(street: Path, pose_model: Path) -> None:
    # Threads that are within a network when the process ends abort it.
    assert pose_model.is_file()
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, str(street)], capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_people_put_into_view_cost_and_a_ratio_that_got_worse_is_told(
    street: Path, pose_model: Path, tmp_path: Path
) -> None:
    assert pose_model.is_file()
    target = tmp_path / "figures.json"
    committed = tmp_path / "committed.json"
    better = {"clip": "street.mp4", "cores": 2, "ratios": {"2 people to 0, time": 0.5}}
    committed.write_text(json.dumps(better))
    done = benchmark(
        *(street, "--workers", 1, "--parts", "people", "--people", "0,2,12", "--rounds", 1),
        *("--json", target, "--check", committed),
    )
    assert done.returncode == 1, done.stderr
    figures = json.loads(target.read_text())
    nobody, two = figures["people"]["0"], figures["people"]["2"]
    for name in ("defaults", "unhurried"):
        assert nobody[name]["people"] < 0.3
        assert 1.3 < two[name]["people"] < 2.5
        assert two[name]["stages"]["pose"] > 3 * nobody[name]["stages"]["pose"]
        low, median, high = two[name]["processor"]
        assert low <= median <= high
        assert sum(two[name]["stages"].values()) == pytest.approx(median, rel=0.2)
        assert f"{median:.1f}" in done.stdout
    ratio = figures["ratios"]["2 people to 0, time"]
    assert ratio > 1
    assert f"2 people to 0, time     0.500 -> {ratio:8.3f}" in done.stdout
    # Eight seconds of this street have no twelve people who keep apart.
    assert figures["scenes_missing"] == [12]
    assert "no scene with 12 people" in done.stdout


@pytest.mark.slow
def test_against_other_pipelines(street: Path, pose_model: Path, tmp_path: Path) -> None:
    """POSEWATCH_NAIVE=.venv-naive/bin/python, which `make benchmark` makes: it takes 6 GB."""
    python = os.environ.get("POSEWATCH_NAIVE")
    if python is None:
        pytest.skip("POSEWATCH_NAIVE names no Python with ultralytics and mediapipe")
    assert pose_model.is_file()
    target = tmp_path / "figures.json"
    relative = os.path.relpath(Path(python).absolute())
    done = benchmark(street, "--parts", "against", "--rounds", 1, "--against", relative, "--json", target)
    assert done.returncode == 0, done.stderr
    pipelines = json.loads(target.read_text())["against"]["pipelines"]
    assert {"defaults", "unhurried", "track_pose 1", "yolo_pose 1"} <= set(pipelines)
    assert list(pipelines["track_pose 1"]["stages"]) == ["read", "detect", "pose"]
    # The same people are read, or as many as real weights find.
    assert pipelines["track_pose 1"]["people"] == pytest.approx(pipelines["unhurried"]["people"], abs=1.5)
    assert "YOLO11n.track + mediapipe Pose, 1 process" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--against", sys.executable), "mediapipe; it needs"),
        (("--against", "/nowhere/python"), "does not run"),
        (("--check", "/nowhere.json"), "cannot be read"),
        (("--check", __file__), "cannot be read"),
        (("--json", "/nowhere/figures.json"), "no such folder"),
    ],
)
def test_what_is_missing_is_one_line_before_the_work(
    street: Path, arguments: tuple[str, str], told: str
) -> None:
    done = benchmark(street, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"posewatch: {arguments[0]} {arguments[1]}: ")
    assert told in line


def test_figures_of_another_clip_are_told_before_the_work(street: Path, tmp_path: Path) -> None:
    committed = tmp_path / "committed.json"
    committed.write_text(json.dumps({"clip": "corridor.mp4", "cores": 2, "ratios": {}}))
    done = benchmark(street, "--check", committed)
    assert (done.returncode, done.stdout) == (2, "")
    told = f"posewatch: --check {committed}: its figures are of corridor.mp4, not of street.mp4\n"
    assert done.stderr == told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--fps", 5), "--fps: with --plan only"),
        (("--codec", "hevc"), "--codec: with --plan only"),
        (("--plan", "--check", "old.json"), "--check: not with --plan"),
        (("--plan", "--parts", "runs"), "--parts: not with --plan"),
        (("--parts", "runs,against"), "--parts against: --against says which Python has the others"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(arguments: tuple[object, ...], told: str) -> None:
    done = benchmark(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"posewatch: {told}\n")
