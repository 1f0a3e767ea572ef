"""Runs the trackers of the package `trackers` on given detections, and `trackeval` on everybody's tracks.

    python trackers_worker.py IN.npz CLIP OUT.npz

Runs in an environment which has nothing of posewatch. IN.npz: `frame` (N,), `boxes` (N, 4) left, top, right,
bottom and `scores` (N,) of the detections, `frames` and `rate` of the clip, `truth` (M, 7) rows of `mot.py`,
and rows to be judged under any other name. OUT.npz gets the rows of every tracker, at its defaults and at its
best; stdout a JSON line with the settings and HOTA of each name, those of IN.npz too.

The best is that of a search: from the defaults, one parameter after the other takes the value that gives the
highest IDF1 on this very sequence. That flatters, as no user has the ground truth of his own camera.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import supervision
import trackers
from mot import rows_of, trackeval_data, without_ignored
from trackeval.metrics import HOTA, Identity

# Tracks are kept for this many frames of 30 a second: 1 s by default, 4 s in posewatch.
_LOST = ("lost_track_buffer", (60, 90, 120))
_HIGH = ("high_conf_det_threshold", (0.3, 0.4, 0.5, 0.7))
_START = ("track_activation_threshold", (0.3, 0.4, 0.5, 0.6))
_FRAMES = ("minimum_consecutive_frames", (1, 3))
Search = tuple[tuple[str, tuple[Any, ...]], ...]
TRACKERS: dict[str, tuple[type, Search]] = {
    "SORT": (
        trackers.SORTTracker,
        (
            ("track_activation_threshold", (0.4, 0.5, 0.6, 0.7)),
            ("minimum_iou_threshold", (0.05, 0.1, 0.2, 0.4)),
            ("lost_track_buffer", (15, 60, 90, 120)),
            ("minimum_consecutive_frames", (1, 2, 4)),
        ),
    ),
    "ByteTrack": (
        trackers.ByteTrackTracker,
        (_HIGH, _START, ("minimum_iou_threshold", (0.05, 0.2, 0.3, 0.4)), _LOST, _FRAMES),
    ),
    "OC-SORT": (
        trackers.OCSORTTracker,
        (
            _HIGH,
            ("minimum_iou_threshold", (0.05, 0.1, 0.2, 0.4)),
            _LOST,
            ("direction_consistency_weight", (0.0, 0.1, 0.4)),
            ("delta_t", (1, 2)),
            ("minimum_consecutive_frames", (1, 2)),
        ),
    ),
    "BoT-SORT": (
        trackers.BoTSORTTracker,
        (
            _HIGH,
            _START,
            ("minimum_iou_threshold_first_assoc", (0.05, 0.1, 0.3)),
            ("minimum_iou_threshold_second_assoc", (0.2, 0.35)),
            _LOST,
            ("enable_cmc", (False,)),
            _FRAMES,
        ),
    ),
    "C-BIoU": (
        trackers.CBIoUTracker,
        (
            _HIGH,
            _START,
            ("minimum_iou_threshold_first_assoc", (0.05, 0.1, 0.3)),
            ("minimum_iou_threshold_second_assoc", (0.3, 0.4)),
            _LOST,
            ("buffer_ratio_first", (0.1, 0.5)),
            ("buffer_ratio_second", (0.3, 0.7)),
            _FRAMES,
        ),
    ),
}


class RecordedMotion:
    """Camera motion of a clip, found once for all settings; stands in for a tracker's own `CMC`.

    It depends on the images alone. A frame is given as its index.
    """

    def __init__(self, clip: str, cmc: Any) -> None:
        self._matrices = [cmc.estimate(image) for image in _images(clip)]

    def __len__(self) -> int:
        return len(self._matrices)

    def estimate(self, frame: np.ndarray, _boxes: np.ndarray | None = None) -> np.ndarray:
        return self._matrices[int(frame)]


class Bench:
    """The detections and the truth of one sequence."""

    def __init__(self, given: dict[str, np.ndarray], clip: str) -> None:
        self._truth, self._rate = given["truth"], float(given["rate"])
        self._detections = [
            supervision.Detections(
                xyxy=given["boxes"][chosen].astype(np.float32),
                confidence=given["scores"][chosen].astype(np.float32),
                class_id=np.zeros(int(chosen.sum()), int),
            )
            for chosen in (given["frame"] == number + 1 for number in range(int(given["frames"])))
        ]
        self._motion = RecordedMotion(clip, trackers.BoTSORTTracker(frame_rate=self._rate).cmc)
        if len(self._motion) != len(self._detections):
            raise SystemExit(f"{clip}: {len(self._motion)} frames here, {len(self._detections)} there")

    def run(self, kind: type, settings: dict[str, Any]) -> np.ndarray:
        """Rows of a tracker with these settings: what has an id."""
        tracker = kind(frame_rate=self._rate, **settings)
        moves = getattr(tracker, "cmc", None) is not None
        if moves:
            tracker.cmc = self._motion
        rows = [np.zeros((0, 7))]
        for index, detections in enumerate(self._detections):
            found = tracker.update(detections, frame=np.array(index) if moves else None)
            found = found[found.tracker_id >= 0]
            rows.append(rows_of(index + 1, found.tracker_id, found.xyxy, found.confidence))
        return np.concatenate(rows)

    def search(self, kind: type, space: Search, rows: np.ndarray) -> tuple[dict[str, Any], np.ndarray, int]:
        """The best settings, their rows, and how many were tried, from the rows of the defaults on."""
        best: dict[str, Any] = {}
        score, tried = self.idf1(rows), 1
        for name, values in space:
            for settings in [best | {name: value} for value in values]:
                other, tried = self.run(kind, settings), tried + 1
                reached = self.idf1(other)
                if reached > score:
                    best, rows, score = settings, other, reached
        return best, rows, tried

    def idf1(self, rows: np.ndarray) -> float:
        """IDF1 on the truth."""
        data = trackeval_data(*without_ignored(self._truth, rows))
        return float(Identity({"PRINT_CONFIG": False}).eval_sequence(data)["IDF1"])

    def hota(self, rows: np.ndarray) -> float:
        """HOTA on the truth, the mean over its thresholds of IoU."""
        data = trackeval_data(*without_ignored(self._truth, rows))
        return float(np.mean(HOTA().eval_sequence(data)["HOTA"]))


def _images(clip: str) -> Iterator[np.ndarray]:
    video = cv2.VideoCapture(clip)
    while True:
        good, image = video.read()
        if not good:
            return
        yield image


def main() -> int:
    given, clip, out = sys.argv[1:4]
    with np.load(given) as file:
        arrays = dict(file)
    bench = Bench(arrays, clip)
    inputs = {"frame", "boxes", "scores", "frames", "rate", "truth"}
    report: dict[str, dict[str, Any]] = {
        name: {"hota": bench.hota(rows)} for name, rows in arrays.items() if name not in inputs
    }
    results: dict[str, np.ndarray] = {}
    for name, (kind, space) in TRACKERS.items():
        print(f"  {name}", file=sys.stderr, flush=True)
        rows = results[f"{name}, defaults"] = bench.run(kind, {})
        report[f"{name}, defaults"] = {"hota": bench.hota(rows), "settings": {}}
        best, rows, tried = bench.search(kind, space, rows)
        results[f"{name}, best"] = rows
        report[f"{name}, best"] = {"hota": bench.hota(rows), "settings": best, "tried": tried}
    np.savez(out, **results)
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
