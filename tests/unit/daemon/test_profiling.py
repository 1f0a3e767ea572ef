"""Samples of the profiler are sorted into stages and kinds of code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

from profiling.stacks import largest, read_samples, shares  # noqa: E402
from profiling.svg import flame_graph  # noqa: E402

PIPELINE = """\
def process(self):
    with clock.stage("pose"):
        estimate()
        with clock.stage("media"):
            attach()
    return None
"""
FRAME = "profiled_frames (tests/benchmarks/profiling/drive.py:1);process (daemon/pipeline.py:{line});{rest}"
ORT, NUMPY = "0x7f (onnxruntime/capi/state.cpython-311.so)", "numpy/_core/_multiarray_umath.cpython-311.so"
CASES = [
    # line of the pipeline, what it calls, stage, kind
    (3, f"run (tracker/pose.py:9);{ORT}", "pose", "network"),
    (
        3,
        f"run (tracker/pose.py:9);{ORT};memcpy (libc.so.6)",
        "pose",
        "network",
    ),
    (5, "crop (tracker/pose.py:3);warp (cv2/cv2.abi3.so)", "media", "opencv"),
    (
        3,
        f"mean (numpy/_core/fromnumeric.py:8);add ({NUMPY})",
        "pose",
        "numpy",
    ),
    (3, "mean (numpy/_core/fromnumeric.py:8)", "pose", "python"),
    (3, "step (tracker/pose.py:4);dict_get (libpython3.11.so.1.0)", "pose", "python"),
    (3, "read (av/video/frame.pyx:4);sws_scale (libswscale-12.so.9)", "pose", "ffmpeg"),
    (6, "malloc (libc.so.6)", "between", "python"),
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "daemon").mkdir()
    (tmp_path / "daemon" / "pipeline.py").write_text(PIPELINE)
    return tmp_path


@pytest.mark.parametrize(("line", "rest", "stage", "kind"), CASES)
def test_a_sample_belongs_to_a_stage_and_a_library(
    source: Path, line: int, rest: str, stage: str, kind: str
) -> None:
    raw = source / "raw.txt"
    stack = "main (drive.py:1);" + FRAME.format(line=line, rest=rest)
    raw.write_text(f"{stack} 7\nimport_all (daemon/pipeline.py:3) 100\n")  # outside of the frame loop
    (sample,) = read_samples(raw, source)
    assert (sample.stage, sample.kind, sample.count) == (stage, kind, 7)


def test_shares_and_costs_add_up_and_are_drawn(source: Path) -> None:
    raw = source / "raw.txt"
    raw.write_text("".join(f"{FRAME.format(line=line, rest=rest)} 10\n" for line, rest, _, _ in CASES))
    samples = read_samples(raw, source)
    assert shares(samples)["pose"] == {"network": 20, "numpy": 10, "python": 20, "ffmpeg": 10}
    assert largest(samples)["pose", "network", "run (tracker/pose.py)"] == 20
    picture = flame_graph(samples, ["pose", "media", "between"], 80.0, "eight & more")
    assert "pose: 60.00 ms a frame, 75.0 %" in picture
    assert "eight &amp; more" in picture
    assert picture.count("<title>") == picture.count("</title>") > 10
