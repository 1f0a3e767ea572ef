"""Tracking on MOT sequences: MOTA, IDF1, id switches (motmetrics; IoU 0.5).

    python tests/accuracy/tracking.py [--model detector.onnx]

Runs the whole tracker as `posewatch replay --tracks` does. What matches a person that the ground truth
ignores is dropped first, as MOTChallenge does. Needs `pip install motmetrics`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import motmetrics
import numpy as np
from scipy.optimize import linear_sum_assignment

from daemon.config import Config
from daemon.replay import ReplayOutputs, replay
from tracker.nms import iou_matrix

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("POSEWATCH_DATA", ROOT.parent / "shared" / "data"))
MEASURES = ["mota", "idf1", "num_switches", "num_fragmentations", "recall", "precision", "num_unique_objects"]


def tracks_of(clip: Path, model: Path | None) -> np.ndarray:
    """Rows of frame, id, left, top, width, height, score."""
    camera: dict[str, Any] = {"url": str(clip)}
    if model is not None:
        camera["detect"] = {"model": str(model)}
    settings = {"cameras": {"mot": camera}, "mqtt": {"enabled": False}}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "tracks.txt"
        replay([clip], Config.model_validate(settings), ReplayOutputs(tracks=out))
        return np.loadtxt(out, delimiter=",", ndmin=2)


def corners(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1).astype(np.float32)


def evaluate(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for frame in np.unique(truth[:, 0]):
        people, tracks = truth[truth[:, 0] == frame], found[found[:, 0] == frame]
        overlap = iou_matrix(corners(people), corners(tracks))
        first, second = linear_sum_assignment(np.where(overlap >= 0.5, overlap, 0.0), maximize=True)
        ignored = [
            b for a, b in zip(first, second, strict=True) if overlap[a, b] >= 0.5 and people[a, 6] == 0
        ]
        tracks, people = np.delete(tracks, ignored, axis=0), people[people[:, 6] > 0]
        distance = 1.0 - iou_matrix(corners(people), corners(tracks)).astype(np.float64)
        accumulator.update(people[:, 1], tracks[:, 1], np.where(distance <= 0.5, distance, np.nan))
    summary = motmetrics.metrics.create().compute(accumulator, metrics=MEASURES, name="sequence")
    return {name: float(summary[name].iloc[0]) for name in MEASURES} | {"ids": len(np.unique(found[:, 1]))}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="detector (default: bundled)")
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    results = {}
    for sequence in sorted(path.parent for path in (DATA / "mot").glob("*/gt.txt")):
        print(sequence.name, file=sys.stderr)
        truth = np.loadtxt(sequence / "gt.txt", delimiter=",")
        results[sequence.name] = evaluate(truth, tracks_of(next(sequence.glob("video.*")), given.model))
    columns = [*MEASURES, "ids"]
    print("| sequence | " + " | ".join(columns) + " |\n" + "| --- " * (len(columns) + 1) + "|")
    for name, values in results.items():
        cells = (f"{values[key]:.3f}" if values[key] % 1 else f"{values[key]:.0f}" for key in columns)
        print(f"| {name} | " + " | ".join(cells) + " |")
    if given.out:
        given.out.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
