"""Unit costs measured with the real pipeline on a real file."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers import write_clip

from daemon.config import CameraConfig
from daemon.planning.measuring import measure_costs
from daemon.planning.model import Demand, cameras_on
from daemon.planning.own_time import own_seconds
from daemon.source_types import CaptureError


def test_unit_costs_of_this_machine(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", seconds=4.0, rate=5)
    said: list[str] = []
    demand = Demand(1, 5.0, 0.0, 320, 240)
    costs = measure_costs(clip, demand, CameraConfig(url="clip"), cores=2, seconds=1.0, progress=said.append)
    assert costs.people == 0.0
    assert costs.person == 0.0
    assert {"h264", "hevc"} == set(costs.decoding)
    assert all(0.0 < value < 1000.0 for value in costs.decoding.values())
    assert costs.detection > 0.0
    assert 0.0 < costs.detections <= 5.0
    assert costs.frame > 0.0
    assert 0.0 < costs.together <= 1.0
    assert costs.python is None or costs.python > 0.0
    assert 0.0 <= costs.disturbed < 1.0
    assert costs.pose["full"] > 0.0
    assert cameras_on(costs, demand, 1) > 0.0
    assert said[0] == "coding the clip"


def test_a_clip_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"nothing")
    with pytest.raises(CaptureError, match=r"clip\.mp4"):
        measure_costs(
            path,
            Demand(1, 5.0, 0.0, 320, 240),
            CameraConfig(url="clip"),
            cores=1,
            seconds=1.0,
            progress=print,
        )


def test_own_seconds_pass_only_while_the_thread_could_have_worked() -> None:
    before = own_seconds()
    total = sum(range(200_000))
    assert total
    assert own_seconds() > before
