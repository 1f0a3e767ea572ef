"""What the action model sees of a window: posture and motion in body lengths, gravity kept.

Everything is relative to the person: positions to the hip centre, lengths to a body scale that is one number
a window, so that a torso which points at the camera during a fall does not blow the rest up. "Up" stays the
image's up: what tells lying from standing is the direction of gravity.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["FEATURES_VERSION", "FEATURE_COUNT", "POINTS", "features"]

FEATURES_VERSION = "1"
"""Stored in every model: a model only fits the features that it was trained on."""

POINTS = (
    *(0,),  # nose
    *(11, 12, 13, 14, 15, 16),  # left and right shoulder, elbow, wrist
    *(23, 24, 25, 26, 27, 28),  # left and right hip, knee, ankle
    *(31, 32),  # left and right tip of the foot
)
"""The BlazePose landmarks used; face and fingers say little about an action at CCTV sizes."""

_GLOBALS = 29
FEATURE_COUNT = 5 * len(POINTS) + _GLOBALS
_CLIP = 5.0
_FAR = 1e5  # px; a landmark farther away is a mistake, and its square must stay finite
_SPEED = 0.25  # body lengths/s to about the range of the positions

_Array = npt.NDArray[np.float32]


def features(
    landmarks: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_], rate: float = 15.0
) -> npt.NDArray[np.float32]:
    """Computes the model's input.

    Args:
        landmarks: (N, T, 33, 4) px of the image (x, y, z) and visibility.
        valid: (N, T). A sample with a landmark that is not finite counts as not valid.
        rate: samples per second.

    Returns:
        (N, T, FEATURE_COUNT) float32 within -5..5; zeros where not valid.
    """
    used = landmarks[:, :, POINTS][..., (0, 1, 3)].astype(np.float32)
    valid = valid & np.isfinite(used).all(axis=(2, 3))
    used[~valid] = 0.0
    points = np.clip(used[..., :2], -_FAR, _FAR)
    visibility = used[..., 2]
    nose, shoulders, hips = points[:, :, 0], points[:, :, 1:3], points[:, :, 7:9]
    knees, ankles = points[:, :, 9:11], points[:, :, 11:13]
    hip, shoulder = hips.mean(axis=2), shoulders.mean(axis=2)
    scale = _scale(points, valid)

    centred = (points - hip[:, :, None]) / scale[..., None, None]
    speeds = _speed(centred, valid, rate) * _SPEED
    low, high = points.min(axis=2), points.max(axis=2)
    size = (high - low) / scale[..., None]
    torso = (shoulder - hip) / scale[..., None]
    torso_length = np.linalg.norm(torso, axis=-1)
    feet, travel = ankles.mean(axis=2), _travel(hip, valid) / scale[..., None]
    head_travel = _travel(nose, valid) / scale[..., None]
    values = (
        _speed(hip / scale[..., None], valid, rate) * _SPEED,
        _speed((low + high) / 2 / scale[..., None], valid, rate) * _SPEED,
        _speed(nose / scale[..., None], valid, rate) * _SPEED,
        size,
        _speed(size, valid, rate) * _SPEED,
        np.log((size[..., :1] + 0.1) / (size[..., 1:] + 0.1)),
        torso / np.maximum(torso_length, 0.05)[..., None],
        torso_length[..., None],
        np.linalg.norm(shoulders[:, :, 0] - shoulders[:, :, 1], axis=-1)[..., None] / scale[..., None],
        np.linalg.norm(hips[:, :, 0] - hips[:, :, 1], axis=-1)[..., None] / scale[..., None],
        (feet[..., 1:] - nose[..., 1:]) / scale[..., None],
        (feet[..., 1:] - hip[..., 1:]) / scale[..., None],
        _cosine(hips, knees, ankles),
        _cosine(shoulders, hips, knees),
        _cosine(shoulders, points[:, :, 3:5], points[:, :, 5:7]),
        travel,
        head_travel[..., 1:],
        visibility.mean(axis=-1, keepdims=True),
        valid[..., None].astype(np.float32),
    )
    flat = (*valid.shape, -1)
    result = np.concatenate(
        (centred.reshape(flat), visibility - 0.5, speeds.reshape(flat), *values), axis=-1, dtype=np.float32
    )
    np.clip(result, -_CLIP, _CLIP, out=result)
    result[~valid] = 0.0
    return result


def _scale(points: _Array, valid: npt.NDArray[np.bool_]) -> _Array:
    """(N, 1) body scale in px: about the length of the torso seen from the side.

    Per frame the longest of torso, legs and shoulders in units of the torso (a part that points at the camera
    is short, never long), then the 80th percentile over the window against outliers.
    """

    def length(a: int, b: int) -> _Array:
        return np.asarray(np.linalg.norm(points[:, :, a] - points[:, :, b], axis=-1), np.float32)

    middle = (points[:, :, 1] + points[:, :, 2] - points[:, :, 7] - points[:, :, 8]) / 2
    torso = np.linalg.norm(middle, axis=-1)
    thigh = (length(7, 9) + length(8, 10)) / 2
    shin = (length(9, 11) + length(10, 12)) / 2
    frames = np.maximum.reduce([torso, 1.1 * thigh, 1.15 * shin, 1.2 * length(1, 2)])
    ordered = np.sort(np.where(valid, frames, np.inf), axis=1)
    last = np.maximum(valid.sum(axis=1) - 1, 0)
    chosen = np.take_along_axis(ordered, (0.8 * last).astype(np.int64)[:, None], axis=1)
    return np.where(np.isfinite(chosen), np.maximum(chosen, 2.0), 1.0).astype(np.float32)


def _speed(values: _Array, valid: npt.NDArray[np.bool_], rate: float) -> _Array:
    """Central difference over time (one-sided at the last sample), per second; zero beside the invalid."""
    result = np.zeros_like(values)
    result[:, 1:-1] = (values[:, 2:] - values[:, :-2]) * (rate / 2)
    result[:, -1] = (values[:, -1] - values[:, -2]) * rate
    known = np.zeros_like(valid)
    known[:, 1:-1] = valid[:, 2:] & valid[:, :-2]
    known[:, -1] = valid[:, -1] & valid[:, -2]
    result[~known] = 0.0
    return result


def _travel(values: _Array, valid: npt.NDArray[np.bool_]) -> _Array:
    """Displacement since the window's first valid sample."""
    first = valid.argmax(axis=1)[:, None, None]
    return np.asarray(values - np.take_along_axis(values, first, axis=1), np.float32)


def _cosine(a: _Array, b: _Array, c: _Array) -> _Array:
    """Cosine of the angle at b, (N, T, 2) for the left and the right side; -1 is a straight limb."""
    u, v = a - b, c - b
    norms = np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1)
    return np.asarray((u * v).sum(axis=-1) / np.maximum(norms, 1e-3), np.float32)
