"""Stick people in the 33 landmarks: still, walking, waving or falling, at any time and place."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from classifier.recording import Recording

# x to the person's left (right in the image when facing the camera), y down, hips at 0, body height 1.
_JOINTS = {
    **{0: (0.0, -0.42), 11: (0.12, -0.3), 13: (0.16, -0.14), 15: (0.17, 0.02), 23: (0.08, 0.0)},
    **{25: (0.09, 0.25), 27: (0.09, 0.48), 29: (0.09, 0.51), 31: (0.12, 0.53), 17: (0.17, 0.05)},
    **{19: (0.17, 0.06), 21: (0.16, 0.05), 7: (0.04, -0.42), 9: (0.02, -0.39)},
    **{1: (0.01, -0.44), 2: (0.02, -0.44), 3: (0.03, -0.44)},
}
_RIGHT = {1: 4, 2: 5, 3: 6}


def body(height: float = 200.0, at: tuple[float, float] = (320.0, 240.0), turn: float = 0.0) -> np.ndarray:
    """(33, 4) landmarks of somebody who faces the camera; `turn` in degrees, 90 lies with the head right."""
    result = np.zeros((33, 4), np.float32)
    for left, (x, y) in _JOINTS.items():
        result[left, :2] = x, y
        if left:
            result[_RIGHT.get(left, left + 1), :2] = -x, y
    angle = np.radians(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    result[:, :2] = result[:, :2] @ rotation.T * height + at
    result[:, 3] = 0.9
    return result


def walk(times: np.ndarray, height: float = 200.0) -> np.ndarray:
    """(N, 33, 4): walks to the right at 0.7 body heights a second, legs swinging once a second."""
    result = np.stack([body(height, (100 + 0.7 * height * t, 240)) for t in times])
    swing = 0.15 * height * np.sin(2 * np.pi * np.asarray(times))
    for left, share in ((25, 0.5), (27, 1.0), (29, 1.0), (31, 1.0)):
        result[:, left, 0] += share * swing
        result[:, left + 1, 0] -= share * swing
    return result.astype(np.float32)


def fall(times: np.ndarray, at: float, height: float = 200.0) -> np.ndarray:
    """(N, 33, 4): stands, from `at` on tips over within 0.8 s and stays down."""
    shares = np.clip((np.asarray(times) - at) / 0.8, 0.0, 1.0) ** 2
    return np.stack([body(height, (320 + 0.4 * height * s, 240 + 0.45 * height * s), 90 * s) for s in shares])


def recording(landmarks: np.ndarray, label: str, group: str = "", rate: float = 30.0, **more) -> Recording:
    """A recording in 640x480 of landmarks in px."""
    shares = landmarks / np.array([640, 480, 640, 1], np.float32)
    frames = np.arange(len(landmarks), dtype=np.int64)
    return Recording(label=label, frames=frames, landmarks=shares, rate=rate, group=group, **more)


def write_rows(path: Path, rows: list[str]) -> Path:
    """A recording's text with these rows below the right header."""
    path.write_text("\n".join(["," + ",".join(str(n) for n in range(132)), *rows]) + "\n", encoding="utf-8")
    return path
