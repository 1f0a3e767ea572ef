"""Similar actions told apart, and actions that were not taught: on held-out people.

    python tests/accuracy/similar_actions.py [--only apart|unknown]

Bodies of motion capture and Kinect, seen by made-up cameras: swings of the left, right and both hands,
walking and running, bending and falling, sitting and lying, standing. Our recipe is trained five times, each
time without a fifth of the people, on whom it is tested. Then each of some actions in turn is left out of the
training, and is to be told from the others: AUROC of the rules by which an answer is unknown, and the share
of it that the model's own rule and thresholds answer `unknown`. Prints tables, writes JSON with --out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

try:
    import torch
except ModuleNotFoundError:
    sys.exit("similar_actions: needs PyTorch: pip install 'posewatch[train]'")
from skeleton_takes import similar_takes

from classifier.recording import Recording
from classifier.rejection import Rejection
from classifier.training.advice import advice
from classifier.training.calibration import calibrate, held_out_probabilities
from classifier.training.metrics import score, softmax
from classifier.training.outcome import Answers, HeldOut
from classifier.training.recipes import Fitted, OwnRecipe
from classifier.training.settings import TrainingSettings
from classifier.training.split import Units, fold_units, units_of
from classifier.training.windows import all_windows, takes_of

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("POSEWATCH_DATA", ROOT.parent / "shared" / "data"))
LABELS = (
    *("left_swing", "right_swing", "both_swing", "standing", "walking", "running"),
    *("bending", "falling", "sitting", "lying"),
)
PAIRS = (
    ("left_swing", "right_swing"),
    ("left_swing", "both_swing"),
    ("right_swing", "both_swing"),
    ("walking", "running"),
    ("bending", "falling"),
    ("sitting", "lying"),
    ("falling", "lying"),
)
LEFT_OUT = ("both_swing", "running", "falling", "bending", "lying", "sitting")
FOLDS = 5


def settings(seed: int) -> TrainingSettings:
    return TrainingSettings(seed=seed, threads=1, epochs=20, windows_per_epoch=8000)


def fit(units: Units, side: Sequence[int], labels: Sequence[str], seed: int) -> tuple[OwnRecipe, Fitted]:
    recipe = OwnRecipe(labels, settings(seed))
    return recipe, recipe.fit(units.takes, side, [], None, lambda *_: None, last=False)


def ask(recipe: OwnRecipe, fitted: Fitted, units: Units, side: Sequence[int]) -> Answers:
    windows = all_windows(units.takes, side, rate=recipe.rate, samples=recipe.samples)
    return Answers(*recipe.ask(fitted, windows), windows.labels, windows.takes)


def told_apart(recordings: Sequence[Recording], seed: int) -> dict[str, Any]:
    """Five folds by person."""
    units = units_of(takes_of(recordings, LABELS), len(LABELS))
    folds = fold_units(units, len(LABELS), FOLDS, seed=seed)
    held = []
    nothing = Answers(np.empty((0, len(LABELS))), np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    for number, test in enumerate(folds):
        print(f"\rfold {number + 1}/{len(folds)} ", end="", file=sys.stderr, flush=True)
        train = [place for fold in folds if fold is not test for place in fold]
        recipe, fitted = fit(units, train, LABELS, seed)
        groups = tuple(sorted({units.names[place] for place in test}))
        held.append(HeldOut(ask(recipe, fitted, units, test), nothing, groups, fitted.best))
    print(file=sys.stderr)
    probabilities = np.concatenate(held_out_probabilities(held))
    truth = np.concatenate([one.test.truth for one in held])
    scores = score(probabilities, truth, LABELS)
    people = {
        label: len({take.group for take in units.takes if take.label == number})
        for number, label in enumerate(LABELS)
    }
    pairs = {}
    for pair in PAIRS:
        numbers = [LABELS.index(label) for label in pair]
        rows = np.isin(truth, numbers)
        own = probabilities[rows][:, numbers].argmax(axis=1) == (truth[rows] == numbers[1])
        within = scores.confusion[np.ix_(numbers, numbers)]
        pairs[" / ".join(pair)] = {
            "accuracy": float(own.mean()),
            "confused": float((within.sum() - np.trace(within)) / scores.confusion[numbers].sum()),
            "windows": int(rows.sum()),
        }
    print("| pair | told apart | taken for each other | windows |\n| --- | --- | --- | --- |")
    for name, row in pairs.items():
        print(f"| {name} | {row['accuracy']:.3f} | {row['confused']:.1%} | {row['windows']} |")
    print(
        f"\nall ten: accuracy {scores.accuracy:.3f}, macro-F1 {scores.macro_f1:.3f}, calibration error "
        f"{scores.calibration_error:.3f}, {len({take.group for take in units.takes})} people\n"
    )
    print(f"```\n{scores.table()}\n```\n")
    for line in advice(scores, people=people):
        print(f"- {line}")
    return {
        "pairs": pairs,
        "accuracy": scores.accuracy,
        "macro_f1": scores.macro_f1,
        "calibration_error": scores.calibration_error,
        "confusion": scores.confusion.tolist(),
        "labels": LABELS,
        "thresholds": calibrate(held, LABELS).thresholds,
    }


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """Chance that an unknown window scores above a known one."""
    ranks = np.concatenate([known, unknown]).argsort().argsort() + 1.0
    below = ranks[len(known) :].sum() - len(unknown) * (len(unknown) + 1) / 2
    return float(below / (len(known) * len(unknown)))


def left_out(recordings: Sequence[Recording], seed: int) -> dict[str, Any]:
    """Each action in turn is not taught. A quarter of the people calibrates the rule, a quarter is tested."""
    rows = {}
    people = sorted({take.group for take in recordings})
    random = np.random.default_rng(seed)
    shuffled = random.permutation(people).tolist()
    tested, tuned = set(shuffled[::4]), set(shuffled[1::4])
    print("| left out | probability | energy | distance | both | unknown, left out | unknown, known |")
    print("| --- " * 7 + "|")
    for action in LEFT_OUT:
        labels = [label for label in LABELS if label != action]
        units = units_of(takes_of([take for take in recordings if take.label != action], labels), len(labels))
        strange = units_of(takes_of([take for take in recordings if take.label == action], [action]), 1)
        sides = {
            "train": [n for n, take in enumerate(units.takes) if take.group not in tested | tuned],
            "tuned": [n for n, take in enumerate(units.takes) if take.group in tuned],
            "tested": [n for n, take in enumerate(units.takes) if take.group in tested],
        }
        recipe, fitted = fit(units, sides["train"], labels, seed)
        tune, known = (ask(recipe, fitted, units, sides[side]) for side in ("tuned", "tested"))
        foreign = ask(recipe, fitted, strange, range(len(strange.takes)))
        rows[action] = _rules(tune, known, foreign, labels)
        row = rows[action]
        print(
            f"| {action} | {row['probability']:.3f} | {row['energy']:.3f} | {row['distance']:.3f} | "
            f"{row['both']:.3f} | {row['rejected']:.1%} | {row['rejected_known']:.1%} |",
            flush=True,
        )
    means = {name: float(np.mean([row[name] for row in rows.values()])) for name in rows[LEFT_OUT[0]]}
    print(
        f"| mean | {means['probability']:.3f} | {means['energy']:.3f} | {means['distance']:.3f} | "
        f"{means['both']:.3f} | {means['rejected']:.1%} | {means['rejected_known']:.1%} |"
    )
    return rows | {"mean": means}


def _rules(tune: Answers, known: Answers, foreign: Answers, labels: Sequence[str]) -> dict[str, float]:
    calibration = calibrate([HeldOut(known, tune, (), 0)], labels)
    needed = np.array([calibration.thresholds[label] for label in labels])
    assert isinstance(calibration.rejection, Rejection)
    scored, rejected = [], []
    usual = np.sort(tune.distances)
    sure = np.sort(1 - softmax(tune.logits / calibration.temperature).max(axis=1))
    for part in (known, foreign):
        probabilities = softmax(part.logits / calibration.temperature)
        doubt = 1 - probabilities.max(axis=1)
        largest = part.logits.max(axis=1)
        energy = -np.log(np.exp(part.logits - largest[:, None]).sum(axis=1)) - largest
        ranks = [
            np.searchsorted(sure, doubt) / len(sure),
            np.searchsorted(usual, part.distances) / len(usual),
        ]
        scored.append((doubt, energy, part.distances, np.maximum(*ranks)))
        faded = probabilities * calibration.rejection.known(part.distances)[:, None]
        best = faded.argmax(axis=1)
        rejected.append(float((faded.max(axis=1) < needed[best]).mean()))
    names = ("probability", "energy", "distance", "both")
    return {name: auroc(*pair) for name, pair in zip(names, zip(*scored, strict=True), strict=True)} | {
        "rejected": rejected[1],
        "rejected_known": rejected[0],
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", choices=("apart", "unknown"), help="one of the two reports")
    parser.add_argument("--most", type=int, default=6, help="bodies of a label and a person")
    parser.add_argument("--views", type=int, default=2, help="cameras a body")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    if not (given.data / "skeleton").is_dir():
        print(f"{given.data}: no evaluation data: set POSEWATCH_DATA or --data", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    recordings = similar_takes(given.data / "skeleton", most=given.most, views=given.views, seed=given.seed)
    figures = {}
    if given.only in (None, "apart"):
        print("Similar actions, five folds by person\n")
        figures["apart"] = told_apart(recordings, given.seed)
    if given.only in (None, "unknown"):
        print("\nActions left out of the training: AUROC of the rules, and what is answered unknown\n")
        figures["unknown"] = left_out(recordings, given.seed)
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
