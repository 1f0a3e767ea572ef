"""`posewatch evaluate`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from daemon.commands.parsing import Subparsers, add_command, positive_number

if TYPE_CHECKING:
    from classifier.training.evaluation import Evaluation, TakeResult

__all__ = ["add_evaluate"]

_WORST = 8  # recordings and people that are named


def add_evaluate(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "evaluate",
        "score an action model on a folder of recordings that it has not been trained on",
        "posewatch evaluate recordings-of-others --model actions.onnx --plots plots",
    )
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="recordings, PERSON/LABEL.txt, as for `posewatch train`"
    )
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="of `posewatch train` (default: the bundled model)"
    )
    parser.add_argument(
        "--rate",
        type=positive_number,
        metavar="HZ",
        help="frames a second of recordings without a side file (default 30)",
    )
    parser.add_argument("--json", action="store_true", help="everything as JSON on the standard output")
    parser.add_argument(
        "--plots",
        type=Path,
        metavar="DIR",
        help="write the confusion matrix and the reliability diagram there (needs the extra `train`)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints how well the model does, and on whom it fails."""
    from classifier.model import ActionModel
    from classifier.recording import read_folder
    from classifier.training.evaluation import evaluate
    from daemon.errors import UsageError

    if options.plots is not None and importlib.util.find_spec("matplotlib") is None:
        raise UsageError("--plots needs matplotlib: pip install 'posewatch[train]'")
    model = ActionModel(options.model)
    recordings = read_folder(options.folder, rate=options.rate, problems=_tell)
    found = evaluate(model, recordings)
    if options.json:
        print(json.dumps({"model": str(options.model or "bundled")} | found.json(), indent=1))
    else:
        _print(found, str(options.model or "the bundled model"))
    if options.plots is not None:
        from classifier.training.plots import write_plots

        path = options.plots / f"{options.model.stem if options.model else 'bundled'}_evaluation.png"
        write_plots(path, found.scores, found.reliability)
        print(f"plots  {path}", file=sys.stderr if options.json else sys.stdout)
    return 0


def _tell(problem: str) -> None:
    print(problem, file=sys.stderr)


def _print(found: Evaluation, name: str) -> None:
    scores = found.scores
    people = {take.group for take in (*found.takes, *found.foreign)}
    print(f"{name}: {len(found.takes)} recordings of labels that it knows, {len(people)} people")
    if found.takes:
        print(scores.table())
        print(
            f"macro F1 {scores.macro_f1:.3f}, accuracy {scores.accuracy:.3f}, "
            f"calibration error {scores.calibration_error:.3f}, answered unknown {found.unknown:.1%}"
        )
        _print_people(found)
    for line in found.confused:
        print(f"confused: {line}")
    worst = [take for take in found.takes if take.right < 0.9][:_WORST]
    if worst:
        print("worst recordings:")
    for take in worst:
        print(f"  {take.name}: {take.right:.0%} of {take.windows} windows; {_answers(take)}")
    if found.foreign:
        print("labels that the model does not know:")
    for take in found.foreign:
        print(
            f"  {take.name}: {take.label}: {take.unknown:.0%} of {take.windows} windows answered unknown; "
            f"{_answers(take)}"
        )
    for left in found.left_out:
        print(f"left out, less than 0.6 s: {left}")


def _print_people(found: Evaluation) -> None:
    """Accuracy by person, where there are several; the worst are named."""
    by_group: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for take in found.takes:
        by_group[take.group].append((take.right, take.windows))
    if len(by_group) < 2:
        return
    shares = {
        group: sum(right * count for right, count in own) / sum(count for _, count in own)
        for group, own in by_group.items()
    }
    worst = sorted(shares, key=lambda group: shares[group])[:_WORST]
    named = ", ".join(f"{group} {shares[group]:.2f}" for group in worst)
    print(f"accuracy by person {fmean(shares.values()):.3f} ± {pstdev(shares.values()):.3f}")
    print(f"worst people: {named}")


def _answers(take: TakeResult) -> str:
    shown = [(name, share) for name, share in take.answers if share >= 0.005 and name != take.label][:3]
    return "answered " + ", ".join(f"{name} {share:.0%}" for name, share in shown) if shown else ""
