"""The two recipes behind one face: what `posewatch train` fits, asks and writes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from classifier.features import FEATURES_VERSION
from classifier.labels import mirror_pairs
from classifier.raw import RAW_SAMPLES, RAW_VERSION, raw_features
from classifier.training.classic import (
    EPOCHS,
    ClassicNetwork,
    classic_logits,
    classic_windows,
    fit_classic,
    random_split,
)
from classifier.training.errors import TrainingError
from classifier.training.export import export_classic, export_onnx
from classifier.training.familiarity import Familiarity
from classifier.training.fitting import Epoch, fit_network, network_answers
from classifier.training.network import ActionNetwork
from classifier.training.settings import TrainingSettings
from classifier.training.windows import LabelledWindows, Take, all_windows, cut

__all__ = ["ClassicRecipe", "Fitted", "OwnRecipe", "Recipe"]

_FAMILIAR = 4000  # training windows that tell what is familiar

_Logits = npt.NDArray[np.float64]
_Distances = npt.NDArray[np.float64]
_AfterEpoch = Callable[[int, int, Epoch], None]


@dataclass
class Fitted:
    """A trained network and how its training went.

    Attributes:
        network: the network.
        epochs: its curves.
        best: the pass whose weights it has.
        own_split: the classic recipe's validation accuracy, a pass each.
        familiarity: what it was trained on; None for the classic recipe.
    """

    network: ActionNetwork | ClassicNetwork
    epochs: list[Epoch] = field(default_factory=list)
    best: int = 0
    own_split: list[float] = field(default_factory=list)
    familiarity: Familiarity | None = None


class Recipe(Protocol):
    """How to train.

    Attributes:
        epochs: passes at most.
        features: name of the input, stored in the model.
        rate: samples a second of the windows.
        samples: samples of a window.
        calibrated: whether temperature, thresholds and a rejection rule belong to it.
        mirrored: whether it mirrors windows.
        notes: what there is to tell before it begins.
    """

    epochs: int
    features: str
    rate: float
    samples: int
    calibrated: bool
    mirrored: bool
    notes: list[str]

    def fit(
        self,
        takes: Sequence[Take],
        side: Sequence[int],
        validation: Sequence[int],
        epochs: int | None,
        after_epoch: _AfterEpoch,
        *,
        last: bool,
    ) -> Fitted:
        """Trains on some takes; `last` is the network that will be written."""

    def ask(self, fitted: Fitted, windows: LabelledWindows) -> tuple[_Logits, _Distances]:
        """Logits (N, C) and how far the windows are from what was trained on (N,)."""

    def export(
        self,
        fitted: Fitted,
        path: Path,
        temperature: float,
        metadata: dict[str, str],
    ) -> None:
        """Writes the ONNX file."""


class OwnRecipe:
    """Features relative to the body, augmentation, an LSTM, early stop."""

    calibrated = True

    def __init__(self, labels: Sequence[str], settings: TrainingSettings) -> None:
        self._labels, self._settings = labels, settings
        self.features, self.mirrored = FEATURES_VERSION, settings.augmentation.mirror > 0
        self.epochs, self.rate, self.samples = settings.epochs, settings.sample_rate, settings.samples
        try:
            self.mirrors = mirror_pairs(labels, settings.swaps)
        except ValueError as error:
            raise TrainingError(str(error)) from error
        alone = [label for label, image in zip(labels, self.mirrors, strict=True) if image < 0]
        self.notes = (
            [f"not mirrored, as there is no label for the other side: {', '.join(alone)}"] if alone else []
        )
        if not settings.augmentation.mirror:
            self.notes = []

    def fit(
        self,
        takes: Sequence[Take],
        side: Sequence[int],
        validation: Sequence[int],
        epochs: int | None,
        after_epoch: _AfterEpoch,
        *,
        last: bool,  # noqa: ARG002 (the recipe is the same for every round)
    ) -> Fitted:
        """Trains on some takes."""
        settings = self._settings
        torch.manual_seed(settings.seed)
        held = all_windows(takes, validation, rate=self.rate, samples=self.samples) if validation else None
        fit = fit_network(
            takes,
            side,
            self._labels,
            settings,
            np.random.default_rng(settings.seed),
            mirrors=self.mirrors,
            validation=held,
            epochs=epochs,
            after_epoch=after_epoch,
        )
        every = np.array([(number, end) for number in side for end in takes[number].ends.tolist()])
        chosen = every[:: max(1, len(every) // _FAMILIAR)]
        windows = cut(
            takes, chosen[:, 0].astype(np.int64), chosen[:, 1], rate=self.rate, samples=self.samples
        )
        _, summaries = network_answers(fit.network, windows, settings)
        familiarity = Familiarity.fit(summaries, windows.labels)
        return Fitted(fit.network, fit.epochs, fit.best, familiarity=familiarity)

    def ask(self, fitted: Fitted, windows: LabelledWindows) -> tuple[_Logits, _Distances]:
        """Logits (N, C) and distances (N,)."""
        assert isinstance(fitted.network, ActionNetwork)
        assert fitted.familiarity is not None
        logits, summaries = network_answers(fitted.network, windows, self._settings)
        return logits, fitted.familiarity.distances(summaries)

    def export(self, fitted: Fitted, path: Path, temperature: float, metadata: dict[str, str]) -> None:
        """Writes the ONNX file."""
        assert isinstance(fitted.network, ActionNetwork)
        export_onnx(
            fitted.network,
            path,
            samples=self.samples,
            temperature=temperature,
            metadata=metadata,
            familiarity=fitted.familiarity,
        )


class ClassicRecipe:
    """The recipe of the tutorials; see `classifier.training.classic`."""

    calibrated = mirrored = False

    def __init__(self, labels: Sequence[str], settings: TrainingSettings, rates: Sequence[float]) -> None:
        self._classes, self._settings = len(labels), settings
        self.features, self.samples, self.epochs = RAW_VERSION, RAW_SAMPLES, EPOCHS
        self.rate = float(np.median(rates))
        self.notes = []
        if max(rates) > 1.1 * min(rates):
            self.notes.append(
                f"recordings of {min(rates):g} to {max(rates):g} frames a second: the classic recipe counts "
                f"frames, not seconds, and takes all for {self.rate:g}"
            )

    def fit(
        self,
        takes: Sequence[Take],
        side: Sequence[int],
        validation: Sequence[int],
        epochs: int | None,  # noqa: ARG002 (always 20)
        after_epoch: _AfterEpoch,
        *,
        last: bool,
    ) -> Fitted:
        """Trains on some takes."""
        chosen = [takes[number] for number in (*side, *validation)]
        raw = [
            raw_features(take.pixels[None], np.ones((1, len(take.times)), np.bool_), np.array(take.size))[0]
            for take in chosen
        ]
        windows, labels = classic_windows(raw, [take.label for take in chosen])
        if len(labels) < 2:
            raise TrainingError("takes of 10 frames or fewer: record longer ones")
        held = None
        if last:
            train, test = random_split(len(labels), np.random.default_rng(self._settings.seed))
            held = (windows[test], labels[test])
            windows, labels = windows[train], labels[train]
        curves: list[Epoch] = []

        def tell(epoch: int, loss: float) -> None:
            curves.append(Epoch(loss))
            after_epoch(epoch, EPOCHS, curves[-1])

        fit = fit_classic(
            windows, labels, self._classes, seed=self._settings.seed, validation=held, after_epoch=tell
        )
        if last:
            pairs = zip(curves, fit.validation_accuracy, strict=True)
            curves = [replace(epoch, validation_f1=accuracy) for epoch, accuracy in pairs]
        return Fitted(fit.network, curves, EPOCHS, fit.validation_accuracy)

    def ask(self, fitted: Fitted, windows: LabelledWindows) -> tuple[_Logits, _Distances]:
        """Logits (N, C), and no distances: zeros (N,)."""
        assert isinstance(fitted.network, ClassicNetwork)
        values = raw_features(windows.landmarks, windows.valid, windows.sizes)
        logits = classic_logits(fitted.network, values)
        return logits, np.zeros(len(logits))

    def export(self, fitted: Fitted, path: Path, temperature: float, metadata: dict[str, str]) -> None:
        """Writes the ONNX file."""
        assert isinstance(fitted.network, ClassicNetwork)
        assert math.isclose(temperature, 1.0)
        export_classic(fitted.network, path, metadata=metadata)
