"""Bodies in metres: 33 BlazePose landmarks made from the joints of motion capture or Kinect skeletons.

A body is (T, 33, 3) float64 at 30 Hz: x and z on the floor, y up, the floor at 0, right-handed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

__all__ = [
    "RATE",
    "Body",
    "from_joints",
    "normalised",
    "on_floor",
    "rotate_about",
    "rotation",
    "smooth_noise",
]

Body = npt.NDArray[np.float64]
RATE = 30.0

_FACE = (  # landmark, forward, left, up from the head's centre in m (adult means)
    (0, 0.115, 0.0, -0.02),
    (1, 0.095, 0.018, 0.02),
    (2, 0.09, 0.033, 0.02),
    (3, 0.08, 0.047, 0.02),
    (4, 0.095, -0.018, 0.02),
    (5, 0.09, -0.033, 0.02),
    (6, 0.08, -0.047, 0.02),
    (7, 0.0, 0.075, 0.0),
    (8, 0.0, -0.075, 0.0),
    (9, 0.095, 0.026, -0.06),
    (10, 0.095, -0.026, -0.06),
)


def normalised(vectors: Body) -> Body:
    """Unit vectors along the last axis; zero stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9))


def from_joints(joints: Mapping[str, Body], *, feet: bool) -> Body:
    """Builds the landmarks.

    Args:
        joints: head (centre), neck, and left_/right_ shoulder, elbow, wrist, hip, knee, ankle, foot; (T, 3).
        feet: whether the foot joints can be trusted; else the feet point where the hips do.
    """
    body = np.zeros((len(joints["head"]), 33, 3))
    for first, name in (
        (11, "shoulder"),
        (13, "elbow"),
        (15, "wrist"),
        (23, "hip"),
        (25, "knee"),
        (27, "ankle"),
    ):
        body[:, first], body[:, first + 1] = joints[f"left_{name}"], joints[f"right_{name}"]
    hips = (body[:, 23] + body[:, 24]) / 2
    left = normalised(body[:, 11] - body[:, 12])
    forward = normalised(np.cross(left, normalised(joints["neck"] - hips)))
    head_up = normalised(joints["head"] - joints["neck"])
    head_forward = normalised(forward - (forward * head_up).sum(-1, keepdims=True) * head_up)
    head_left = np.cross(head_up, head_forward)
    for landmark, ahead, aside, above in _FACE:
        body[:, landmark] = joints["head"] + ahead * head_forward + aside * head_left + above * head_up
    hips_forward = normalised(
        np.cross(normalised(body[:, 23] - body[:, 24]), normalised(joints["neck"] - hips))
    )
    for side, name in enumerate(("left", "right")):
        along = normalised(body[:, 15 + side] - body[:, 13 + side])
        across = normalised(np.cross(along, forward)) * 0.025
        wrist = body[:, 15 + side]
        body[:, 17 + side] = wrist + 0.085 * along - across
        body[:, 19 + side] = wrist + 0.095 * along + across
        body[:, 21 + side] = wrist + 0.045 * along + 1.4 * across
        ankle = body[:, 27 + side]
        shin = normalised(ankle - body[:, 25 + side])
        toes = normalised(joints[f"{name}_foot"] - ankle) if feet else normalised(hips_forward + 0.15 * shin)
        body[:, 29 + side] = ankle - 0.045 * toes + 0.05 * shin
        body[:, 31 + side] = ankle + 0.15 * toes + 0.04 * shin
    return body


def on_floor(body: Body) -> Body:
    """The body with its lowest feet on the floor (5th percentile over the take) and centred in x and z."""
    low = np.percentile(body[:, 27:33, 1].min(axis=1), 5)
    middle = body[:, 23:25].mean(axis=(0, 1))
    return np.asarray(body - np.array([middle[0], low, middle[2]]))


def rotation(axis: Body, angles: Body) -> Body:
    """(..., 3, 3) rotation matrices about an axis (..., 3) by angles (...) in radians (Rodrigues)."""
    x, y, z = np.moveaxis(normalised(np.broadcast_to(axis, (*np.shape(angles), 3))), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    sine, cosine = np.sin(angles)[..., None, None], np.cos(angles)[..., None, None]
    return np.asarray(np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross))


def rotate_about(points: Body, pivot: Body, axis: Body, angles: Body) -> Body:
    """Rotates points (T, K, 3) about pivots (T, 3) by angles (T,)."""
    turned = np.einsum("tij,tkj->tki", rotation(axis, angles), points - pivot[:, None])
    return np.asarray(turned + pivot[:, None])


def smooth_noise(random: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Body:
    """Noise of unit deviation, smooth over the first axis with `sigma` frames."""
    pad = int(4 * sigma)
    noise = random.standard_normal((shape[0] + 2 * pad, *shape[1:]))
    smooth = gaussian_filter1d(noise, sigma, axis=0)[pad : pad + shape[0]]
    return np.asarray(smooth * np.sqrt(2 * np.sqrt(np.pi) * sigma))
