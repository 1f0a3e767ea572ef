"""Windows of actions that nobody taught: made of parts of windows with different labels.

A network that has seen them says less surely what it has never seen (outlier exposure: Hendrycks et al. 2019,
Deep Anomaly Detection with Outlier Exposure).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["moves", "outliers"]

_Float = npt.NDArray[np.float32]
_Bool = npt.NDArray[np.bool_]

# Landmarks that move together, and the two whose middle they hang on.
_PARTS = (
    ((13, 15, 17, 19, 21), (11, 11)),  # left arm
    ((14, 16, 18, 20, 22), (12, 12)),  # right arm
    ((25, 27, 29, 31), (23, 23)),  # left leg
    ((26, 28, 30, 32), (24, 24)),  # right leg
    (tuple(range(11)), (11, 12)),  # head
)


_MOVING = 0.1  # body scales of deviation over a window, from which somebody is not still


def outliers(
    landmarks: _Float,
    valid: _Bool,
    labels: npt.NDArray[np.int64],
    random: np.random.Generator,
    *,
    idle: bool = False,
) -> tuple[_Float, _Bool]:
    """Makes one window of each: some limbs are those of another, or it is halfway between two.

    Args:
        landmarks: (N, T, 33, 4) px.
        valid: (N, T).
        labels: (N,) class numbers.
        random: source of chance.
        idle: some of those who move stand still instead; only where no class is to stand still.

    Returns:
        Windows with a partner of another label, (M, T, 33, 4) and (M, T); M is at most N.
    """
    partner = random.permutation(len(labels))
    different = labels != labels[partner]
    first, second = landmarks[different].copy(), landmarks[partner[different]]
    kept = valid[different] & valid[partner[different]]
    rows = kept.sum(axis=1) > 0.3 * kept.shape[1]
    first, second, kept = first[rows], second[rows], kept[rows]
    if not len(first):
        return first, kept
    other = _laid_over(second, first, kept)
    kind = random.random(len(first))
    blend = (kind < 0.35)[:, None, None, None]
    weight = random.uniform(0.35, 0.65, (len(first), 1, 1, 1)).astype(np.float32)
    mixed = np.where(blend, first * weight + other * (1 - weight), first)
    moved = (kind >= 0.35)[:, None] & (random.random((len(first), len(_PARTS))) < 0.6)
    for number, (part, (left, right)) in enumerate(_PARTS):
        places, chosen = list(part), np.flatnonzero(moved[:, number])
        joint, own = (
            (poses[chosen][:, :, [left, right], :3].mean(axis=2, keepdims=True)) for poses in (other, mixed)
        )
        grafted = other[chosen][:, :, places].copy()
        grafted[..., :3] += own - joint
        values = mixed[chosen]
        values[:, :, places] = grafted
        mixed[chosen] = values
    if idle:
        chosen = np.flatnonzero((random.random(len(mixed)) < 0.4) & (moves(first, kept) > _MOVING))
        mixed[chosen] = _still(first[chosen], kept[chosen], random)
    mixed[~kept] = 0.0
    return mixed.astype(np.float32), kept


def moves(landmarks: _Float, valid: _Bool) -> npt.NDArray[np.float64]:
    """(N,) how much the upper body, hips and knees move against the shoulders, in body scales."""
    local = landmarks[:, :, [0, 13, 14, 15, 16, 23, 24, 25, 26], :2]
    local = local - landmarks[:, :, 11:13, :2].mean(axis=2, keepdims=True)
    weights = (valid[:, :, None] * landmarks[:, :, [0, 13, 14, 15, 16, 23, 24, 25, 26], 3])[..., None]
    count = np.maximum(weights.sum(axis=1, keepdims=True), 1e-6)
    middle = (local * weights).sum(axis=1, keepdims=True) / count
    deviation = np.sqrt(((local - middle) ** 2 * weights).sum(axis=1) / count[:, 0]).max(axis=(1, 2))
    extent = np.ptp(landmarks[..., :2], axis=2).max(axis=-1)
    return np.asarray(deviation / np.maximum(np.where(valid, extent, 0).max(axis=1) / 3.2, 1e-3))


def _still(poses: _Float, valid: _Bool, random: np.random.Generator) -> _Float:
    """One pose of each window held for all of it, with the jitter of a pose network."""
    weights = valid * random.random(valid.shape)
    chosen = weights.argmax(axis=1)
    held = poses[np.arange(len(poses)), chosen][:, None].repeat(valid.shape[1], axis=1)
    size = np.ptp(held[..., 1], axis=2).max(axis=1)[:, None, None, None]
    held[..., :2] += random.normal(0, 0.004, held[..., :2].shape) * size
    return np.asarray(held, np.float32)


def _laid_over(poses: _Float, others: _Float, valid: _Bool) -> _Float:
    """The poses moved and scaled to where the others are, in the mean over each window."""
    weights = valid.astype(np.float32)[:, :, None, None]
    count = np.maximum(weights.sum(axis=1, keepdims=True), 1)

    def middle(values: _Float) -> _Float:
        centre = values[:, :, 11:13, :3].mean(axis=2, keepdims=True)
        return np.asarray((centre * weights).sum(axis=1, keepdims=True) / count)

    def size(values: _Float, centre: _Float) -> _Float:
        apart = np.abs(values[..., :2] - centre[..., :2]).max(axis=(2, 3), keepdims=True)
        return np.asarray(np.maximum((apart * weights).sum(axis=1, keepdims=True) / count, 1e-3))

    from_centre, to_centre = middle(poses), middle(others)
    scale = size(others, to_centre) / size(poses, from_centre)
    result = poses.copy()
    result[..., :3] = (poses[..., :3] - from_centre) * scale + to_centre
    return result
