"""`posewatch demo` from start to end, as somebody meets it who has just installed posewatch."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import pytest
from servers import wait_for


def demo(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "daemon.cli", "demo", *map(str, arguments)]


def ports(text: str) -> list[int]:
    """Of the camera and of the broker, as the demo says them."""
    return [int(port) for port in re.findall(r"(?:rtsp|mqtt)://127\.0\.0\.1:(\d+)", text)]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_demo_ends_by_itself_with_a_summary_and_a_video(
    footage: Path, pose_model: Path, tmp_path: Path
) -> None:
    assert pose_model.is_file()
    out = tmp_path / "new" / "demo.mp4"
    started = time.monotonic()
    done = subprocess.run(
        demo("--source", footage, "--seconds", 16, "--out", out), capture_output=True, text=True, timeout=180
    )
    seconds = time.monotonic() - started
    text = done.stdout
    assert done.returncode == 0, text + done.stderr
    assert 10 < seconds < 90
    assert done.stderr == ""
    assert re.search(r"posewatch +is online", text)
    assert re.search(r"street +camera is streaming", text)
    assert re.search(r"street +person 1 appeared", text)
    assert len(re.findall(r"posewatch +is offline", text)) == 1  # at the end: the broker takes the pictures
    summary = dict(re.findall(r"^  (\w+) +(.+)$", text.partition("\nSummary\n")[2], re.MULTILINE))
    assert list(summary) == ["people", "speed", "messages", "actions", "alerts", "video"]
    assert int(summary["people"]) >= 3
    processed, received = map(float, re.findall(r"(\d+\.\d) of (\d+\.\d) frames/s", summary["speed"])[0])
    assert 0.5 < processed <= received + 0.5 <= 11.0  # the footage has 10 frames a second
    assert int(re.findall(r"events (\d+)", summary["messages"])[0]) >= 6
    assert summary["video"].startswith(str(out))
    with av.open(str(out)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames >= 40
    assert [port for port in ports(text) if answers(port)] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process(
    number: signal.Signals, footage: Path, pose_model: Path, tmp_path: Path
) -> None:
    assert pose_model.is_file()
    command = demo("--source", footage, "--out", tmp_path / "demo.mp4")
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        output = process.stdout
        reader = threading.Thread(target=lambda: lines.extend(iter(output.readline, "")))
        reader.start()
        wait_for(lambda: any("is online" in line for line in list(lines)), 60.0, "the daemon's start")
        process.send_signal(number)
        assert process.wait(30) == 130
        reader.join(10)
        assert process.stderr.read() == ""
    used = ports("".join(lines))
    assert len(used) == 2
    assert [port for port in used if answers(port)] == []
    assert not (tmp_path / "demo.mp4").exists()


def test_a_source_that_is_no_video_is_one_line(pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    source = tmp_path / "notes.txt"
    source.write_text("no video\n")
    done = subprocess.run(
        demo("--source", source, "--out", tmp_path / "demo.mp4"), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "notes.txt" in line
    assert "--source" in line
