"""`posewatch train-detector`."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
from pathlib import Path

from daemon.commands.parsing import Subparsers, add_command, positive_integer, positive_number

__all__ = ["add_train_detector"]

_NEEDED = ("torch", "matplotlib")


def add_train_detector(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "train-detector",
        "fine-tune the person detector on labelled images (needs the extra `train`)",
        "posewatch train-detector images --out person.onnx --minutes 30",
    )
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="a folder a data set, each with images/ and YOLO labels/"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("person.onnx"),
        metavar="FILE",
        help="the model to write (default person.onnx); figures, curves and log go beside it",
    )
    parser.add_argument(
        "--start",
        type=Path,
        metavar="FILE",
        help="YOLOX-nano to start from, which is held to on everyday scenes (default: the bundled detector)",
    )
    parser.add_argument(
        "--init",
        type=Path,
        metavar="FILE",
        help="go on from this model of an earlier run from the same start",
    )
    parser.add_argument("--extra", type=Path, metavar="DIR", help="a second such folder that only trains")
    parser.add_argument("--epochs", type=positive_integer, default=20, help="passes (default 20)")
    parser.add_argument("--minutes", type=positive_number, help="end the schedule after this time")
    parser.add_argument(
        "--rate", type=positive_number, default=1.5e-3, help="peak relative learning rate (default 0.0015)"
    )
    parser.add_argument(
        "--distillation", type=positive_number, default=1.0, help="weight of holding to the start (default 1)"
    )
    parser.add_argument("--threads", type=positive_integer, help="threads (default: one a core)")
    parser.add_argument("--seed", type=int, default=9, help="of everything random but the split (default 9)")
    parser.add_argument("--licence", default="", help="of the weights, for the model's metadata")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Trains, and prints how good the model is on the held-out images."""
    from daemon.errors import UsageError

    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"training needs {' and '.join(missing)}: pip install 'posewatch[train]'")
    if options.out.suffix.lower() != ".onnx":
        raise UsageError(f"--out {options.out}: the model is an ONNX file: end its name with .onnx")
    # Before torch is loaded: its threads spin while they wait, which on a machine that has other work to do
    # makes a step twenty times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from tracker.detector import bundled_model
    from tracker.training.detector import Settings, fine_tune

    settings = Settings(
        epochs=options.epochs,
        minutes=options.minutes or 0.0,
        rate=options.rate,
        distillation=options.distillation,
        threads=options.threads or len(os.sched_getaffinity(0)),
        seed=options.seed,
        licence=options.licence,
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    _log_to(options.out.with_suffix(".log"))
    try:
        metrics = fine_tune(
            options.folder,
            options.start or bundled_model(),
            options.out,
            settings,
            extra=options.extra,
            init=options.init,
        )
    except ValueError as error:  # of the data: a missing folder, a damaged image, a wrong label
        raise UsageError(str(error)) from error
    for name, item in metrics.items():
        print(
            f"{name:16} AP50 {item.ap50:.3f}  AP50-95 {item.ap:.3f}  recall {item.recall:.3f}  "
            f"{item.images} images"
        )
    print(f"use it:  detect: {{model: {options.out.resolve()}}}")
    return 0


def _log_to(path: Path) -> None:
    """Progress of the training on stderr and in a file."""
    log = logging.getLogger("tracker.training")
    log.setLevel(logging.INFO)
    log.propagate = False
    for handler in (logging.StreamHandler(sys.stderr), logging.FileHandler(path, mode="w", encoding="utf-8")):
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.addHandler(handler)
