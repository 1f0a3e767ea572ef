"""Sequences for training and measuring: parts of clean takes as cameras of any frame rate see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker.landmarks import MIRROR
from tracker.training.refiner.takes import Takes

__all__ = ["Sequences", "draw", "whole"]

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

_SHARES: Mapping[str, float] = {"falling": 2.0, "walking": 2.0, "running": 1.5, "standing": 0.7}
_FOOTAGE = 0.2  # share of sequences from footage: there is little, but its bodies are BlazePose's own
_RATES = (5.0, 30.0)  # frames a second of the cameras


@dataclass(frozen=True, slots=True)
class Sequences:
    """B sequences of T frames, in body heights from the first frame's centre.

    Attributes:
        points: (B, T, 33, 2) float32.
        visible: (B, T, 33) bool, in view.
        known: (B, T, 33) bool, `points` is the truth.
        seconds: (B, T) float32 since the frame before; the first one's counts as an interval, too.
    """

    points: Floats
    visible: Bools
    known: Bools
    seconds: Floats


def draw(takes: Takes, batch: int, length: int, random: np.random.Generator) -> Sequences:
    """Random parts of random takes, mirrored, turned and seen at random frame rates with frames missing.

    A take that is too short goes back and forth.
    """
    footage = np.array([not group.startswith(("hdm05", "utkinect", "msr")) for group in takes.groups])
    weights = takes.counts * np.array([_SHARES.get(str(label), 1.0) for label in takes.labels])
    if footage.any() and not footage.all():
        share = weights[footage].sum() / weights.sum()
        weights = weights * np.where(footage, _FOOTAGE / share, (1 - _FOOTAGE) / (1 - share))
    chosen = random.choice(len(takes), batch, p=weights / weights.sum())
    seconds = _intervals(batch, length, random)
    ticks = np.maximum(np.rint(np.cumsum(seconds, axis=1) * takes.rate).astype(np.int64), 0)
    counts = takes.counts[chosen][:, None]
    first = (random.random((batch, 1)) * counts).astype(np.int64)
    period = np.maximum(2 * (counts - 1), 1)
    place = (first + ticks) % period
    place = np.where(place < counts, place, period - place)
    frames = takes.starts[chosen][:, None] + place
    passed = np.diff(
        ticks, axis=1, prepend=ticks[:, :1] - np.rint(seconds[:, :1] * takes.rate).astype(np.int64)
    )
    # What a clock says differs a little from when the picture was taken.
    seconds = np.maximum(passed / takes.rate + random.normal(0.0, 0.002, passed.shape), 0.005)
    points, visible, known = takes.points[frames], takes.visible[frames], takes.known[frames]
    points = _in_heights(points, known)
    mirrored = random.random(batch) < 0.5
    points[mirrored] = points[mirrored][:, :, MIRROR] * np.array([-1.0, 1.0], np.float32)
    visible[mirrored], known[mirrored] = visible[mirrored][..., MIRROR], known[mirrored][..., MIRROR]
    points = _turned(points, random) + _travel(seconds, random)
    return Sequences(points, visible, known, seconds.astype(np.float32))


def whole(takes: Takes, number: int, step: int = 1) -> Sequences:
    """One take from its first frame to its last, every `step`-th frame, as a batch of one."""
    frames = takes.starts[number] + np.arange(0, takes.counts[number], step)
    points, known = takes.points[frames][None], takes.known[frames][None]
    seconds = np.full((1, len(frames)), step / takes.rate, np.float32)
    return Sequences(_in_heights(points, known), takes.visible[frames][None], known, seconds)


def _intervals(batch: int, length: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """(B, T) seconds: a rate of 5-30 a second with frames missing, at times for up to a second."""
    low, high = np.log(_RATES)
    interval = np.exp(-random.uniform(low, high, (batch, 1)))
    even = random.random((batch, 1)) < 0.5  # a whole number of frames of a 30 Hz camera
    interval = np.where(even, np.ceil(interval * 30.0 - 0.5) / 30.0, interval)
    missing = random.geometric(1 - random.choice([0.0, 0.05, 0.2], (batch, 1)), (batch, length))
    seconds = np.asarray(interval * missing, np.float64)
    rows = np.flatnonzero(random.random(batch) < 0.1)
    gaps = random.uniform(0.2, 0.9, len(rows))
    places = random.integers(1, length, len(rows))
    seconds[rows, places] = seconds[rows, places] + gaps
    return np.asarray(np.clip(seconds, 1 / 30, 1.0))


def _in_heights(points: Floats, known: Bools) -> Floats:
    """Pixels in body heights: the longer side of the landmarks' box, the tallest tenth of the sequence."""
    low = np.where(known[..., None], points, np.inf).min(axis=2)
    high = np.where(known[..., None], points, -np.inf).max(axis=2)
    sides = (high - low).max(axis=-1)
    sides = np.where(np.isfinite(sides), sides, 0.0)
    height = np.maximum(np.percentile(sides, 90, axis=1), 1.0)[:, None, None, None]
    return np.asarray((points - points[:, :1].mean(axis=2, keepdims=True)) / height, np.float32)


def _turned(points: Floats, random: np.random.Generator) -> Floats:
    """Turned a little as cameras are tilted, some by any angle, and stretched a little."""
    batch = len(points)
    angle = np.where(
        random.random(batch) < 0.3, random.uniform(-np.pi, np.pi, batch), random.normal(0.0, 0.12, batch)
    )
    cosine, sine = np.cos(angle), np.sin(angle)
    stretch = np.exp(random.uniform(-0.12, 0.12, batch))
    matrix = np.stack([cosine * stretch, -sine / stretch, sine * stretch, cosine / stretch], axis=-1)
    return np.einsum("bij,btpj->btpi", matrix.reshape(batch, 2, 2), points).astype(np.float32)


def _travel(seconds: npt.NDArray[np.float64], random: np.random.Generator) -> Floats:
    """(B, T, 1, 2) a way across the picture: the sources mostly act on the spot, which people seldom do."""
    batch = len(seconds)
    speed = random.normal(0.0, 0.5, (batch, 1, 2)) * (random.random((batch, 1, 1)) < 0.6)
    way = np.cumsum(seconds, axis=1)[..., None] * speed
    return np.asarray(way[:, :, None], np.float32)
