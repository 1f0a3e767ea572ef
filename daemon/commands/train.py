"""`posewatch train`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.commands.parsing import Subparsers, add_command, positive_integer, positive_number
from daemon.commands.progress import ProgressLine

if TYPE_CHECKING:
    from classifier.training.train import TrainingReport

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
        help="recordings, PERSON/LABEL.txt; at least three takes a label, best of different people",
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
    parser.add_argument("--epochs", type=positive_integer, default=30, help="passes (default 30)")
    parser.add_argument("--seed", type=int, default=1, help="of everything random (default 1)")
    parser.add_argument(
        "--final",
        action="store_true",
        help="train once more on all recordings after the scores are known, and write that model",
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

    from classifier.training.train import TrainingSettings, train

    card = {"note": options.note.read_text(encoding="utf-8")} if options.note else {}
    if options.licence:
        card["licence"] = options.licence
    line = ProgressLine()

    def progress(text: str) -> None:
        """Epochs pass on one line of a terminal; elsewhere every line stays."""
        if text.startswith("epoch ") and sys.stderr.isatty():
            line.show(text)
        else:
            line.clear()
            print(text, file=sys.stderr, flush=True)

    try:
        report = train(
            options.folder,
            options.out,
            rate=options.rate,
            settings=TrainingSettings(epochs=options.epochs, seed=options.seed, final=options.final),
            progress=progress,
            **card,
        )
    finally:
        line.clear()
    _print_report(report)
    return 0


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
    print(f"windows of {len(report.test_groups)} groups that training has not seen ({groups}):")
    print(test.table())
    print(
        f"macro F1 {test.macro_f1:.3f}, accuracy {test.accuracy:.3f}, "
        f"calibration error {test.calibration_error:.3f}"
    )
    for what, path in zip(("model", "card", "plots"), report.files, strict=True):
        print(f"{what:6} {path}")
    print(f"use it:  actions: {{model: {report.files[0].resolve()}}}")
