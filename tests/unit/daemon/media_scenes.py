"""Frames, scenes and alerts for the tests of pictures and clips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import recording_scenes
import yaml

from daemon.config import CameraConfig, Config
from daemon.messages import Message
from daemon.reader import Frame
from daemon.scene import Person, Scene
from daemon.topics import Topics

TOPICS = Topics("posewatch")
EPOCH = 1_700_000_000.0
SQUARE = [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]


def settings(**sections: Any) -> CameraConfig:
    """A camera `door` with these sections."""
    return config(**sections).cameras["door"]


def config(**sections: Any) -> Config:
    """A configuration with one camera, `door`."""
    camera = {"url": "rtsp://camera.invalid/x", **sections}
    return Config.model_validate(yaml.safe_load(yaml.safe_dump({"cameras": {"door": camera}})))


def a_scene(at: float, *people: Person, size: tuple[int, int] = (640, 480)) -> Scene:
    """What was found in a frame at this time."""
    return Scene("door", *size, EPOCH + at, at, people)


def a_frame(at: float, image: np.ndarray | None = None) -> Frame:
    """A grey frame, or this one."""
    image = np.full((480, 640, 3), 120, np.uint8) if image is None else image
    return Frame("door", round(at * 15), image, EPOCH + at, at)


def somebody(number: int = 1, box: Iterable[float] = (200, 100, 300, 400), **what: Any) -> Person:
    """A person with a pose."""
    return recording_scenes.person(number, 0.0, box, **what)


def noise(seed: int, width: int = 640, height: int = 480) -> np.ndarray:
    """An image of which no pixel is like its neighbour."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def an_alert(
    kind: str = "raised",
    number: int = 1,
    rule: str = "fall",
    tracks: Iterable[str] = ("0-record-1",),
    boxes: Mapping[str, list[float]] | None = None,
    **more: Any,
) -> Message:
    """A message of the alert engine; what is given of the evidence replaces only that."""
    ended = {"end_time": EPOCH, "reason": "over"} if kind == "cleared" else {"end_time": None, "reason": None}
    payload = {
        "type": kind, "id": f"1700000000000-door-{number}", "seq": 0, "rule": rule, "severity": "critical",
        "camera": "door", "tracks": list(tracks), "zones": [], "action": "falling", "score": 0.9,
        "start_time": EPOCH, **ended,
        "evidence": {
            "type": "fall", "thresholds": {}, "first_time": EPOCH, "last_time": EPOCH, "observations": 1,
            "frames": [[0, EPOCH]], "scores": [[0.0, 0.9]], "speeds": [None], "landmark_quality": [None],
            "zones": {}, "models": {}, "boxes": dict(boxes or {}),
            **more.pop("evidence", {}),
        },
        "snapshot": None, "clip": None, **more,
    }  # fmt: skip
    return Message(TOPICS.alerts("door"), payload, qos=1)
