"""Trains the action model on a folder of recordings: `posewatch train DIR --out actions.onnx`."""

from __future__ import annotations

import datetime
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

try:
    import torch
    from torch.nn import functional
except ModuleNotFoundError as missing:
    from classifier.training.errors import TrainingError

    raise TrainingError("training needs PyTorch: pip install 'posewatch[train]'") from missing

from classifier.features import FEATURE_COUNT, FEATURES_VERSION, features
from classifier.labels import DEFAULT_LABELS
from classifier.model import ActionModel
from classifier.recording import Recording, read_folder
from classifier.training.augment import augment
from classifier.training.errors import TrainingError
from classifier.training.export import export_onnx
from classifier.training.metrics import Scores, best_thresholds, fit_temperature, score, softmax
from classifier.training.network import ActionNetwork
from classifier.training.report import write_card, write_plots
from classifier.training.split import split_takes
from classifier.training.windows import LabelledWindows, Take, cut, takes_of

__all__ = ["TrainingReport", "TrainingSettings", "train"]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What may be chosen.

    Attributes:
        sample_rate: samples per second of a window.
        seconds: length of a window.
        epochs: passes; each sees up to `windows_per_epoch` windows, every class as often as the others.
        windows_per_epoch: at most.
        batch: windows per step.
        hidden: width of the LSTM.
        layers: LSTM layers.
        learning_rate: peak of the one-cycle schedule.
        seed: of everything random.
        threads: CPU threads of PyTorch.
        final: trains once more on all groups after the scores are known, and writes that network.
    """

    sample_rate: float = 15.0
    seconds: float = 2.0
    epochs: int = 30
    windows_per_epoch: int = 12000
    batch: int = 256
    hidden: int = 80
    layers: int = 2
    learning_rate: float = 3e-3
    seed: int = 1
    threads: int = 2
    final: bool = False

    @property
    def samples(self) -> int:
        """Samples T of a window."""
        return max(2, round(self.sample_rate * self.seconds))


@dataclass(slots=True)
class TrainingReport:
    """What came out: scores on the groups that training has not seen, and where it was written."""

    labels: tuple[str, ...]
    takes: dict[str, int]
    windows: dict[str, int]
    test: Scores
    test_groups: tuple[str, ...]
    temperature: float
    thresholds: dict[str, float]
    losses: list[float] = field(default_factory=list)
    validation_f1: list[float] = field(default_factory=list)
    files: tuple[Path, ...] = ()


def train(
    folder: Path,
    out: Path,
    *,
    rate: float | None = None,
    settings: TrainingSettings | None = None,
    note: str = "",
    licence: str = "yours; that of the recordings may bind it",
    progress: Callable[[str], None] = lambda _: None,
) -> TrainingReport:
    """Trains, evaluates on unseen groups, and writes the model, its card (.md) and plots (.png).

    Args:
        folder: recordings `.../LABEL.txt`; recordings of one folder are one group unless they say otherwise.
        out: the ONNX file to write; card and plots go beside it.
        rate: frames per second of recordings without a side file.
        settings: what to train.
        note: paragraph about the data for the model card.
        licence: of the weights, for the model card.
        progress: called with a line from time to time.

    Raises:
        RecordingError: a recording is damaged, or there are none.
        TrainingError: the recordings do not suffice.
        OSError: an output cannot be written.
    """
    settings = settings or TrainingSettings()
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    random = np.random.default_rng(settings.seed)
    recordings = read_folder(folder, rate=rate)
    labels = _labels(recordings)
    takes = takes_of(recordings, labels)
    _check(takes, labels, folder)
    split = split_takes(takes, len(labels), seed=settings.seed)
    progress(f"{len(takes)} takes of {len(labels)} labels, {len(split.train)} to train on")

    validation, test = (_natural(takes, side, settings) for side in (split.validation, split.test))
    network = _new_network(takes, split.train, len(labels), settings, random)
    losses, validation_f1 = _fit(network, takes, split.train, validation, labels, settings, random, progress)
    logits = _logits(network, validation, settings)
    temperature = fit_temperature(logits, validation.labels)
    calibrated = softmax(logits / temperature)
    thresholds = best_thresholds(calibrated, validation.labels, labels)
    test_scores = score(softmax(_logits(network, test, settings) / temperature), test.labels, labels)
    groups = tuple(sorted({takes[number].group for number in split.test}))
    if settings.final:
        progress("once more, on all groups")
        everything = range(len(takes))
        network = _new_network(takes, everything, len(labels), settings, random)
        _fit(network, takes, everything, validation, labels, settings, random, progress)

    export_onnx(
        network,
        out,
        samples=settings.samples,
        temperature=temperature,
        metadata={
            "features": FEATURES_VERSION,
            "labels": json.dumps(labels),
            "rate": str(settings.sample_rate),
            "seconds": str(settings.seconds),
            "thresholds": json.dumps(thresholds),
            "held_out": json.dumps([] if settings.final else groups),
            "trained": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        },
    )
    _verify(out, network, test, temperature, settings)
    report = TrainingReport(
        labels=labels,
        takes=dict(Counter(labels[take.label] for take in takes)),
        windows={name: sum(len(t.ends) for t in takes if t.label == n) for n, name in enumerate(labels)},
        test=test_scores,
        test_groups=groups,
        temperature=temperature,
        thresholds=thresholds,
        losses=losses,
        validation_f1=validation_f1,
    )
    plots, card = out.with_suffix(".png"), out.with_suffix(".md")
    write_plots(plots, test_scores, losses, validation_f1)
    write_card(card, out, report, settings, note=note, licence=licence)
    report.files = (out, card, plots)
    return report


def _labels(recordings: Sequence[Recording]) -> tuple[str, ...]:
    present = {recording.label for recording in recordings}
    known = [label for label in DEFAULT_LABELS if label in present]
    return (*known, *sorted(present - set(known)))


def _check(takes: Sequence[Take], labels: Sequence[str], folder: Path) -> None:
    if len(labels) < 2:
        raise TrainingError(f"{folder}: only the label {labels[0]}: record at least two different ones")
    counts = Counter(take.label for take in takes)
    for number, label in enumerate(labels):
        if counts[number] < 3:
            raise TrainingError(
                f"{folder}: {label}: {counts[number]} takes of at least 0.6 s: record at least 3, "
                "best of different people"
            )


def _natural(takes: Sequence[Take], side: Sequence[int], settings: TrainingSettings) -> LabelledWindows:
    """All windows of some takes, as they are."""
    choice = np.array([number for number in side for _ in takes[number].ends], np.int64)
    ends = np.concatenate([takes[number].ends for number in side]) if side else np.empty(0)
    return cut(takes, choice, ends, rate=settings.sample_rate, samples=settings.samples)


def _new_network(
    takes: Sequence[Take],
    side: Sequence[int],
    classes: int,
    settings: TrainingSettings,
    random: np.random.Generator,
) -> ActionNetwork:
    """A network whose normalisation fits the training windows."""
    network = ActionNetwork(
        FEATURE_COUNT,
        classes,
        hidden=settings.hidden,
        layers=settings.layers,
        patch=min(3, settings.samples),
    )
    sampler = _Sampler(takes, side, settings, random)
    values = features(*_changed(sampler.draw(2000), random), settings.sample_rate)
    values = values[values[..., -1] > 0]
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
        rows = self._random.choice(len(self._choice), size=count, p=self._weights)
        jitter = self._random.uniform(-0.1, 0.0, count)
        choice = self._choice[rows]
        first = np.array([self._takes[number].ends[0] for number in choice.tolist()])
        ends = np.maximum(self._ends[rows] + jitter, first)
        speeds = np.exp(self._random.uniform(-0.18, 0.18, count))
        # Cameras of 5 to 30 frames a second, for takes of 30.
        strides = self._random.choice([1, 2, 3, 6], count, p=[0.4, 0.25, 0.2, 0.15])
        return cut(
            self._takes,
            choice,
            ends,
            rate=self._settings.sample_rate,
            samples=self._settings.samples,
            speeds=speeds,
            strides=strides,
        )


def _changed(
    windows: LabelledWindows, random: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    return augment(windows.landmarks, windows.valid, random)


def _fit(
    network: ActionNetwork,
    takes: Sequence[Take],
    side: Sequence[int],
    validation: LabelledWindows,
    labels: Sequence[str],
    settings: TrainingSettings,
    random: np.random.Generator,
    progress: Callable[[str], None],
) -> tuple[list[float], list[float]]:
    sampler = _Sampler(takes, side, settings, random)
    count = min(settings.windows_per_epoch, max(4 * settings.batch, 4 * sampler.count))
    steps = max(1, count // settings.batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * steps, pct_start=0.2
    )
    losses: list[float] = []
    scores: list[float] = []
    for epoch in range(settings.epochs):
        network.train()
        total = 0.0
        windows = sampler.draw(steps * settings.batch)
        for step in range(steps):
            part = slice(step * settings.batch, (step + 1) * settings.batch)
            inputs = features(
                *augment(windows.landmarks[part], windows.valid[part], random), settings.sample_rate
            )
            logits = network(torch.from_numpy(inputs))
            truth = torch.from_numpy(windows.labels[part])
            loss = functional.cross_entropy(logits, truth, label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        losses.append(total / steps)
        found = softmax(_logits(network, validation, settings))
        scores.append(score(found, validation.labels, labels).macro_f1)
        progress(f"epoch {epoch + 1}/{settings.epochs} loss {losses[-1]:.3f} validation F1 {scores[-1]:.3f}")
    return losses, scores


def _logits(
    network: ActionNetwork, windows: LabelledWindows, settings: TrainingSettings
) -> npt.NDArray[np.float64]:
    network.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(windows.labels), 1024):
            part = slice(start, start + 1024)
            inputs = features(windows.landmarks[part], windows.valid[part], settings.sample_rate)
            parts.append(network(torch.from_numpy(inputs)).numpy().astype(np.float64))
    return np.concatenate(parts) if parts else np.empty((0, network.head.out_features))


def _verify(
    out: Path,
    network: ActionNetwork,
    windows: LabelledWindows,
    temperature: float,
    settings: TrainingSettings,
) -> None:
    """The written file must answer as the network does."""
    few = LabelledWindows(windows.landmarks[:64], windows.valid[:64], windows.labels[:64], windows.takes[:64])
    if not len(few.labels):
        return
    expected = softmax(_logits(network, few, settings) / temperature)
    error = float(np.abs(ActionModel(out).probabilities(few.landmarks, few.valid) - expected).max())
    if error > 1e-3:
        raise TrainingError(f"{out}: ONNX Runtime differs from PyTorch by {error:.4f}: update onnxruntime")
