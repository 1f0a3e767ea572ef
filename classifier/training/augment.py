"""Changes to windows: what another camera, a mirror or a noisier pose would see."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifier.training.settings import Augmentation
from tracker.landmarks import MIRROR

__all__ = ["augment", "mirror", "turn"]

_Float = npt.NDArray[np.float32]
_Bool = npt.NDArray[np.bool_]
_Int = npt.NDArray[np.int64]
_Numbers = npt.NDArray[np.floating]


def mirror(landmarks: _Float) -> _Float:
    """The mirror image about x = 0 of landmarks (..., 33, 4), left landmarks for right ones."""
    result = landmarks[..., MIRROR, :]
    result[..., 0] *= -1
    return result


def turn(landmarks: _Float, valid: _Bool, yaw: _Numbers, pitch: _Numbers, nearness: _Numbers) -> _Float:
    """Windows as a camera elsewhere would see them: turned about each window's middle, in perspective.

    z of BlazePose is in the scale of x, so that a pose is a body in space, as far as z can be trusted.

    Args:
        landmarks: (N, T, 33, 4) px.
        valid: (N, T).
        yaw: (N,) radians about the vertical.
        pitch: (N,) radians about the horizontal.
        nearness: (N,) share by which half a body scale towards the camera enlarges; 0 is no perspective.
    """
    x, y, z, visibility = _planes(landmarks)
    x, y, z = _turned(x, y, z, valid, yaw, pitch, nearness)
    return np.stack([x, y, z, visibility], axis=-1)


def augment(
    landmarks: _Float,
    valid: _Bool,
    random: np.random.Generator,
    strength: Augmentation | None = None,
    *,
    labels: _Int | None = None,
    mirrors: _Int | None = None,
) -> tuple[_Float, _Bool, _Int]:
    """Returns changed copies of windows, and their labels, of which a mirror makes others.

    Args:
        landmarks: (N, T, 33, 4) px.
        valid: (N, T).
        random: source of chance.
        strength: how strongly; None for the usual changes.
        labels: (N,) class numbers; None for none.
        mirrors: (C,) class of each class's mirror image, -1 for a class that must not be mirrored; None
            mirrors every class into itself.

    Returns:
        landmarks (N, T, 33, 4) with zeros where not valid, valid (N, T), labels (N,).
    """
    strength = strength or Augmentation()
    count, samples = valid.shape
    labels = np.zeros(count, np.int64) if labels is None else labels
    others = labels if mirrors is None else mirrors[labels]
    flip = (random.random(count) < strength.mirror) & (others >= 0)
    result = landmarks.copy()
    result[flip] = mirror(result[flip])
    labels = np.where(flip, others, labels)

    x, y, z, visibility = _planes(result)
    yaw, pitch = (np.radians(random.uniform(-most, most, count)) for most in (strength.yaw, strength.pitch))
    nearness = np.asarray(random.uniform(0, strength.distance, count))
    x, y, z = _turned(x, y, z, valid, yaw, pitch, nearness)
    picture = _picture(count, strength, random)[:, :, :, None, None]
    x, y = picture[:, 0, 0] * x + picture[:, 0, 1] * y, picture[:, 1, 0] * x + picture[:, 1, 1] * y

    scale = _scale(x, y, valid)
    jitter = scale * (random.random((count, 1, 1), np.float32) ** 2 * strength.noise)
    # Some joints are not seen for the whole window, and then badly placed.
    share = random.random((count, 1, 1), np.float32) * strength.dropout
    unseen = random.random((count, 1, 33), np.float32) < share
    wrong = np.where(unseen, 0.08 * scale, 0)
    ramp = np.linspace(0, 1, samples, dtype=np.float32)[None, :, None]
    for plane in (x, y):
        start, end = (jitter * random.standard_normal((count, 1, 33), np.float32) for _ in range(2))
        plane += start + wrong * random.standard_normal((count, 1, 33), np.float32)
        plane += (end - start) * ramp
        plane += jitter * random.standard_normal((count, samples, 33), np.float32)
    visibility = visibility * np.where(unseen, random.random((count, 1, 33), np.float32), 1)
    visibility = _seen(y, visibility, valid, strength, random)
    if strength.dropout:
        visibility *= 1 - 0.2 * random.random((count, 1, 1), np.float32)

    kept = _cut_and_lose(valid, strength, random)
    result = np.stack([x, y, z, visibility], axis=-1)
    result[~kept] = 0.0
    return result, kept, labels


def _planes(landmarks: _Float) -> tuple[_Float, _Float, _Float, _Float]:
    """x, y, z and visibility, each (N, T, 33) of its own: several times as fast as slices."""
    x, y, z, visibility = np.ascontiguousarray(np.moveaxis(landmarks, -1, 0), np.float32)
    return x, y, z, visibility


def _turned(
    x: _Float, y: _Float, z: _Float, valid: _Bool, yaw: _Numbers, pitch: _Numbers, nearness: _Numbers
) -> tuple[_Float, _Float, _Float]:
    weights = valid.astype(np.float32)
    count = np.maximum(weights.sum(axis=1), 1)
    middles = [
        ((plane[:, :, 23:25].mean(axis=2) * weights).sum(axis=1) / count)[:, None, None]
        for plane in (x, y, z)
    ]
    scale = _scale(x, y, valid)
    x, y, z = (plane - middle for plane, middle in zip((x, y, z), middles, strict=True))
    cosine, sine = _cosine_sine(yaw)
    x, z = x * cosine + z * sine, z * cosine - x * sine
    cosine, sine = _cosine_sine(pitch)
    y, z = y * cosine - z * sine, z * cosine + y * sine
    # z is the less the nearer.
    near = 1 - np.clip(np.asarray(nearness, np.float32)[:, None, None] / (0.5 * scale) * z, -0.4, 0.4)
    return x * near + middles[0], y * near + middles[1], z + middles[2]


def _cosine_sine(angles: _Numbers) -> tuple[_Float, _Float]:
    cosine, sine = (np.asarray(part(angles), np.float32)[:, None, None] for part in (np.cos, np.sin))
    return cosine, sine


def _seen(
    y: _Float, visibility: _Float, valid: _Bool, strength: Augmentation, random: np.random.Generator
) -> _Float:
    """Visibilities (N, T, 33) as of another pose network's doubts, and below the edge of a closer picture."""
    count = len(y)
    doubted = (random.random((count, 1, 1)) < strength.doubt) & (visibility < 0.5)
    visibility = np.where(doubted, random.random((count, 1, 33), np.float32), visibility)
    cropped = random.random((count, 1, 1)) < strength.crop
    extent = ((y.max(axis=2) - y.min(axis=2)) * valid).max(axis=1)
    weights = valid.astype(np.float32)
    shoulders = (y[:, :, 11:13].mean(axis=2) * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
    edge = (shoulders + random.uniform(0.02, 0.9, count) * extent)[:, None, None]
    return np.asarray(np.where(cropped & (y > edge), 0.1 * visibility, visibility), np.float32)


def _picture(count: int, strength: Augmentation, random: np.random.Generator) -> _Float:
    """(N, 2, 2) roll, stretch and shear of the picture."""
    angle = random.normal(0.0, np.radians(strength.roll), count)
    stretch = np.exp(random.normal(0.0, strength.stretch, count))
    shear = random.normal(0.0, strength.shear, count)
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.empty((count, 2, 2), np.float32)
    matrix[:, 0] = np.stack([cosine * stretch, -sine + shear], axis=-1)
    matrix[:, 1] = np.stack([sine * stretch, cosine], axis=-1)
    return matrix


def _scale(x: _Float, y: _Float, valid: _Bool) -> _Float:
    """(N, 1, 1) px, about the length of the torso: the largest extent of a pose over the window, by 3.2."""
    extent = np.maximum(*(plane.max(axis=2) - plane.min(axis=2) for plane in (x, y)))  # (N, T)
    largest = np.where(valid, extent, 0).max(axis=1)
    return np.maximum(largest / 3.2, 1e-3).astype(np.float32)[:, None, None]


def _cut_and_lose(valid: _Bool, strength: Augmentation, random: np.random.Generator) -> _Bool:
    count, samples = valid.shape
    young = random.random(count) < strength.young
    start = np.where(young, random.integers(0, samples * 2 // 3, count), 0)
    kept = valid & (np.arange(samples)[None] >= start[:, None])
    lost = (random.random((count, samples)) < 0.04) & (random.random((count, 1)) < 1.2 * strength.young)
    lost[:, -2:] = False
    return kept & ~lost
