"""Fits the judge on windows of labelled clips, and judges clips as an alert rule does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from classifier.fights.model import shares_of
from classifier.fights.motion import energy_of
from classifier.training.fights.clips import INTERVAL, STRIDES, Look
from classifier.training.fights.network import CHANNELS, FLOOR, FightJudge

__all__ = ["LEAST", "SECONDS", "SHORTEST", "Windows", "fit_judge", "folds_of", "windows_of"]

SECONDS = 2.0
"""Of looks that are judged together."""

LEAST = 4
"""Looks from which is judged."""

SHORTEST = 0.6
"""Seconds of looks from which is judged."""

_TAUGHT = 0.9  # seconds from which a window is taught
_USUAL = math.log(INTERVAL)
_DECAY = 200.0  # strength of the prior on the weights (C = 1 / 200)


@dataclass(frozen=True, slots=True)
class Windows:
    """What a clip looks like over time, in each view and stride; rows (N, 769), one for each end of a window.

    Attributes:
        name: of the clip.
        fight: its label.
        source: clips of one source share a scene.
        views: the rows; the first ones are the clip as it is.
        spans: for each of them (N,) seconds of the windows.
        times: for each of them (N,) seconds of their ends.
    """

    name: str
    fight: bool
    source: str
    views: list[npt.NDArray[np.float32]]
    spans: list[npt.NDArray[np.float64]]
    times: list[npt.NDArray[np.float64]]


Rows = tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.float64]]


def windows_of(looks: Sequence[Look], every: int = 1) -> Rows:
    """Rows (N, 769) of the windows up to each look, as `network.described` has them, their spans and ends.

    Args:
        looks: at a clip.
        every: only every so manieth window.
    """
    times = np.array([at for at, _, _ in looks])
    rows: list[npt.NDArray[np.float64]] = []
    spans: list[float] = []
    ends: list[float] = []
    if len(looks) >= LEAST:
        cells = np.stack([one for _, _, one in looks])
        grid = cells.shape[2:]
        cells = cells.reshape(len(looks), CHANNELS, -1)
        change = np.abs(np.diff(cells, axis=0))
        largest = change.max(axis=2)
    for end in range(LEAST, len(looks) + 1, every):
        start = int(np.searchsorted(times, times[end - 1] - SECONDS - 1e-6))
        span = float(times[end - 1] - times[start])
        if end - start < LEAST or span < SHORTEST - 1e-6:
            continue
        weights = shares_of(energy_of([glance for _, glance, _ in looks[start:end]]), grid).ravel()
        changed = change[start : end - 1].mean(axis=0) @ weights
        spread = cells[start:end].std(axis=0) @ weights
        interval = np.array([span / (end - start - 1)])
        parts = (changed, largest[start : end - 1].mean(axis=0), spread)
        rows.append(np.concatenate([*(np.log(part + FLOOR) for part in parts), np.log(interval)]))
        spans.append(span)
        ends.append(float(times[end - 1]))
    found = np.array(rows, np.float32).reshape(-1, 3 * CHANNELS + 1)
    return found, np.array(spans), np.array(ends)


def folds_of(clips: Sequence[Windows], count: int, seed: int) -> npt.NDArray[np.int64]:
    """(N,) fold of each clip: whole sources, the large ones first, each to the smallest fold."""
    random = np.random.default_rng(seed)
    sources = sorted({clip.source for clip in clips})
    sizes = {source: sum(clip.source == source for clip in clips) for source in sources}
    load, fold = np.zeros(count), dict[str, int]()
    for source in sorted(sources, key=lambda name: -sizes[name] * np.exp(0.5 * random.normal())):
        fold[source] = int(np.argmin(load + 0.1 * random.random(count)))
        load[fold[source]] += sizes[source]
    return np.array([fold[clip.source] for clip in clips])


def fit_judge(clips: Sequence[Windows]) -> FightJudge:
    """Logistic regression: both labels count alike, and so does every clip of a label.

    Between looks that are further apart more changes: what that does to each feature is measured on clips
    that are seen in several strides, and taken off.

    Raises:
        ValueError: there is no clip of one of the labels.
    """
    if len({clip.fight for clip in clips}) < 2:
        raise ValueError("clips of both labels are needed")
    slopes = _slopes(clips)
    rows, truth, weights = [], [], []
    for clip in clips:
        seen = [pair for pair in zip(clip.views, clip.spans, strict=True) if len(pair[0])]
        kept = [view[span >= min(_TAUGHT, span.max())] for view, span in seen]
        count = sum(len(view) for view in kept)
        for view in kept:
            rows.append(view[:, :-1] - (view[:, -1:] - _USUAL) * slopes)
            truth.append(np.full(len(view), float(clip.fight)))
            weights.append(np.full(len(view), 1.0 / count))
    values = torch.from_numpy(np.concatenate(rows)).double()
    labels, weight = (torch.from_numpy(np.concatenate(part)) for part in (truth, weights))
    for label in (0.0, 1.0):
        weight[labels == label] *= 0.5 * len(clips) / weight[labels == label].sum()
    mean, scale = values.mean(dim=0), 1 / values.std(dim=0).clamp(min=1e-3)
    values = (values - mean) * scale
    beta = torch.zeros(values.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([beta], max_iter=300, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = values @ beta[:-1] + beta[-1]
        value = (weight * functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")).sum()
        value = value + 0.5 * _DECAY * (beta[:-1] ** 2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    found = beta.detach()
    own = found[:-1] * scale
    interval = -(own * torch.from_numpy(slopes)).sum()
    bias = float(found[-1] - (own * mean).sum() - interval * _USUAL)
    return FightJudge(torch.cat([own, interval[None]]).float(), bias)


def _slopes(clips: Sequence[Windows]) -> npt.NDArray[np.float64]:
    """(768,) how much each feature grows with the logarithm of the interval."""
    steps, growth = [], []
    for clip in clips:
        for first in range(0, len(clip.views), len(STRIDES)):
            usual, *slower = clip.views[first : first + len(STRIDES)]
            for view in slower:
                if len(usual) and len(view):
                    difference = view.mean(axis=0) - usual.mean(axis=0)
                    steps.append(float(difference[-1]))
                    growth.append(difference[:-1])
    if not steps:
        return np.zeros(3 * CHANNELS)
    along = np.array(steps)
    return np.asarray((along @ np.stack(growth)) / (along @ along), np.float64)
