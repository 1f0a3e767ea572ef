"""Tracking on MOT sequences, beside the trackers of the package `trackers` on the same detections.

    python tests/accuracy/tracking.py [--model detector.onnx]... [--cost] [--out figures.json]

MOTA, IDF1, id switches, fragmentations, recall and precision by motmetrics, HOTA by trackeval, a table for
each sequence and detector; IoU 0.5. People whom the ground truth does not count, and what was found of them,
are dropped first, as MOTChallenge does. The whole pipeline runs with the defaults, and unhurried: with every
economy switched off. The other trackers and trackeval get an environment of their own
under out/ (pip), see `trackers_worker.py`. Needs `pip install motmetrics`. --cost: only the time of a frame.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import motmetrics
import numpy as np
from footage import DATA, ROOT, frames_of, unhurried
from mot import MATCH, frame_pairs, overlap, rows_of, without_ignored
from pose_parity import environment

from daemon.capture import FrameReader
from daemon.config import CameraConfig, Config
from daemon.engines import Engines
from daemon.pipeline import make_tracker
from daemon.replay import ReplayOutputs, pick_camera, replay
from tracker.appearance import describe
from tracker.association import TrackState
from tracker.detector import Detections

NANO = DATA.parent / "models" / "yolox_nano.onnx"  # YOLOX-nano as published
PACKAGES = ("opencv-python-headless", "trackeval==1.3.0", "trackers==2.6.1")
MEASURES = ["mota", "idf1", "num_switches", "num_fragmentations", "recall", "precision"]
UNHURRIED = "posewatch, whole pipeline, unhurried"  # the row that says what the economies cost
COLUMNS = {
    "mota": "MOTA",
    "idf1": "IDF1",
    "hota": "HOTA",
    "num_switches": "switches",
    "num_fragmentations": "fragmentations",
    "recall": "recall",
    "precision": "precision",
    "ids": "ids",
}


@dataclass(frozen=True)
class Clip:
    """A sequence seen by a detector: its frames' detections, one each."""

    path: Path
    truth: np.ndarray
    rate: float
    detections: list[Detections]

    def arrays(self) -> dict[str, Any]:
        """As `trackers_worker.py` takes them."""
        return {
            "frame": np.repeat(np.arange(len(self.detections)) + 1, [len(one) for one in self.detections]),
            "boxes": np.concatenate([one.boxes for one in self.detections]),
            "scores": np.concatenate([one.scores for one in self.detections]),
            "frames": len(self.detections),
            "rate": self.rate,
            "truth": self.truth,
        }


def settings_for(clip: Path, model: Path | None, *, hurried: bool = True) -> Config:
    """The defaults, or those without their economies."""
    camera: dict[str, Any] = {"url": str(clip)}
    if model is not None:
        camera["detect"] = {"model": str(model)}
    if not hurried:
        camera = unhurried(camera)
    return Config.model_validate({"cameras": {"mot": camera}, "mqtt": {"enabled": False}})


def detect(path: Path, truth: np.ndarray, camera: CameraConfig) -> Clip:
    detector = Engines().detector(camera.detect)
    with FrameReader("mot", str(path)) as reader:
        rate = reader.rate
    return Clip(path, truth, rate, [detector.detect(frame.image) for frame in frames_of(path)])


def follow(clip: Clip, camera: CameraConfig, *, looks: bool) -> np.ndarray:
    """Rows of our tracker alone, made as the pipeline makes it: people who are confirmed and seen."""
    tracker = make_tracker("mot", camera.track)
    rows = [np.zeros((0, 7))]
    for frame, detections in zip(frames_of(clip.path), clip.detections, strict=True):
        tracks = tracker.update(
            detections,
            monotonic=frame.monotonic,
            captured_at=frame.captured_at,
            appearance=describe(frame.image, detections.boxes) if looks else None,
        )
        seen = [
            one
            for one in tracks
            if one.state is TrackState.CONFIRMED and one.last_monotonic == frame.monotonic
        ]
        numbers, scores = np.array([one.number for one in seen]), np.array([one.score for one in seen])
        rows.append(rows_of(frame.index + 1, numbers, np.array([one.box for one in seen]), scores))
    return np.concatenate(rows)


def replayed(path: Path, config: Config) -> np.ndarray:
    """Rows of the whole pipeline, as `posewatch replay --tracks` writes them."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "tracks.txt"
        replay([path], config, ReplayOutputs(tracks=out))
        return np.loadtxt(out, delimiter=",", ndmin=2)[:, :7]


def others(clip: Clip, ours: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Rows of the other trackers, and of everybody what the worker reports: HOTA, and their settings."""
    python = environment(ROOT / "out" / "trackers-env", *PACKAGES)
    worker = str(Path(__file__).with_name("trackers_worker.py"))
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "given.npz", Path(folder) / "out.npz"
        np.savez(given, **clip.arrays(), **ours)
        command = [str(python), worker, str(given), str(clip.path), str(out)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        with np.load(out) as file:
            return dict(file), json.loads(done.stdout)


def measure(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    truth, found = without_ignored(truth, found)
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for people, tracks in frame_pairs(truth, found):
        distance = 1.0 - overlap(people, tracks)
        accumulator.update(people[:, 1], tracks[:, 1], np.where(distance <= 1.0 - MATCH, distance, np.nan))
    summary = motmetrics.metrics.create().compute(accumulator, metrics=MEASURES, name="sequence")
    return {name: float(summary[name].iloc[0]) for name in MEASURES} | {"ids": len(np.unique(found[:, 1]))}


def compare(sequence: Path, model: Path | None, *, pipeline: bool) -> dict[str, dict[str, Any]]:
    """Measures and settings of every tracker by its name."""
    truth = np.loadtxt(sequence / "gt.txt", delimiter=",")[:, :7]
    path = next(sequence.glob("video.*"))
    config = settings_for(path, model)
    _, camera = pick_camera(config, None)
    print(f"{sequence.name}: posewatch", file=sys.stderr, flush=True)
    clip = detect(path, truth, camera)
    found = {
        "posewatch, boxes alone": follow(clip, camera, looks=False),
        "posewatch, boxes and looks": follow(clip, camera, looks=True),
    }
    if pipeline:
        found["posewatch, whole pipeline"] = replayed(path, config)
        slow = settings_for(path, model, hurried=False)
        found[UNHURRIED] = replayed(path, slow)
    theirs, reports = others(clip, found)
    results = {name: measure(truth, rows) | reports[name] for name, rows in (found | theirs).items()}
    if pipeline:
        results[UNHURRIED]["settings"] = "every frame"
    return results


def table(results: dict[str, dict[str, Any]]) -> str:
    lines = ["| tracker | settings | " + " | ".join(COLUMNS.values()) + " |"]
    lines.append("| --- " * (len(COLUMNS) + 2) + "|")
    for name, values in results.items():
        cells = (f"{values[key]:.3f}" if values[key] % 1 else f"{values[key]:.0f}" for key in COLUMNS)
        tracker = name.removesuffix(", defaults").removesuffix(", best")
        lines.append(f"| {tracker} | {_settings(values)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _settings(values: dict[str, Any]) -> str:
    if "tried" not in values:
        return str(values.get("settings") or "defaults")
    named = ", ".join(f"{name} {value}" for name, value in values["settings"].items())
    return f"best of {values['tried']}: {named or 'defaults'}"


def cost() -> dict[str, Any]:
    """Milliseconds a frame, from a process whose libraries have one thread."""
    script = str(Path(__file__).with_name("tracking_cost.py"))
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    one_thread = os.environ | dict.fromkeys(names, "1")
    done = subprocess.run([sys.executable, script], check=True, env=one_thread, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        type=Path,
        action="append",
        help="detector; may be repeated (default: the bundled one, and YOLOX-nano as published)",
    )
    parser.add_argument("--cost", action="store_true", help="only the time of a frame")
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    models: list[Path | None] = given.model or [None, *([NANO] if NANO.is_file() else [])]
    results: dict[str, Any] = {}
    for place, model in enumerate([] if given.cost else models):
        for sequence in sorted(path.parent for path in (DATA / "mot").glob("*/gt.txt")):
            name = f"{sequence.name}, detections of {model.stem if model else 'the bundled detector'}"
            results[name] = compare(sequence, model, pipeline=place == 0)
            print(f"\n{name}:\n\n{table(results[name])}", flush=True)
    if not given.cost:
        print("\nBest: of a small search for the highest IDF1 on the sequence itself, which flatters.")
    results["cost"] = figures = cost()
    print(
        f"\nupdate with looks, {figures['people']} people, {figures['detections']:.0f} detections a frame, "
        f"one thread: median {figures['median']:.2f} ms a frame (95th percentile {figures['p95']:.2f}; "
        f"looks {figures['describe']:.2f}, update {figures['update']:.2f})"
    )
    if given.out:
        given.out.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
