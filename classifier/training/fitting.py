"""One training of the network: draws windows, changes them, steps, and keeps the best weights."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from classifier.features import FEATURE_COUNT, features
from classifier.training.augment import augment
from classifier.training.metrics import score, softmax
from classifier.training.network import ActionNetwork
from classifier.training.settings import TrainingSettings
from classifier.training.windows import LabelledWindows, Take, cut
from tracker.training.schedule import average_into, set_rate

__all__ = ["Epoch", "Fit", "fit_network", "network_answers", "network_logits"]

_SMOOTHING = 0.05  # of the labels
_DECAY = 0.02  # of the weights


@dataclass(frozen=True, slots=True)
class Epoch:
    """Curves at one pass; validation figures are NaN where nothing is held out for validation."""

    loss: float
    validation_loss: float = math.nan
    validation_f1: float = math.nan


@dataclass
class Fit:
    """A trained network, its curves, and the pass (from 1) whose weights it has."""

    network: ActionNetwork
    epochs: list[Epoch] = field(default_factory=list)
    best: int = 0


def fit_network(
    takes: Sequence[Take],
    side: Sequence[int],
    labels: Sequence[str],
    settings: TrainingSettings,
    random: np.random.Generator,
    *,
    mirrors: Sequence[int] | None = None,
    validation: LabelledWindows | None = None,
    epochs: int | None = None,
    after_epoch: Callable[[int, int, Epoch], None] = lambda *_: None,
) -> Fit:
    """Trains on some takes.

    Every class is drawn as often as the others, which is what class weights would do; within a class, sources
    by the root of their size. The network that counts is the running average of the weights.

    Args:
        takes: the takes.
        side: numbers of those to train on.
        labels: names of the classes.
        settings: how.
        random: source of chance.
        mirrors: class of each class's mirror image, -1 for none; None mirrors each into itself.
        validation: held-out windows: the weights with the smallest loss on them are kept, and training stops
            when `settings.patience` passes have not made it smaller. None keeps the last weights.
        epochs: passes; None for `settings.epochs`.
        after_epoch: called with the number of the pass, how many there are and its figures.
    """
    passes = epochs or settings.epochs
    sampler = _Sampler(takes, side, settings, random)
    network = _new_network(sampler, len(labels), settings, random)
    averaged = copy.deepcopy(network)
    image = None if mirrors is None else np.array(mirrors, np.int64)
    count = min(settings.windows_per_epoch, max(4 * settings.batch, 2 * sampler.count))
    steps = max(1, count // settings.batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=_DECAY)
    memory = 1 - 1 / max(8.0, 0.04 * passes * steps)
    fit, least, kept = Fit(averaged), math.inf, copy.deepcopy(averaged.state_dict())
    for epoch in range(passes):
        network.train()
        total, windows = 0.0, sampler.draw(steps * settings.batch)
        for step in range(steps):
            done = epoch * steps + step
            share = done / (passes * steps)
            set_rate(optimizer, settings.learning_rate, int(1000 * share), share)  # warm for a tenth
            part = slice(step * settings.batch, (step + 1) * settings.batch)
            landmarks, valid, truth = augment(
                windows.landmarks[part],
                windows.valid[part],
                random,
                settings.augmentation,
                labels=windows.labels[part],
                mirrors=image,
            )
            inputs = torch.from_numpy(features(landmarks, valid, settings.sample_rate))
            loss = functional.cross_entropy(
                network(inputs), torch.from_numpy(truth), label_smoothing=_SMOOTHING
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            average_into(averaged, network, min(memory, (1 + done) / (10 + done)))
            total += float(loss.detach())
        figures = _figures(total / steps, averaged, validation, labels, settings)
        fit.epochs.append(figures)
        if validation is None or figures.validation_loss < least:
            least, fit.best = figures.validation_loss, epoch + 1
            kept = copy.deepcopy(averaged.state_dict())
        after_epoch(epoch + 1, passes, figures)
        if settings.patience and validation is not None and epoch + 1 - fit.best >= settings.patience:
            break
    averaged.load_state_dict(kept)
    averaged.eval()
    return fit


def network_logits(
    network: ActionNetwork, windows: LabelledWindows, settings: TrainingSettings
) -> npt.NDArray[np.float64]:
    """(N, C) of windows as they are."""
    return network_answers(network, windows, settings)[0]


def network_answers(
    network: ActionNetwork, windows: LabelledWindows, settings: TrainingSettings
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Logits (N, C) of windows as they are, and the summaries (N, E) that they are told from."""
    network.eval()
    logits = [np.empty((0, network.head.out_features))]
    summaries = [np.empty((0, network.head.in_features))]
    with torch.inference_mode():
        for start in range(0, len(windows.labels), 1024):
            part = slice(start, start + 1024)
            inputs = features(windows.landmarks[part], windows.valid[part], settings.sample_rate)
            summary = network.summary(torch.from_numpy(inputs))
            summaries.append(summary.numpy().astype(np.float64))
            logits.append(network.head(summary).numpy().astype(np.float64))
    return np.concatenate(logits), np.concatenate(summaries)


def _figures(
    loss: float,
    network: ActionNetwork,
    validation: LabelledWindows | None,
    labels: Sequence[str],
    settings: TrainingSettings,
) -> Epoch:
    """Validation loss and F1 with every class alike."""
    if validation is None or not len(validation.labels):
        return Epoch(loss)
    found, truth = softmax(network_logits(network, validation, settings)), validation.labels
    weights = 1.0 / np.bincount(truth, minlength=len(labels))[truth]
    losses = -np.log(np.maximum(found[np.arange(len(truth)), truth], 1e-9))
    return Epoch(loss, float((weights * losses).sum() / weights.sum()), score(found, truth, labels).macro_f1)


def _new_network(
    sampler: _Sampler, classes: int, settings: TrainingSettings, random: np.random.Generator
) -> ActionNetwork:
    """A network whose normalisation fits the training windows."""
    network = ActionNetwork(
        FEATURE_COUNT,
        classes,
        hidden=settings.hidden,
        layers=settings.layers,
        patch=min(3, settings.samples),
    )
    windows = sampler.draw(2000)
    landmarks, valid, _ = augment(windows.landmarks, windows.valid, random, settings.augmentation)
    values = features(landmarks, valid, settings.sample_rate)[valid]
    network.mean.copy_(torch.from_numpy(values.mean(axis=0)))
    network.scale.copy_(torch.from_numpy(1 / np.maximum(values.std(axis=0), 0.05)))
    return network


class _Sampler:
    """Draws windows: every class alike; within it, sources by the root of their size."""

    def __init__(
        self,
        takes: Sequence[Take],
        side: Sequence[int],
        settings: TrainingSettings,
        random: np.random.Generator,
    ) -> None:
        self._takes, self._settings, self._random = takes, settings, random
        self._choice = np.array([number for number in side for _ in takes[number].ends], np.int64)
        self._ends = np.concatenate([takes[number].ends for number in side])
        keys = [(takes[n].label, takes[n].group.split("/")[0]) for n in self._choice.tolist()]
        sizes = Counter(keys)
        sums = dict.fromkeys((label for label, _ in sizes), 0.0)
        for (label, _), size in sizes.items():
            sums[label] += math.sqrt(size)
        weights = np.array([1 / math.sqrt(sizes[key]) / sums[key[0]] for key in keys])
        self._weights = weights / weights.sum()
        self.count = len(self._choice)

    def draw(self, count: int) -> LabelledWindows:
        strength = self._settings.augmentation
        rows = self._random.choice(len(self._choice), size=count, p=self._weights)
        jitter = self._random.uniform(-0.1, 0.0, count)
        choice = self._choice[rows]
        first = np.array([self._takes[number].ends[0] for number in choice.tolist()])
        ends = np.maximum(self._ends[rows] + jitter, first)
        speeds = np.exp(self._random.uniform(-strength.speed, strength.speed, count))
        # Cameras of 5 to 30 frames a second, for takes of 30.
        thinned = strength.frames * np.array([0.42, 0.33, 0.25])
        strides = self._random.choice([1, 2, 3, 6], count, p=[1 - thinned.sum(), *thinned])
        return cut(
            self._takes,
            choice,
            ends,
            rate=self._settings.sample_rate,
            samples=self._settings.samples,
            speeds=speeds,
            strides=strides,
        )
