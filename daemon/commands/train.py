"""`posewatch train`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from classifier.labels import normalise_label
from daemon.commands.parsing import (
    Subparsers,
    add_command,
    natural_number,
    positive_integer,
    positive_number,
)
from daemon.commands.progress import ProgressLine

if TYPE_CHECKING:
    from classifier.training.outcome import TrainingReport
    from classifier.training.settings import TrainingSettings

__all__ = ["add_train"]

_NEEDED = ("torch", "matplotlib")


def add_train(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "train",
        "train the action model on a folder of recordings (needs the extra `train`)",
        "posewatch train recordings --out actions.onnx",
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="recordings, PERSON/LABEL.txt; one take a label will do, five people are good",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("actions.onnx"),
        metavar="FILE",
        help="the model to write; its card (.md) and plots (.png) go beside it (default actions.onnx)",
    )
    parser.add_argument(
        "--rate",
        type=positive_number,
        metavar="HZ",
        help="frames a second of recordings without a side file (default 30)",
    )
    parser.add_argument(
        "--recipe",
        choices=("posewatch", "classic"),
        default="posewatch",
        help="classic: ten frames of raw landmarks into four LSTM layers, as the tutorials do it, to compare",
    )
    parser.add_argument("--epochs", type=positive_integer, default=30, help="passes at most (default 30)")
    parser.add_argument(
        "--patience",
        type=natural_number,
        default=10,
        metavar="N",
        help="stop after N passes that are no better on held-out people; 0 never (default 10)",
    )
    parser.add_argument(
        "--folds",
        type=natural_number,
        default=0,
        metavar="K",
        help="cross-validation by person in K parts; 1 holds some people out once (default: by size)",
    )
    parser.add_argument(
        "--no-mirror", action="store_true", help="left and right are not alike: never mirror a take"
    )
    parser.add_argument(
        "--swap",
        action="append",
        default=[],
        type=_pair,
        metavar="A=B",
        help="labels that are each other's mirror image; left_x and right_x are by their names",
    )
    parser.add_argument(
        "--augment",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="strength of a change to the takes; 0 is off: mirror, speed, frames, yaw, pitch, roll, "
        "distance, stretch, crop, doubt, shear, noise, dropout, young",
    )
    parser.add_argument("--no-augment", action="store_true", help="train on the takes as they are")
    parser.add_argument("--seed", type=int, default=1, help="of everything random (default 1)")
    parser.add_argument(
        "--threads", type=positive_integer, default=2, help="processor cores to use (default 2)"
    )
    parser.add_argument(
        "--final",
        action="store_true",
        help="train once more on all recordings after the scores are known, and write that model; "
        "with folds always",
    )
    parser.add_argument("--note", type=Path, metavar="FILE", help="text about the data, for the model card")
    parser.add_argument("--licence", help="of the weights, for the model card")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Trains, and prints how well the model does on people and places it has not seen."""
    from daemon.errors import UsageError

    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"training needs {' and '.join(missing)}: pip install 'posewatch[train]'")
    if options.out.suffix.lower() != ".onnx":
        raise UsageError(f"--out {options.out}: the model is an ONNX file: end its name with .onnx")
    _refuse_unlabelled(options.folder)
    # Before torch is loaded: its threads spin while they wait, which on a machine that has other work to do
    # makes a step twenty times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from classifier.training.train import train

    settings = _settings(options)
    card = {"note": options.note.read_text(encoding="utf-8")} if options.note else {}
    if options.licence:
        card["licence"] = options.licence
    shown = _Shown()
    try:
        report = train(
            options.folder,
            options.out,
            rate=options.rate,
            settings=settings,
            progress=shown.line,
            share=shown.share,
            **card,
        )
    finally:
        shown.close()
    _print_report(report)
    return 0


def _pair(text: str) -> tuple[str, str]:
    """Two labels, for argparse."""
    first, equals, second = text.partition("=")
    labels = normalise_label(first), normalise_label(second)
    if not equals or not all(labels):
        raise argparse.ArgumentTypeError(f"{text}: give two labels, such as wave_a=wave_b")
    return labels


def _setting(text: str) -> tuple[str, float]:
    """A name and a number, for argparse."""
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: give a name and a number, such as yaw=10") from None


def _settings(options: argparse.Namespace) -> TrainingSettings:
    from classifier.training.errors import TrainingError
    from classifier.training.settings import Augmentation, TrainingSettings
    from daemon.errors import UsageError

    try:
        changes = dict(options.augment)
        if options.no_mirror:
            changes["mirror"] = 0.0
        strength = Augmentation.none() if options.no_augment else Augmentation.named(changes)
    except TrainingError as error:
        raise UsageError(str(error)) from error
    return TrainingSettings(
        recipe=options.recipe,
        epochs=options.epochs,
        patience=options.patience,
        seed=options.seed,
        threads=options.threads,
        folds=options.folds,
        final=options.final,
        augmentation=strength,
        swaps=tuple(options.swap),
    )


class _Shown:
    """Passes go by on one line of a terminal, with a bar and the time left; elsewhere every line stays."""

    def __init__(self) -> None:
        self._line = ProgressLine()
        self._begin = time.monotonic()
        self._share = 0.0

    def share(self, share: float) -> None:
        """Takes note of how much is done."""
        self._share = share

    def line(self, text: str) -> None:
        """Shows a pass, or keeps a message."""
        if re.match(r"(all takes |fold \d+/\d+ )?epoch ", text) and sys.stderr.isatty():
            done = round(24 * self._share)
            passed = time.monotonic() - self._begin
            left = f" {_clock(passed / self._share - passed)} left" if self._share > 0.01 else ""
            self._line.show(f"[{'#' * done}{'.' * (24 - done)}]{left}  {text}")
        else:
            self._line.clear()
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Takes the line away."""
        self._line.clear()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    return f"{minutes}:{rest:02d}"


def _refuse_unlabelled(folder: Path) -> None:
    """Tracks of `replay --landmarks` that nobody has named must not become a label of their own."""
    from daemon.errors import UsageError
    from daemon.landmark_log import unlabelled

    found = unlabelled(folder)
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise UsageError(
            f"{found[0]}{more}: has no label: name it LABEL.txt and its side file LABEL.json, or delete it"
        )


def _print_report(report: TrainingReport) -> None:
    test = report.test
    groups = ", ".join(report.test_groups[:6]) + (", ..." if len(report.test_groups) > 6 else "")
    print(f"held-out windows, {len(report.test_groups)} groups ({groups}):")
    print(test.table())
    print(
        f"macro F1 {test.macro_f1:.3f}, accuracy {test.accuracy:.3f}, "
        f"calibration error {test.calibration_error:.3f}"
    )
    if len(report.rounds) > 1:
        accuracy, accuracy_spread, f1, f1_spread = report.spread
        print(
            f"{len(report.rounds)} folds by group: accuracy {accuracy:.3f} ± {accuracy_spread:.3f}, "
            f"macro F1 {f1:.3f} ± {f1_spread:.3f}"
        )
    if report.own_split:
        print(f"on the recipe's own random split of windows: accuracy {report.own_split[-1]:.4f}")
    for line in report.confused:
        print(f"confused: {line}")
    for line in report.notes:
        print(f"note: {line}")
    for what, path in zip(("model", "card", "plots"), report.files, strict=True):
        print(f"{what:6} {path}")
    print(f"took {_clock(report.seconds)} min")
    print(f"use it:  actions: {{model: {report.files[0].resolve()}}}")
