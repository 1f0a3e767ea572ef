"""The cost model: what cameras take, what a machine carries, and how that is said."""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import UsageError
from daemon.planning.command import add_arguments, run_plan
from daemon.planning.model import (
    USABLE,
    Demand,
    UnitCosts,
    cameras_on,
    cores_for,
    limit_of,
    parts_of,
    split_by_people,
)
from daemon.planning.text import figures_of, lines_of

COSTS = UnitCosts(
    decoding={"h264": 2.0, "hevc": 3.0},
    frame=1.0,
    detection=8.0,
    detections=4.0,
    person=1.5,
    camera=5.0,
    pose={"full": 5.0, "lite": 3.0},
    python=2.0,
    together=0.9,
    disturbed=0.02,
    cores=2,
    fps=10.0,
    people=5.0,
)
DEMAND = Demand(8, 10.0, 3.0, 1000, 1000)


def test_what_one_camera_takes() -> None:
    parts = parts_of(COSTS, DEMAND)
    assert parts.decoding == pytest.approx(0.020)  # 10 frames of a megapixel, 2 ms each
    assert parts.detection == pytest.approx(0.032)
    assert parts.people == pytest.approx(0.045)  # 3 people in 10 frames, 1.5 ms each
    assert parts.rest == pytest.approx(0.015)
    assert cores_for(COSTS, DEMAND) == pytest.approx(8 * 0.112)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"codec": "hevc"}, 0.122),
        ({"width": 2000}, 0.132),
        ({"fps": 2.0}, 0.004 + 0.016 + 0.009 + 0.007),  # the detector runs once a frame at most
        ({"people": 0.0}, 0.067),
    ],
)
def test_another_camera_takes_something_else(changes: dict[str, object], expected: float) -> None:
    assert parts_of(COSTS, replace(DEMAND, **changes)).total == pytest.approx(expected)  # type: ignore[arg-type]


def test_what_a_machine_carries() -> None:
    assert cameras_on(COSTS, DEMAND, 1) == pytest.approx(USABLE / 0.112)
    assert cameras_on(COSTS, DEMAND, 2) == pytest.approx(2 * 0.9 * USABLE / 0.112)
    assert limit_of(COSTS, DEMAND, 2) == "people"


def test_the_lock_of_python_ends_what_cores_bring() -> None:
    assert cameras_on(COSTS, DEMAND, 32) == pytest.approx(40.0)  # 2 ms x 10 frames: 20 ms a second each
    assert limit_of(COSTS, DEMAND, 32) == "python"
    free = replace(COSTS, python=None)
    assert cameras_on(free, DEMAND, 32) > 200.0
    assert limit_of(free, DEMAND, 32) == "people"


@given(
    st.integers(1, 64), st.floats(0.5, 60.0), st.floats(0.0, 20.0), st.integers(1, 40),
    st.floats(0.1, 1.0), st.one_of(st.none(), st.floats(0.01, 20.0)),
)  # fmt: skip
def test_more_of_anything_never_makes_room(
    cores: int, fps: float, people: float, size: int, together: float, python: float | None
) -> None:
    costs = replace(COSTS, together=together, python=python)
    demand = Demand(1, fps, people, 100 * size, 100)
    carried = cameras_on(costs, demand, cores)
    for harder in (
        replace(demand, fps=fps * 1.5),
        replace(demand, people=people + 1.0),
        replace(demand, width=demand.width * 2),
    ):
        assert cameras_on(costs, harder, cores) <= carried * (1 + 1e-9)
    assert cameras_on(costs, demand, 2 * cores + 1) >= carried * min(1.0, 2 * together) * (1 - 1e-9)


def test_the_line_through_frames_of_few_and_of_many() -> None:
    generator = np.random.default_rng(3)
    people = generator.integers(0, 8, 400)
    cost = 4.0 + 1.5 * people + generator.normal(0.0, 0.5, 400)
    frame, person = split_by_people(people.tolist(), cost.tolist(), 1.0)
    assert frame == pytest.approx(4.0, abs=0.3)
    assert person == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize(
    ("people", "cost", "expected"),
    [
        ([0, 0, 0], [2.0, 4.0, 3.0], (3.0, 0.0)),  # nobody
        ([2, 2, 2], [5.0, 7.0, 6.0], (1.0, 2.5)),  # always as many: no line
        ([1, 2, 3], [9.0, 6.0, 3.0], (1.0, 2.5)),  # people who cost less than nothing
        ([1, 2, 3], [0.0, 6.0, 12.0], (1.0, 2.5)),  # frames that do
        ([1, 3], [0.25, 0.75], (0.5, 0.0)),  # less than is sure
    ],
)
def test_where_the_line_makes_no_sense(
    people: list[int], cost: list[float], expected: tuple[float, float]
) -> None:
    assert split_by_people(people, cost, 1.0) == pytest.approx(expected)


def test_how_it_is_said() -> None:
    assert lines_of(figures_of(COSTS, DEMAND, 2)) == [
        "8 cameras of 1000x1000 h264 at 10 frames/s with 3 people in view, 2 cores: "
        "yes, headroom 71 %: about 13 such cameras",
        "  in use then 50 % of the cores, of which 85 % count",
        "  what limits poses and what follows from them, for every person in view",
        "",
        "one camera 0.112 cores: decoding 18 %, detection 29 %, people 40 %, rest 13 %",
        "what it is made of, in ms of one core:",
        "  decoding   h264 2.00, hevc 3.00 a megapixel",
        "  detection  8.0 each, 4.0 a second",
        "  person     1.50 a frame (one pose: full 5.0, lite 3.0)",
        "  frame      1.00 besides, 2.0 of them with Python's lock",
        "  camera     5.0 a second besides",
        "  together   each of 2 cores gives 90 % of one alone",
        "",
        "with other numbers of such cores, cameras: 1: 7.6, 4: 27, 8: 40, 16: 40, 32: 40",
    ]


def test_what_is_too_much_is_said() -> None:
    first, *_ = lines_of(figures_of(COSTS, replace(DEMAND, cameras=20), 2))
    assert first.endswith("2 cores: no: 13 of them; with more, every camera slows down evenly")
    first, *_ = lines_of(figures_of(COSTS, replace(DEMAND, fps=120.0, people=20.0), 2))
    assert "no: not one of them, only 38 % of its frames" in first


def test_a_machine_that_does_something_else_is_told() -> None:
    lines = lines_of(figures_of(replace(COSTS, disturbed=0.35, python=None), DEMAND, 2))
    assert any("other programs had the core for 35 % of the time" in line for line in lines)
    assert not any("Python" in line for line in lines)


def test_that_an_empty_scene_takes_less_than_measured_is_told() -> None:
    told = [
        any(
            "more cameras fit" in line
            for line in lines_of(figures_of(COSTS, replace(DEMAND, people=count), 2))
        )
        for count in (0.0, 1.0)
    ]
    assert told == [True, False]


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize("size", ["1080p", "10x10", "1920x", "99999x1080", "-5x100"])
def test_a_size_that_is_none(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(f"--resolution={size}")
    assert f"{size}: must be such as 1920x1080" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "value"), [("--people", "-1"), ("--people", "nan"), ("--fps", "500")])
def test_numbers_that_make_no_sense(option: str, value: str) -> None:
    with pytest.raises(UsageError, match=option):
        run_plan(parse(f"{option}={value}"))


def test_beside_a_command_that_takes_several_numbers() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cameras", type=int, nargs="+")
    add_arguments(parser)
    with pytest.raises(UsageError, match="--cameras: one number with --plan"):
        run_plan(parser.parse_args(["--cameras", "1", "2"]))


def test_the_command_line_does_not_wait_for_numpy() -> None:
    code = "import sys, daemon.planning.command; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
