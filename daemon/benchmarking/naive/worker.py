"""The pipelines that users write, as a process of another environment: ultralytics and mediapipe alone.

    PYTHON worker.py SETUP        SETUP is JSON: clip, threads, weights, boxes, fetch

Says what it is as a line of JSON, then answers each line {"kind": ..., "frames": n} with what n frames took.
Kinds: `track_pose` is YOLO11n.track, then mediapipe's Pose on each person's crop; `yolo_pose` is
YOLO11n-pose.track. Both decode with OpenCV, in one loop, with the libraries' own defaults. Telemetry is off;
nothing is downloaded without "fetch".
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

_WEIGHTS = "https://github.com/ultralytics/assets/releases/download/v8.3.0/"
_TIMEOUT = 10.0  # seconds without data
_SIZE = 640
_MARGIN = 0.1  # of a person's box, around the crop
_LEAST = 1_000_000  # bytes of weights; less is an answer of somebody else


class Pipelines:
    """Both pipelines over one clip, each with a place of its own in it."""

    def __init__(self, setup: dict[str, Any]) -> None:
        import cv2
        import torch

        torch.set_num_threads(int(setup["threads"]))
        self._cv2, self._setup = cv2, setup
        self._boxes: list[list[list[float]]] | None = None
        if setup["boxes"] is not None:
            self._boxes = json.loads(Path(setup["boxes"]).read_text(encoding="utf-8"))
        self.weights = {kind: self._weights(name) for kind, name in _MODELS.items()}
        self._models: dict[str, Any] = {}
        self._captures: dict[str, Any] = {}
        self._index = dict.fromkeys(_MODELS, 0)
        self._pose: Any = None

    def _weights(self, name: str) -> str | None:
        """The file of real weights, fetched if that is allowed; None where there is none."""
        folder = Path(self._setup["weights"])
        for place in (Path.cwd(), folder):
            if (place / f"{name}.pt").is_file():
                return str(place / f"{name}.pt")
        if not self._setup["fetch"]:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{name}.pt"
        partial = folder / f".{name}.{os.getpid()}.part"
        try:
            with urllib.request.urlopen(f"{_WEIGHTS}{name}.pt", timeout=_TIMEOUT) as answer:
                content = answer.read()
        except OSError as error:
            print(f"{name}.pt: {error}", file=sys.stderr)
            return None
        if len(content) < _LEAST:
            return None
        partial.write_bytes(content)
        partial.replace(target)
        return str(target)

    def run(self, kind: str, frames: int) -> dict[str, Any]:
        """Takes the next frames; the clip begins anew at its end."""
        parts: dict[str, list[float]] = {}
        people = 0
        began, spent = time.perf_counter(), time.process_time()
        for _ in range(frames):
            with _Timed(parts, "read"):
                image = self._next(kind)
            with _Timed(parts, "detect"):
                boxes = self._track(kind, image)
            if kind == "track_pose":
                if self.weights[kind] is None and self._boxes:
                    boxes = self._boxes[(self._index[kind] - 1) % len(self._boxes)]
                with _Timed(parts, "pose"):
                    for box in boxes:
                        self._read_pose(image, box)
            people += len(boxes)
        return {
            "frames": frames,
            "seconds": time.perf_counter() - began,
            "processor": time.process_time() - spent,
            "people": people,
            "stages": {name: wall for name, (wall, _) in parts.items()},
            "own": {name: own for name, (_, own) in parts.items()},
        }

    def _next(self, kind: str) -> Any:
        for _ in range(2):
            if kind not in self._captures:
                self._captures[kind], self._index[kind] = self._cv2.VideoCapture(self._setup["clip"]), 0
            done, image = self._captures[kind].read()
            if done:
                self._index[kind] += 1
                return image
            del self._captures[kind]
        raise ValueError(f"OpenCV reads no frame of {self._setup['clip']}")

    def _track(self, kind: str, image: Any) -> list[list[float]]:
        if kind not in self._models:
            from ultralytics import YOLO

            self._models[kind] = YOLO(self.weights[kind] or f"{_MODELS[kind]}.yaml", verbose=False)
        (result,) = self._models[kind].track(
            image, persist=True, imgsz=_SIZE, classes=[0], device="cpu", verbose=False
        )
        boxes: list[list[float]] = result.boxes.xyxy.tolist()
        return boxes

    def _read_pose(self, image: Any, box: list[float]) -> None:
        if self._pose is None:
            import mediapipe

            self._pose = mediapipe.solutions.pose.Pose()
        left, top, right, bottom = box
        x, y = _MARGIN * (right - left), _MARGIN * (bottom - top)
        crop = image[max(0, int(top - y)) : int(bottom + y), max(0, int(left - x)) : int(right + x)]
        if crop.size:
            self._pose.process(self._cv2.cvtColor(crop, self._cv2.COLOR_BGR2RGB))


_MODELS = {"track_pose": "yolo11n", "yolo_pose": "yolo11n-pose"}


class _Timed:
    """Sums wall and processor time of a block."""

    def __init__(self, parts: dict[str, list[float]], name: str) -> None:
        self._sums = parts.setdefault(name, [0.0, 0.0])

    def __enter__(self) -> None:
        self._began = (time.perf_counter(), time.process_time())

    def __exit__(self, *_: object) -> None:
        self._sums[0] += time.perf_counter() - self._began[0]
        self._sums[1] += time.process_time() - self._began[1]


def main() -> None:
    """Answers until its input ends; what the libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    setup = json.loads(sys.argv[1])
    os.environ["OMP_NUM_THREADS"] = str(setup["threads"])
    import mediapipe
    import torch
    import ultralytics

    ultralytics.settings.update({"sync": False})
    pipelines = Pipelines(setup)
    versions = {
        "ultralytics": ultralytics.__version__,
        "mediapipe": mediapipe.__version__,
        "torch": torch.__version__,
    }
    answers.write(json.dumps({"versions": versions, "weights": pipelines.weights}) + "\n")
    for line in sys.stdin:
        answers.write(json.dumps(pipelines.run(**json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
