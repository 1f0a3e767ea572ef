"""What the action model sees of a window: posture and motion in body lengths, gravity kept.

Everything is relative to the person: positions to the middle of the shoulders, which are in the picture
where the hips are not; lengths to a body scale that is one number a window, so that a torso which points at
the camera during a fall does not blow the rest up. What is hardly visible (of a webcam's view, everything
below the chest) counts for nothing, instead of where the pose network guesses it. "Up" stays the image's up:
what tells lying from standing is the direction of gravity.

Of each sample `sample_features` gives what only depends on it and the one two samples before, in px, so that
it can be kept while windows move on; `window_features` does what depends on the whole window.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    "FEATURES_VERSION",
    "FEATURE_COUNT",
    "GROUPS",
    "LAG",
    "POINTS",
    "features",
    "gate",
    "sample_features",
    "usable",
    "window_features",
]

FEATURES_VERSION = "2"
"""Stored in every model: a model only fits the features that it was trained on."""

POINTS = (
    *(0, 7, 8),  # nose, left and right ear
    *(11, 12, 13, 14, 15, 16),  # left and right shoulder, elbow, wrist
    *(23, 24, 25, 26, 27, 28),  # left and right hip, knee, ankle
)
"""The BlazePose landmarks used; the rest of the face, fingers and toes say little at CCTV sizes."""

LAG = 2
"""Samples over which speeds are taken."""

_NUMBER = len(POINTS)


def _groups() -> dict[str, range]:
    sizes = {
        # in px, to be divided by the scale
        "position": 2 * _NUMBER,
        "speed": 2 * _NUMBER,
        "body speed": 6,  # of shoulders, hips and box
        "size": 5,  # width and height of the box, torso, width of shoulders and hips
        "size speed": 2,
        "foreshortening": 1,
        "depth": _NUMBER,
        "travel": 2,
        # as they are
        "visibility": _NUMBER,
        "direction": 6,  # of torso and forearms
        "angle": 8,  # knees, hips, elbows, shoulders
        "aspect": 1,
        "valid": 1,
    }
    groups, start = {}, 0
    for name, size in sizes.items():
        groups[name] = range(start, start + size)
        start += size
    return groups


GROUPS = _groups()
"""Columns of each kind of feature."""

FEATURE_COUNT = GROUPS["valid"].stop
_LENGTHS = GROUPS["travel"].stop  # columns in px
_TRAVEL = slice(GROUPS["travel"].start, GROUPS["travel"].stop)
_SPEEDS = (slice(GROUPS["speed"].start, GROUPS["body speed"].stop),
           slice(GROUPS["size speed"].start, GROUPS["size speed"].stop))  # fmt: skip
_CLIP = 5.0
_FAR = 1e5  # px; a landmark farther away is a mistake, and its square must stay finite
_SPEED = 0.25  # body lengths/s to about the range of the positions
_SHOULDERS, _HIPS = slice(3, 5), slice(9, 11)

_Array = npt.NDArray[np.float32]
_Bool = npt.NDArray[np.bool_]


def features(landmarks: _Array, valid: _Bool, rate: float = 15.0) -> _Array:
    """Computes the model's input.

    Args:
        landmarks: (N, T, 33, 4) px of the image (x, y, z) and visibility.
        valid: (N, T). A sample with a landmark that is not finite counts as not valid.
        rate: samples per second.

    Returns:
        (N, T, FEATURE_COUNT) float32 within -5..5; zeros where not valid.
    """
    points, fine = usable(landmarks[:, :, POINTS])
    valid = valid & fine
    before = np.zeros_like(points)
    before[:, LAG:] = points[:, :-LAG]
    known = np.zeros_like(valid)
    known[:, LAG:] = valid[:, LAG:] & valid[:, :-LAG]
    flat = (-1, _NUMBER, 4)
    values, lengths = sample_features(points.reshape(flat), before.reshape(flat), known.reshape(-1), rate)
    return window_features(values.reshape(*valid.shape, -1), lengths.reshape(valid.shape), valid)


def usable(points: _Array) -> tuple[_Array, _Bool]:
    """Points (..., P, 4) without what is not finite, and (...) whether all of a pose is."""
    points = np.asarray(points, np.float32)
    fine: _Bool = np.asarray(np.isfinite(points).all(axis=(-2, -1)))
    return np.clip(np.where(fine[..., None, None], points, np.float32(0.0)), -_FAR, _FAR), fine


def gate(visibility: _Array) -> _Array:
    """How much a landmark counts: 0 up to a visibility of 0.1, rising to 1 at 0.5.

    Outside of the picture and behind things BlazePose gives up to 0.1 (webcams: hips 0.00-0.02, hands that
    hang down 0.04-0.16) and lets such landmarks swim; from 0.5 it means them.
    """
    return np.asarray(np.clip(np.float32(2.5) * visibility - np.float32(0.25), 0.0, 1.0))


def sample_features(now: _Array, before: _Array, known: _Bool, rate: float) -> tuple[_Array, _Array]:
    """Computes what does not depend on the rest of the window.

    Args:
        now: (M, P, 4) samples, as `usable` gives them.
        before: (M, P, 4) those `LAG` samples before.
        known: (M,) whether both are valid: else the speeds are 0.
        rate: samples per second.

    Returns:
        (M, FEATURE_COUNT) float32 with lengths in px, and (M,) each sample's own body scale in px.
    """
    count = len(now)
    result = np.empty((count, FEATURE_COUNT), np.float32)
    # Both times at once: half as many calls.
    both = np.stack((now, before))
    places, weights = both[..., :2], gate(both[..., 3])
    centre = (places[:, :, 3] + places[:, :, 4]) * np.float32(0.5)
    hip = (places[:, :, 9] + places[:, :, 10]) * np.float32(0.5)
    relative = places - centre[:, :, None]
    seen = relative * weights[..., None]
    low, high = seen.min(axis=2), seen.max(axis=2)
    size, middle = high - low, (high + low) * np.float32(0.5) + centre
    weight = weights[0]
    hips_weight = (weight[:, 9:10] + weight[:, 10:11]) * np.float32(0.5)
    faster = np.where(known, np.float32(_SPEED * rate / LAG), np.float32(0.0))[:, None]

    def put(name: str, *parts: _Array) -> None:
        column = GROUPS[name].start
        for part in parts:
            flat = part.reshape(count, -1)
            result[:, column : column + flat.shape[1]] = flat
            column += flat.shape[1]

    torso = centre[0] - hip[0]
    torso_length = _length(torso)
    widths = _length(now[:, (3, 9), :2] - now[:, (4, 10), :2])
    lengths = _own_scale(now, torso_length, widths[:, 0], weight, hips_weight[:, 0])
    put("position", seen[0])
    put("speed", (relative[0] - relative[1]) * (weight * faster)[..., None])
    put(
        "body speed",
        (centre[0] - centre[1]) * faster,
        (hip[0] - hip[1]) * (faster * hips_weight),
        (middle[0] - middle[1]) * faster,
    )
    put("size", size[0], torso_length[:, None] * hips_weight, widths[:, :1], widths[:, 1:] * hips_weight)
    put("size speed", (size[0] - size[1]) * faster)
    put("foreshortening", lengths)
    depth = now[..., 2]
    put("depth", (depth - (depth[:, 3:4] + depth[:, 4:5]) * np.float32(0.5)) * weight)
    put("travel", centre[0])
    put("visibility", now[..., 3] - np.float32(0.5))
    forearms = places[0][:, 7:9] - places[0][:, 5:7]
    put(
        "direction",
        _unit(torso) * hips_weight,
        _unit(forearms) * np.minimum(weight[:, 5:7], weight[:, 7:9])[..., None],
    )
    put("angle", _angles(places[0], weight))
    margin = np.float32(0.1) * lengths + np.float32(1e-3)
    put("aspect", np.log((size[0, :, 0] + margin) / (size[0, :, 1] + margin)))
    put("valid", np.ones(count, np.float32))
    return result, lengths


def window_features(values: _Array, lengths: _Array, valid: _Bool) -> _Array:
    """Puts the samples of windows into their scale.

    Args:
        values: (N, T, FEATURE_COUNT) from `sample_features`; changed in place.
        lengths: (N, T) px from `sample_features`.
        valid: (N, T).

    Returns:
        `values`, within -5..5 and zero where not valid.
    """
    factor = (np.float32(1.0) / _scale(lengths, valid))[:, None, None]
    first = valid.argmax(axis=1)
    values[..., _TRAVEL] -= values[np.arange(len(values)), first, _TRAVEL][:, None]
    values[..., :_LENGTHS] *= factor
    for columns in _SPEEDS:  # what was before the window does not count
        values[:, :LAG, columns] = 0.0
    np.clip(values, -_CLIP, _CLIP, out=values)
    values[~valid] = 0.0
    return values


def _scale(lengths: _Array, valid: _Bool) -> _Array:
    """(N,) body scale of windows in px, about the length of the torso: the samples' 80th percentile."""
    ordered = np.sort(np.where(valid, lengths, np.float32(np.inf)), axis=1)
    last = np.maximum(valid.sum(axis=1) - 1, 0)
    chosen = ordered[np.arange(len(ordered)), (0.8 * last).astype(np.int64)]
    return np.where(np.isfinite(chosen), np.maximum(chosen, np.float32(2.0)), np.float32(1.0))


def _own_scale(now: _Array, torso: _Array, shoulders: _Array, weight: _Array, hips_weight: _Array) -> _Array:
    """(M,) px: the longest of the parts that are seen, in units of the torso.

    A part that points at the camera is short, never long. Proportions of adults.
    """
    lower = now[:, 9:13, :2] - now[:, 11:15, :2]  # thighs and shins, left and right
    limbs = _length(lower) * np.minimum(weight[:, 9:13], weight[:, 11:15])
    thigh = (limbs[:, 0] + limbs[:, 1]) * np.float32(0.55)
    shin = (limbs[:, 2] + limbs[:, 3]) * np.float32(0.575)
    head = _length(now[:, 0, :2] - (now[:, 3, :2] + now[:, 4, :2]) * np.float32(0.5))
    longest = np.maximum(torso * hips_weight, np.maximum(thigh, shin))
    upper: _Array = np.maximum(np.float32(1.2) * shoulders, np.float32(1.9) * head)
    return np.asarray(np.maximum(longest, upper))


_ANGLES = np.array(  # the joint in the middle
    [(9, 11, 13), (10, 12, 14), (3, 9, 11), (4, 10, 12), (3, 5, 7), (4, 6, 8), (5, 3, 9), (6, 4, 10)]
)


def _angles(points: _Array, weight: _Array) -> _Array:
    """(M, 8) cosines, -1 where a limb is straight, 0 where it is not seen."""
    u = points[:, _ANGLES[:, 0]] - points[:, _ANGLES[:, 1]]
    v = points[:, _ANGLES[:, 2]] - points[:, _ANGLES[:, 1]]
    dot = u[..., 0] * v[..., 0] + u[..., 1] * v[..., 1]
    cosines = dot / np.maximum(_length(u) * _length(v), np.float32(1e-3))
    seen: _Array = weight[:, _ANGLES].min(axis=2)
    return np.asarray(cosines * seen)


def _length(vectors: _Array) -> _Array:
    return np.asarray(np.sqrt(vectors[..., 0] * vectors[..., 0] + vectors[..., 1] * vectors[..., 1]))


def _unit(vectors: _Array) -> _Array:
    return np.asarray(vectors / np.maximum(_length(vectors), np.float32(1e-3))[..., None])
