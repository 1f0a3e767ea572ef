"""Figures of the benchmark: spreads, ratios, and what counts as slower."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from daemon.benchmarking.ratios import compare, ratios_of
from daemon.benchmarking.rounds import in_turns, summary
from daemon.benchmarking.scenario import Round
from daemon.benchmarking.settings import VARIANTS, variant
from daemon.benchmarking.table import report, verdict
from daemon.config import CameraConfig
from daemon.errors import UsageError


def one_round(frames: int = 10, seconds: float = 1.0, pose: float = 0.6, detect: float = 0.2) -> Round:
    own = {"detect": detect, "pose": pose}
    return Round(frames, seconds, detect + pose, {name: 2 * value for name, value in own.items()}, own, 15)


def figures_of(**groups: Any) -> dict[str, Any]:
    figures = {"clip": "a.mp4", "cores": 2, "version": "1", "runs": [], "detectors": [], **groups}
    return figures | {"ratios": ratios_of(figures)}


def settings_of(pose: float, detect: float = 0.2) -> dict[str, Any]:
    rounds = {name: one_round() for name in VARIANTS} | {"defaults": one_round(pose=pose, detect=detect)}
    return {name: summary([each]) for name, each in rounds.items()}


def test_a_summary_is_medians_and_quartiles() -> None:
    found = summary([one_round(seconds=seconds) for seconds in (1.0, 2.0, 5.0)])
    assert found["frames"] == 30
    assert found["people"] == 1.5
    assert found["frames_per_second"] == [3.5, 5.0, 7.5]  # of 10, 5 and 2
    assert found["processor"] == pytest.approx([80.0, 80.0, 80.0])  # ms a frame
    assert found["stages"] == {"detect": 20.0, "pose": 60.0}
    assert found["stages_wall"] == {"detect": 40.0, "pose": 120.0}


def test_turns_are_taken() -> None:
    order: list[tuple[str, int]] = []

    class Runner:
        def __init__(self, name: str) -> None:
            self.name = name

        def run(self, frames: int) -> Round:
            order.append((self.name, frames))
            return one_round(frames)

    found = in_turns({"a": (Runner("a"), 3), "b": (Runner("b"), 5)}, rounds=2)
    assert order == [("a", 3), ("b", 5), ("a", 3), ("b", 5)]
    assert [one.frames for one in found["b"]] == [5, 5]


def test_ratios_are_of_the_same_round() -> None:
    # One slow moment for both, then one for one of them alone.
    ours = [one_round(pose=seconds, detect=0.0) for seconds in (1.0, 10.0, 10.0)]
    others = [one_round(pose=seconds, detect=0.0) for seconds in (2.0, 20.0, 5.0)]
    people = {"0": {"defaults": summary(ours)}, "3": {"defaults": summary(others)}}
    assert ratios_of({"people": people}) == {"3 people to 0, time": 2.0}


@pytest.mark.parametrize(
    ("pose", "detect", "slower"),
    [
        (0.3, 0.1, []),  # as before
        (0.2, 0.066, []),  # faster
        (0.36, 0.12, []),  # a fifth slower is within the tolerance
        (0.45, 0.15, ["defaults to unhurried, time"]),  # both stages alike
        (0.3, 0.2, ["share of detect"]),  # one stage: 25 % of the frame became 40 %
        (0.6, 0.2, ["defaults to unhurried, time"]),  # the economies are gone
    ],
)
def test_what_counts_as_slower(pose: float, detect: float, slower: list[str]) -> None:
    committed = figures_of(settings=settings_of(0.3, 0.1))
    now = figures_of(settings=settings_of(pose, detect))
    found, compared = compare(now, committed)
    assert compared == len(now["ratios"]) == 4
    assert [one.name for one in found] == slower
    text = verdict(found, compared, "old.json")
    assert all(name in text for name in slower)
    assert ("or better" in text) == (not slower)


def test_less_speed_against_another_pipeline_is_slower_on_as_many_cores_only() -> None:
    def against(seconds: float) -> dict[str, Any]:
        pipelines = {name: summary([one_round(seconds=seconds)]) for name in ("defaults", "unhurried")}
        pipelines["track_pose 1"] = summary([one_round(seconds=20.0)])
        for name, one in pipelines.items():
            one |= {"what": name, "processes": 1, "weights": "random" if " " in name else None}
        return {"versions": {"torch": "2"}, "pipelines": pipelines}

    committed, now = figures_of(against=against(1.0)), figures_of(against=against(1.5))
    assert committed["ratios"]["defaults to track_pose 1, frames/s"] == 20.0
    found, compared = compare(now, committed)
    assert [one.name for one in found] == [
        "defaults to track_pose 1, frames/s",
        "unhurried to track_pose 1, frames/s",
    ]
    assert compared == 4
    assert compare(now | {"cores": 4}, committed) == ([], 2)
    assert "random weights" in report(now)
    assert "13.3x" in report(now)


def test_figures_of_another_clip_are_not_compared() -> None:
    now = figures_of(settings=settings_of(0.3))
    with pytest.raises(UsageError, match=r"its figures are of b\.mp4, these of a\.mp4"):
        compare(now, now | {"clip": "b.mp4"})
    with pytest.raises(UsageError, match="no ratio of it was measured"):
        compare(now, now | {"ratios": {"9 cameras to 1, time": 1.0}})


def test_every_variant_is_a_valid_configuration_and_unhurried_looks_at_every_frame() -> None:
    found = {name: variant(name, "a.mp4") for name in VARIANTS}
    assert found["lite"].pose.model == "lite"
    hurried = CameraConfig.model_validate({"url": "a.mp4", "detect": {"every": 5}, "pose": {"model": "lite"}})
    unhurried = variant("unhurried", hurried)
    assert (unhurried.detect.every, unhurried.pose.model) == (1, "full")
    assert found["defaults"] == variant("defaults", found["defaults"])


def test_a_variant_that_names_a_setting_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIANTS, "lite", {"pose": {"modell": "lite"}})  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="modell"):
        variant("lite", "a.mp4")
