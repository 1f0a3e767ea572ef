"""Trains the action model on a folder of recordings: `posewatch train DIR --out actions.onnx`."""

from __future__ import annotations

import datetime
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

try:
    import torch
except ModuleNotFoundError as missing:
    from classifier.training.errors import TrainingError

    raise TrainingError("training needs PyTorch: pip install 'posewatch[train]'") from missing

from classifier.labels import DEFAULT_LABELS
from classifier.model import ActionModel
from classifier.recording import Recording, read_folder
from classifier.training.advice import advice
from classifier.training.calibration import calibrate, held_out_probabilities
from classifier.training.errors import TrainingError
from classifier.training.metrics import reliability, score, softmax
from classifier.training.outcome import Answers, Calibration, HeldOut, TrainingReport
from classifier.training.plots import write_plots
from classifier.training.recipes import ClassicRecipe, Fitted, OwnRecipe, Recipe
from classifier.training.report import write_card
from classifier.training.rounds import Round, held_out_notes, plan
from classifier.training.settings import TrainingSettings
from classifier.training.split import Units, units_of
from classifier.training.steps import Steps
from classifier.training.windows import Take, all_windows, takes_of

__all__ = ["TrainingReport", "TrainingSettings", "train"]


def train(
    folder: Path,
    out: Path,
    *,
    rate: float | None = None,
    settings: TrainingSettings | None = None,
    note: str = "",
    licence: str = "yours; that of the recordings may bind it",
    progress: Callable[[str], None] = lambda _: None,
    share: Callable[[float], None] = lambda _: None,
) -> TrainingReport:
    """Trains, evaluates on unseen groups, and writes the model, its card (.md) and plots (.png).

    Nothing is written before everything is known, and each file whole or not at all.

    Args:
        folder: recordings `.../LABEL.txt`; recordings of one folder are one group unless they say otherwise.
        out: the ONNX file to write; card and plots go beside it.
        rate: frames per second of recordings without a side file.
        settings: what to train.
        note: paragraph about the data for the model card.
        licence: of the weights, for the model card.
        progress: called with a line from time to time.
        share: called with the share, 0..1, of the work that is done.

    Raises:
        RecordingError: a recording is damaged, or there are none.
        TrainingError: the recordings do not suffice.
        OSError: an output cannot be written.
    """
    settings = settings or TrainingSettings()
    begin = time.monotonic()
    torch.set_num_threads(settings.threads)
    recordings = read_folder(folder, rate=rate, problems=progress)
    labels = _labels(recordings)
    takes = takes_of(recordings, labels)
    _check(takes, labels, folder)
    recipe = _recipe(recordings, labels, settings)
    units = units_of(takes, len(labels))
    rounds = plan(units, len(labels), settings.folds, seed=settings.seed)
    notes = held_out_notes(units, labels, rounds)
    for line in (*recipe.notes, *notes):
        progress(line)
    crossed = len(rounds) > 1
    again = settings.final or crossed or settings.recipe == "classic"
    steps = Steps(len(rounds) + again, progress, share)

    held: list[HeldOut] = []
    for number, one in enumerate(rounds, start=1):
        steps.begin(f"fold {number}/{len(rounds)}" if crossed else "")
        fitted = recipe.fit(units.takes, one.train, one.validation, None, steps.after_epoch, last=False)
        held.append(_ask(recipe, fitted, units, one))
    curves = fitted.epochs
    if again:
        steps.begin("all takes")
        length = round(float(np.mean([one.best for one in held])))
        fitted = recipe.fit(takes, range(len(takes)), [], length, steps.after_epoch, last=True)
    report = _report(takes, labels, held, recipe)
    report.notes = [*recipe.notes, *notes]
    report.curves = fitted.epochs if crossed or settings.recipe == "classic" else curves
    report.own_split, report.again = fitted.own_split, again
    report.seconds = time.monotonic() - begin

    written = out.with_name(f".{out.name}.new.onnx")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        recipe.export(fitted, written, report.calibration.temperature, _metadata(report, recipe))
        _verify(written, recipe, fitted, takes, report.calibration)
        written.replace(out)
    finally:
        written.unlink(missing_ok=True)
    plots, card = out.with_suffix(".png"), out.with_suffix(".md")
    write_plots(plots, report.test, report.reliability, report.curves)
    write_card(card, out, report, settings, rate=recipe.rate, note=note, licence=licence)
    report.files = (out, card, plots)
    share(1.0)
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
        if not counts[number]:
            raise TrainingError(f"{folder}: {label}: no take of at least 0.6 s: record longer ones")


def _recipe(recordings: Sequence[Recording], labels: Sequence[str], settings: TrainingSettings) -> Recipe:
    if settings.recipe == "classic":
        return ClassicRecipe(labels, settings, [recording.rate for recording in recordings])
    if settings.recipe == "posewatch":
        return OwnRecipe(labels, settings)
    raise TrainingError(f"recipe {settings.recipe}: choose posewatch or classic")


def _ask(recipe: Recipe, fitted: Fitted, units: Units, one: Round) -> HeldOut:
    def answers(side: Sequence[int]) -> Answers:
        windows = all_windows(units.takes, side, rate=recipe.rate, samples=recipe.samples)
        return Answers(*recipe.ask(fitted, windows), windows.labels, windows.takes)

    groups = tuple(sorted({units.names[number] for number in one.test}))
    return HeldOut(answers(one.test), answers(one.validation), groups, fitted.best)


def _report(
    takes: Sequence[Take], labels: tuple[str, ...], held: Sequence[HeldOut], recipe: Recipe
) -> TrainingReport:
    if recipe.calibrated:
        calibration, found = calibrate(held, labels), held_out_probabilities(held)
    else:
        calibration, found = Calibration(1.0, {}), [softmax(one.test.logits) for one in held]
    truth = np.concatenate([one.test.truth for one in held])
    scores = score(np.concatenate(found), truth, labels)
    people = {
        label: len({take.group for take in takes if take.label == number})
        for number, label in enumerate(labels)
    }
    return TrainingReport(
        labels=labels,
        takes=dict(Counter(labels[take.label] for take in takes)),
        windows={name: sum(len(t.ends) for t in takes if t.label == n) for n, name in enumerate(labels)},
        test=scores,
        rounds=[score(f, one.test.truth, labels) for f, one in zip(found, held, strict=True)],
        test_groups=tuple(sorted({group for one in held for group in one.groups})),
        calibration=calibration,
        reliability=reliability(np.concatenate(found), truth),
        confused=advice(scores, people=people, mirrored=recipe.mirrored),
    )


def _metadata(report: TrainingReport, recipe: Recipe) -> dict[str, str]:
    rejection = report.calibration.rejection
    return ({} if rejection is None else {"rejection": rejection.text()}) | {
        "features": recipe.features,
        "labels": json.dumps(report.labels),
        "rate": str(recipe.rate),
        "seconds": str(recipe.samples / recipe.rate),
        "thresholds": json.dumps(report.calibration.thresholds),
        "held_out": json.dumps([] if report.again else report.test_groups),
        "trained": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


def _verify(
    out: Path, recipe: Recipe, fitted: Fitted, takes: Sequence[Take], calibration: Calibration
) -> None:
    """The written file must answer as the network does."""
    some = range(0, len(takes), max(1, len(takes) // 16))
    windows = all_windows(takes, some, rate=recipe.rate, samples=recipe.samples)
    logits, distances = recipe.ask(fitted, windows)
    expected = softmax(logits / calibration.temperature)
    if calibration.rejection is not None:
        expected *= calibration.rejection.known(distances)[:, None]
    answers = ActionModel(out).probabilities(windows.landmarks, windows.valid, windows.sizes)
    error = float(np.abs(answers - expected).max())
    if error > 5e-3:
        raise TrainingError(f"{out}: ONNX Runtime differs from PyTorch by {error:.4f}: update onnxruntime")
