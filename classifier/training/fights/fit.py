"""Trains judges on features of clips: a clip is a bag of places, of which one at least is a fight, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from classifier.training.fights.network import FightJudge

__all__ = ["SAMPLES", "Bag", "clip_logits", "fit_judge", "folds_of"]

SAMPLES = 12
"""Looks that are judged together."""

_EPOCHS = 15
_BATCH = 20
_RATE = 2e-3
_SOFT = 0.05  # of a label: not everything in a clip is what its label says
_PLACES = 2  # of a fight clip that may be the fight
_NOWHERE = -9.0  # logit of a clip in which nothing is watched

Features = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Bag:
    """A clip: its places, each (V, T, C, 9, 9) for V ways to see it, the first one as it is."""

    name: str
    fight: bool
    source: str
    places: list[Features]


def folds_of(bags: Sequence[Bag], count: int, seed: int) -> npt.NDArray[np.int64]:
    """(N,) number of the fold of each bag: whole sources, the large ones first, each to the smallest fold."""
    random = np.random.default_rng(seed)
    sizes = {source: sum(bag.source == source for bag in bags) for source in sorted({bag.source for bag in bags})}
    load, fold = np.zeros(count), dict[str, int]()
    for source in sorted(sizes, key=lambda name: -sizes[name] * np.exp(0.5 * random.normal())):
        fold[source] = int(np.argmin(load + 0.1 * random.random(count)))
        load[fold[source]] += sizes[source]
    return np.array([fold[bag.source] for bag in bags])


def fit_judge(bags: Sequence[Bag], seed: int, progress: Callable[[str], None] = lambda _: None) -> FightJudge:
    """Trains a judge; clips without a place are left out."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    bags = [bag for bag in bags if bag.places]
    judge = FightJudge()
    optimizer = torch.optim.AdamW(judge.parameters(), lr=_RATE, weight_decay=0.05)
    steps = len(bags) // _BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_EPOCHS * steps, pct_start=0.2)
    share = float(np.mean([bag.fight for bag in bags]))
    for epoch in range(_EPOCHS):
        judge.train()
        order, total = random.permutation(len(bags)), 0.0
        for step in range(steps):
            batch = [bags[number] for number in order[step * _BATCH : (step + 1) * _BATCH]]
            windows, owners = [], []
            for number, bag in enumerate(batch):
                # The strongest of a fight's places is taught, and any place of a clip without one.
                places = bag.places[:_PLACES] if bag.fight else [bag.places[random.integers(len(bag.places))]]
                windows += [_window(place, random) for place in places]
                owners += [number] * len(places)
            logits = judge(torch.from_numpy(np.stack(windows)).float())
            best = torch.full((len(batch),), -30.0).scatter_reduce(0, torch.tensor(owners), logits, "amax")
            truth = torch.tensor([float(bag.fight) for bag in batch])
            losses = functional.binary_cross_entropy_with_logits(
                best, truth * (1 - 2 * _SOFT) + _SOFT, reduction="none"
            )
            loss = (losses * torch.where(truth > 0, 0.5 / share, 0.5 / (1 - share))).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        progress(f"epoch {epoch + 1}/{_EPOCHS} loss {total / steps:.3f}")
    return judge.eval()


def clip_logits(judges: Sequence[FightJudge], bags: Sequence[Bag]) -> npt.NDArray[np.float64]:
    """(N,) mean logit of the judges for the strongest place of each clip, as it is."""
    result = np.full(len(bags), _NOWHERE)
    with torch.inference_mode():
        for number, bag in enumerate(bags):
            for place in bag.places:
                windows = torch.from_numpy(_windows(place[0])).float()
                logit = float(np.mean([judge.eval()(windows).mean().item() for judge in judges]))
                result[number] = max(result[number], logit)
    return result


def _window(place: Features, random: np.random.Generator) -> Features:
    """(T, C, 9, 9): one of the ways to see a place, at any time, at times of a slower camera, or backwards."""
    looks = place[random.integers(len(place))]
    if len(looks) > 2 * SAMPLES - 2 and random.random() < 0.2:
        looks = looks[random.integers(2) :: 2]
    start = int(random.integers(len(looks) - SAMPLES + 1)) if len(looks) >= SAMPLES else 0
    window = looks[_indices(len(looks), start)]
    return window[::-1] if random.random() < 0.3 else window


def _windows(looks: Features) -> Features:
    """(W, T, C, 9, 9): the first, the middle and the last window of a place."""
    last = max(0, len(looks) - SAMPLES)
    return np.stack([looks[_indices(len(looks), start)] for start in sorted({0, last // 2, last})])


def _indices(count: int, start: int) -> npt.NDArray[np.int64]:
    """Looks of a window; where there are too few, some of them twice."""
    if count >= SAMPLES:
        return np.arange(start, start + SAMPLES)
    return np.linspace(0, count - 1, SAMPLES).round().astype(np.int64)
