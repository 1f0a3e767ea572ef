"""Fits the judge on windows of labelled clips, and judges clips as an alert rule does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from classifier.fights.model import shares_of
from classifier.fights.motion import energy_of
from classifier.training.fights.clips import Look
from classifier.training.fights.network import CHANNELS, FLOOR, FightJudge

__all__ = ["LEAST", "SAMPLES", "Windows", "fit_judge", "folds_of", "windows_of"]

SAMPLES = 16
"""Looks that are judged together: two seconds."""

LEAST = 6
"""Looks from which is judged."""

_TAUGHT = 8  # looks from which a window is taught
_DECAY = 200.0  # strength of the prior on the weights (C = 1 / 200)


@dataclass(frozen=True, slots=True)
class Windows:
    """What a clip looks like over time, in each view; rows (N, 768), one for each end of a window.

    Attributes:
        name: of the clip.
        fight: its label.
        source: clips of one source share a scene.
        views: the rows of each view; the first view is the clip as it is.
    """

    name: str
    fight: bool
    source: str
    views: list[npt.NDArray[np.float32]]


def windows_of(looks: Sequence[Look], every: int = 1) -> npt.NDArray[np.float32]:
    """(N, 768): the window up to each look, from the sixth on, as `network.described` has it.

    Args:
        looks: of a clip.
        every: only every so manieth window.
    """
    ends = range(LEAST, len(looks) + 1, every)
    if not ends:
        return np.empty((0, 3 * CHANNELS), np.float32)
    cells = np.stack([one for _, one in looks])
    grid = cells.shape[2:]
    cells = cells.reshape(len(looks), CHANNELS, -1)
    change = np.abs(np.diff(cells, axis=0))
    largest = change.max(axis=2)
    rows = []
    for end in ends:
        start = max(0, end - SAMPLES)
        weights = shares_of(energy_of([glance for glance, _ in looks[start:end]]), grid).ravel()
        changed = change[start : end - 1].mean(axis=0) @ weights
        spread = cells[start:end].std(axis=0) @ weights
        rows.append(np.concatenate([changed, largest[start : end - 1].mean(axis=0), spread]))
    return np.log(np.stack(rows) + FLOOR).astype(np.float32)


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

    Raises:
        ValueError: there is no clip of one of the labels.
    """
    rows, truth, weights = [], [], []
    for clip in clips:
        kept = [view[min(_TAUGHT - LEAST, max(0, len(view) - 1)) :] for view in clip.views if len(view)]
        count = sum(len(view) for view in kept)
        for view in kept:
            rows.append(view)
            truth.append(np.full(len(view), float(clip.fight)))
            weights.append(np.full(len(view), 1.0 / count))
    if len({clip.fight for clip in clips}) < 2:
        raise ValueError("clips of both labels are needed")
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
    return FightJudge(mean.float(), scale.float(), found[:-1].float(), float(found[-1]))
