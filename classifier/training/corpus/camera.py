"""Sees bodies with made-up CCTV cameras and gives what a pose network would have made of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from classifier.training.corpus.body import Body, smooth_noise

__all__ = ["Camera", "close_camera", "random_camera", "see", "self_occlusion", "steep_camera"]

_SIZES = ((640, 480), (1280, 720), (1920, 1080), (320, 240))
_OCCLUDERS = (  # ends of a limb as landmark pairs to average, radius in m, landmarks that it never hides
    ((11, 12), (23, 24), 0.13, ()),
    ((0, 0), (7, 8), 0.08, tuple(range(11))),
    ((23, 23), (25, 25), 0.07, (11, 12, 23, 24, 25)),
    ((24, 24), (26, 26), 0.07, (11, 12, 23, 24, 26)),
)


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera: position in m; axes (3, 3) right, down, forward; focal length and size in px."""

    position: Body
    axes: Body
    focal: float
    width: int
    height: int

    def project(self, points: Body) -> tuple[Body, Body]:
        """Pixels (..., 2) and depth (...) in m of points (..., 3)."""
        local = (points - self.position) @ self.axes.T
        depth = np.maximum(local[..., 2], 0.3)
        middle = np.array([self.width / 2, self.height / 2])
        return local[..., :2] / depth[..., None] * self.focal + middle, depth


def random_camera(body: Body, random: np.random.Generator) -> Camera:
    """A camera 0.5-5 m high, 2.5-11 m away, from any side, that has the body's way in its picture."""
    width, height = _SIZES[random.integers(len(_SIZES))]
    hips = body[:, 23:25].mean(axis=1)
    centre = np.array([np.median(hips[:, 0]), 0.8, np.median(hips[:, 2])])
    high, away = random.uniform(1.2, 5.0), random.uniform(2.5, 11.0)
    if random.random() < 0.2:  # on a shelf, a table
        high = random.uniform(0.5, 1.2)
    side = random.uniform(0, 2 * np.pi)
    position = centre + np.array([away * np.cos(side), high - 0.8, away * np.sin(side)])
    focal = width / 2 / np.tan(np.radians(random.uniform(50, 95)) / 2)
    reach = max(0.1, np.linalg.norm(centre - position) * width / 2 / focal - 1.2)
    aside = np.array([-np.sin(side), 0.0, np.cos(side)])
    target = centre + aside * random.uniform(-0.7, 0.7) * reach + np.array([0, random.uniform(-0.6, 0.5), 0])
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    roll = random.normal(0, np.radians(2.5))
    right, down = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right
    return Camera(position, np.stack([right, down, forward]), focal, width, height)


def close_camera(body: Body, random: np.random.Generator) -> Camera:
    """A webcam or a camera over a counter: before the person, with head and chest in its picture."""
    width, height = _SIZES[random.integers(3)]
    chest = np.median(body[:, [0, 11, 12]].mean(axis=1), axis=0)
    left = np.median(body[:, 11] - body[:, 12], axis=0) * np.array([1.0, 0.0, 1.0])
    ahead = np.arctan2(left[0], -left[2]) + random.normal(0, 0.5)
    away = random.uniform(0.6, 1.6)
    position = chest + np.array([away * np.cos(ahead), random.uniform(-0.2, 0.5), away * np.sin(ahead)])
    target = chest + random.uniform(-0.25, 0.1) * np.array([0.0, 1.0, 0.0])
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    focal = width / 2 / np.tan(np.radians(random.uniform(50, 75)) / 2)
    return Camera(position, np.stack([right, np.cross(forward, right), forward]), focal, width, height)


def steep_camera(body: Body, random: np.random.Generator) -> Camera:
    """A camera under the ceiling, 2.6-5 m high and 0.8-3 m away, that looks down on the body's way."""
    width, height = ((640, 480), (1280, 720), (1920, 1080))[random.integers(3)]
    hips = body[:, 23:25].mean(axis=1)
    target = np.array([np.median(hips[:, 0]), random.uniform(0.5, 1.1), np.median(hips[:, 2])])
    side, away = random.uniform(0, 2 * np.pi), random.uniform(0.8, 3.0)
    position = np.array(
        [target[0] + away * np.cos(side), random.uniform(2.6, 5.0), target[2] + away * np.sin(side)]
    )
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    focal = width / 2 / np.tan(np.radians(random.uniform(70, 110)) / 2)
    return Camera(position, np.stack([right, np.cross(forward, right), forward]), focal, width, height)


def see(
    body: Body, camera: Camera, random: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Landmarks as the recording format has them, and the frames in which the person is in the picture.

    Returns:
        landmarks (T, 33, 4) float32 (x and y in 0..1, z in the scale of x, visibility), seen (T,) bool.
    """
    pixels, depth = camera.project(body)
    hidden: npt.NDArray[np.bool_] = np.asarray(self_occlusion(pixels, depth, camera.focal) > 0.5)
    size = np.array([camera.width, camera.height])
    outside: npt.NDArray[np.bool_] = np.asarray(((pixels < 0) | (pixels >= size)).any(axis=-1))
    hidden = hidden | outside
    if random.random() < 0.12:  # behind a desk, a counter, a car
        hidden[:, 25:] = True
    torso = 0.5 * camera.focal / depth[:, 23:25].mean(axis=1)  # px
    pixels = pixels + _noise(body, hidden, torso, random) * np.where(outside, 3.0, 1.0)[..., None]
    visibility = np.where(hidden, random.uniform(0.05, 0.7, (1, 33)), random.uniform(0.9, 1.0, (1, 33)))
    visibility[:, [11, 12, 23, 24]] = np.maximum(visibility[:, [11, 12, 23, 24]], 0.85)
    # Outside of the picture BlazePose says so, after a narrow margin.
    beyond = np.maximum(-pixels, pixels - size).max(axis=-1) / np.maximum(torso, 1.0)[:, None]
    visibility *= np.exp(-np.clip(beyond, 0.0, None) / 0.08)
    visibility = gaussian_filter1d(visibility, 2.0, axis=0, mode="nearest")
    visibility = np.clip(visibility + random.normal(0, 0.02, visibility.shape), 0.0, 1.0)
    hips_depth = depth[:, 23:25].mean(axis=1, keepdims=True)
    relative = (depth - hips_depth) * camera.focal / hips_depth / camera.width
    relative += smooth_noise(random, relative.shape, 3.0) * (0.15 * torso / camera.width)[:, None]
    landmarks = np.concatenate([pixels / size, relative[..., None], visibility[..., None]], axis=-1)
    seen = (outside[:, [0, 11, 12]].mean(axis=1) < 0.5) | (outside[:, 23:29].mean(axis=1) < 0.3)
    seen &= torso > 8
    return landmarks.astype(np.float32), seen


def self_occlusion(pixels: Body, depth: Body, focal: float) -> Body:
    """(T, 33): 1 where the torso, the head or a thigh is between the camera and the landmark."""
    hidden = np.zeros(depth.shape)
    for first, last, radius, never in _OCCLUDERS:
        start, end = pixels[:, first].mean(axis=1), pixels[:, last].mean(axis=1)
        near, far = depth[:, first].mean(axis=1), depth[:, last].mean(axis=1)
        along = end - start
        share = ((pixels - start[:, None]) * along[:, None]).sum(-1)
        share = np.clip(share / np.maximum((along**2).sum(-1), 1.0)[:, None], 0, 1)
        distance = np.linalg.norm(pixels - start[:, None] - share[..., None] * along[:, None], axis=-1)
        front = near[:, None] + share * (far - near)[:, None]
        behind = (depth > front + 0.1) & (distance < radius * focal / front)
        behind[:, list(never)] = False
        hidden = np.maximum(hidden, behind)
    return gaussian_filter1d(hidden, 1.5, axis=0, mode="nearest")


def _noise(body: Body, hidden: npt.NDArray[np.bool_], torso: Body, random: np.random.Generator) -> Body:
    """(T, 33, 2) px: white and slow jitter, more for hidden landmarks, for the lying and for the small."""
    count = len(body)
    strength = random.uniform(0.01, 0.06) * torso + random.uniform(0.2, 0.9)
    upright = (body[:, 11:13, 1].mean(axis=1) - body[:, 23:25, 1].mean(axis=1)) > 0.2
    strength = gaussian_filter1d(np.where(upright, strength, 1.7 * strength), 3.0, mode="nearest")
    factor = gaussian_filter1d(np.where(hidden, 3.0, 1.0), 2.0, axis=0, mode="nearest")
    white = random.standard_normal((count, 33, 2)) * 0.45
    slow = smooth_noise(random, (count, 33, 2), 6.0) + 0.5 * random.standard_normal((1, 33, 2))
    whole = smooth_noise(random, (count, 1, 2), 4.0) * 0.4
    return np.asarray((white + slow + whole) * (factor * strength[:, None])[..., None])
