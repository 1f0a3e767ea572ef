"""Time of the tracker alone: looks and update of a frame with twelve people, without detector and pose.

    python tests/accuracy/tracking_cost.py

Twelve people walk to and fro over the frames of PETS09-S2L1 and half hide each other as they pass, each with
a strong detection and every third with a weak double, as detectors give. Prints JSON: milliseconds of
processor time, so that other work on the machine counts little; `tracking.py` runs it with one thread.
"""

from __future__ import annotations

import json
import sys
import time

import cv2
import numpy as np
from footage import DATA, frames_of

from tracker.appearance import describe
from tracker.association import Tracker, TrackState
from tracker.detector import Detections

PEOPLE = 12
WARM_UP = 50  # frames until all are confirmed and every path of the code was taken
HALF_BODY = np.array([16.0, 40.0])
WEAK_DOUBLE = np.array([8.0, 12.0, 8.0, -8.0])  # how its box differs from the strong one
CLIP = DATA / "mot" / "PETS09-S2L1" / "video.avi"


def people(number: int, width: int, height: int, random: np.random.Generator) -> Detections:
    """Detections of the frame of that number: lanes 40 px apart, bodies 80 px high, 2 to 5 px a frame."""
    lane = np.arange(PEOPLE)
    span = width - 80.0
    way = (lane * 97.0 + number * (2.0 + lane % 4)) % (2 * span)
    x = 40.0 + np.minimum(way, 2 * span - way)
    y = 60.0 + lane * (height - 120.0) / (PEOPLE - 1)
    centres = np.column_stack([x, y])
    boxes = np.concatenate([centres - HALF_BODY, centres + HALF_BODY], axis=1)
    boxes = np.concatenate([boxes, boxes[::3] + WEAK_DOUBLE])
    boxes += random.normal(0.0, 1.0, boxes.shape)
    scores = np.concatenate([random.uniform(0.6, 0.95, PEOPLE), random.uniform(0.1, 0.4, len(lane[::3]))])
    return Detections(boxes.astype(np.float32), scores.astype(np.float32))


def main() -> int:
    cv2.setNumThreads(1)
    random, tracker = np.random.default_rng(0), Tracker("cost")
    described, updated = [], []
    for frame in frames_of(CLIP):
        height, width = frame.image.shape[:2]
        detections = people(frame.index, width, height, random)
        started = time.process_time()
        appearance = describe(frame.image, detections.boxes)
        between = time.process_time()
        tracks = tracker.update(
            detections, monotonic=frame.monotonic, captured_at=frame.captured_at, appearance=appearance
        )
        ended = time.process_time()
        confirmed = sum(one.state is TrackState.CONFIRMED for one in tracks)
        if frame.index >= WARM_UP and confirmed == PEOPLE:
            described.append(between - started)
            updated.append(ended - between)
    if len(updated) < (frame.index + 1) / 2:
        print(f"cost: {PEOPLE} people are followed in {len(updated)} frames only", file=sys.stderr)
        return 1
    whole = np.array(described) + np.array(updated)
    figures = {
        "people": PEOPLE,
        "detections": len(detections),
        "frames": len(whole),
        "describe": float(np.median(described)) * 1e3,
        "update": float(np.median(updated)) * 1e3,
        "median": float(np.median(whole)) * 1e3,
        "p95": float(np.percentile(whole, 95)) * 1e3,
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
