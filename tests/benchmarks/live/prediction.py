"""What the plan of `posewatch benchmark --plan` says of the runs, beside what they took."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from daemon.config import CameraConfig
from daemon.demo.sample import fetch_sample
from daemon.planning.footage import crop_for
from daemon.planning.measuring import measure_costs
from daemon.planning.model import Demand, cameras_on, cores_for
from daemon.planning.text import figures_of, lines_of
from live.footage import SCENES
from live.world import Run

__all__ = ["Prediction", "predict", "prediction_lines"]

Prediction = dict[str, Any]
_SECONDS = 12.0


def predict(scene: str, rate: int) -> Prediction:
    """Measures the unit costs for cameras like these, on the clip that everybody has."""
    cores, wanted = len(os.sched_getaffinity(0)), SCENES[scene]
    demand = Demand(8, float(rate), wanted.people, wanted.width, wanted.height)
    costs = measure_costs(
        fetch_sample(print), demand, CameraConfig(url="clip"), cores=cores, seconds=_SECONDS,
        progress=lambda text: print(f"plan of {scene}: {text}", flush=True),
        crop=crop_for(demand.people, demand.width, demand.height),
    )  # fmt: skip
    return {
        "scene": scene, "rate": rate, "figures": figures_of(costs, demand, cores),
        "cores_of_one": cores_for(costs, Demand(1, *_rest(demand))),
        "cameras": cameras_on(costs, demand, cores), "together": costs.together,
    }  # fmt: skip


def _rest(demand: Demand) -> tuple[float, float, int, int, str]:
    return demand.fps, demand.people, demand.width, demand.height, demand.codec


def prediction_lines(predictions: Sequence[Prediction], runs: Sequence[Run]) -> list[str]:
    """Markdown: cores of each run, predicted and taken, and how many cameras were carried."""
    lines = []
    for one in predictions:
        mine = [run for run in runs if (run.scene, run.rate) == (one["scene"], one["rate"])]
        lines += ["", *lines_of(one["figures"]), "",
                  "| cameras | cores predicted | taken | error |", "| --- | --- | --- | --- |"]  # fmt: skip
        for run in mine:
            if not run.is_sustained:
                continue
            expected = run.cameras * one["cores_of_one"]
            error = 100.0 * (expected / run.cpu - 1.0)
            lines.append(f"| {run.cameras} | {expected:.2f} | {run.cpu:.2f} | {error:+.0f} % |")
        sustained = max((run.cameras for run in mine if run.is_sustained), default=0)
        lost = min((run.cameras for run in mine if not run.is_sustained), default=None)
        ended = "all that were tried" if lost is None else f"{lost} were too many"
        lines.append(f"\n{one['scene']} at {one['rate']}: {one['cameras']:.1f} cameras predicted, "
                     f"{sustained} sustained, {ended}")  # fmt: skip
    return lines
