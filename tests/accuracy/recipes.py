"""The classic recipe beside ours: by random windows, by author, by blocks of time.

    python tests/accuracy/recipes.py [--seeds 2] [--only split|authors|consistent|time]

Trains both recipes on landmarks that authors of tutorials have published: (1) the classic recipe with its own
random split of overlapping windows, author by author; (2) both recipes on all authors but one, tested on that
one, for HANDSWING, BODYSWING and HEADSWING, once with every take and once without those whose shoulders stand
still in a BODYSWING; (3) both on HQC408's five full-body classes, tested on a block of time that training has
not seen. Copies of one author's files under another name are found and dropped.
Prints tables, writes JSON with --out. A quarter of an hour on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

try:
    import torch
except ModuleNotFoundError:
    sys.exit("recipes: needs PyTorch: pip install 'posewatch[train]'")

from classifier.raw import RAW_RATE, RAW_SAMPLES, raw_features
from classifier.recording import Recording, read_recording
from classifier.training.classic import classic_logits, classic_windows, fit_classic, random_split
from classifier.training.fitting import fit_network, network_logits
from classifier.training.metrics import Scores, score, softmax
from classifier.training.settings import TrainingSettings
from classifier.training.windows import Take, all_windows, takes_of, time_blocks

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("POSEWATCH_DATA", ROOT.parent / "shared" / "data"))
SWINGS = ("handswing", "bodyswing", "headswing")
SAME = {"swing": "bodyswing", "shaking_head": "headswing"}  # names that authors gave to the same action
FULL_BODY = ("standing", "walking", "running", "sitting", "handswing")
BLOCKS = 5
_SWAY = 0.1  # widths of the shoulders


@dataclass
class Comparison:
    """Both recipes on one test; answers are pooled over all rounds and seeds."""

    name: str
    labels: tuple[str, ...]
    takes: list[str] = field(default_factory=list)
    truth: list[int] = field(default_factory=list)
    answers: dict[str, list[np.ndarray]] = field(default_factory=lambda: {"classic": [], "ours": []})
    groups: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: {"classic": 0.0, "ours": 0.0})

    def scores(self, recipe: str) -> Scores:
        return score(np.stack(self.answers[recipe]), np.array(self.truth), self.labels)

    def by_take(self) -> list[tuple[str, str, str, dict[str, float], dict[str, str]]]:
        """Take, group, truth, and of each recipe the share of right answers and the commonest wrong one."""
        rows = []
        names = np.array(self.takes)
        for name in dict.fromkeys(self.takes):
            own = np.flatnonzero(names == name)
            truth = self.truth[own[0]]
            right, wrong = {}, {}
            for recipe, probabilities in self.answers.items():
                counts = np.bincount(
                    [int(probabilities[n].argmax()) for n in own], minlength=len(self.labels)
                )
                right[recipe] = float(counts[truth] / counts.sum())
                counts[truth] = 0
                wrong[recipe] = self.labels[int(counts.argmax())] if counts.any() else ""
            rows.append((name, self.groups[own[0]], self.labels[truth], right, wrong))
        return rows


def read_authors(folder: Path) -> list[Recording]:
    """Every take, grouped by author."""
    takes = []
    for path in sorted(folder.glob("*/*.txt")):
        take = read_recording(path)
        takes.append(replace(take, group=path.parent.name, label=take.label))
    return takes


def copies(recordings: Sequence[Recording]) -> list[tuple[str, str, float]]:
    """Pairs of takes of different authors that share poses: names and the share of the first that is in both.

    Every tenth pose is looked for in the other take, as it is and mirrored, within a thousandth of the image.
    """
    found = []
    for number, one in enumerate(recordings):
        for other in recordings[number + 1 :]:
            if one.group == other.group:
                continue
            small, large = sorted((one, other), key=lambda take: len(take.frames))
            asked, known = small.landmarks[::10, :, :2], large.landmarks[:, :, :2]
            flipped = known * np.array([-1, 1], np.float32) + np.array([1, 0], np.float32)
            share = max(
                float((np.abs(asked[:, None] - poses[None]).max(axis=(2, 3)) < 1e-3).any(axis=1).mean())
                for poses in (known, flipped)
            )
            if share > 0.05:
                found.append((_name(one), _name(other), share))
    return found


def _name(take: Recording) -> str:
    assert take.path is not None
    return f"{take.group}/{take.path.stem}"


@dataclass(frozen=True)
class Movement:
    """What moves in a take of the upper body, by standard deviation.

    Attributes:
        sway: of the shoulders' middle to the side, in widths of the shoulders.
        tilt: of the line of the eyes, degrees.
        turn: of the nose between the ears, in their distance.
        hands: share of poses with a wrist that is seen.
    """

    sway: float
    tilt: float
    turn: float
    hands: float


def movement(take: Recording) -> Movement:
    x, y = take.landmarks[..., 0] * take.width, take.landmarks[..., 1] * take.height
    width = np.abs(x[:, 11] - x[:, 12]).mean()
    eyes = np.degrees(np.arctan2(y[:, 2] - y[:, 5], x[:, 2] - x[:, 5]))
    between = (x[:, 0] - (x[:, 7] + x[:, 8]) / 2) / np.maximum(np.abs(x[:, 7] - x[:, 8]), 0.2 * width)
    seen = (take.landmarks[:, 15:17, 3] > 0.5).any(axis=1)
    sway = (x[:, 11] + x[:, 12]).std() / 2 / width
    return Movement(float(sway), float(eyes.std()), float(between.std()), float(seen.mean()))


def stands_still(take: Recording) -> bool:
    """Whether a body swing has none: the label says what the take does not show."""
    return SAME.get(take.label, take.label) == "bodyswing" and movement(take).sway < _SWAY


# --- (1) as the tutorials measure ------------------------------------------------------------------------


def own_split(recordings: Sequence[Recording], seeds: int) -> list[dict[str, Any]]:
    """The classic recipe on a random fifth of each author's windows."""
    rows = []
    for author in sorted({take.group for take in recordings}):
        own = [take for take in recordings if take.group == author]
        if len(own) < 3:
            continue
        windows, labels = classic_windows(
            [take.landmarks.reshape(-1, 132) for take in own], list(range(len(own)))
        )
        last, best = [], []
        for seed in range(seeds):
            train, test = random_split(len(labels), np.random.default_rng(seed))
            held = (windows[test], labels[test])
            fit = fit_classic(windows[train], labels[train], len(own), seed=seed, validation=held)
            last.append(fit.validation_accuracy[-1])
            best.append(max(fit.validation_accuracy))
        rows.append({"author": author, "classes": [take.label for take in own], "last": last, "best": best})
    return rows


# --- (2) and (3) on what training has not seen -----------------------------------------------------------


def compare(
    name: str, labels: tuple[str, ...], rounds: Sequence[tuple[list[Take], list[Take]]], seeds: int
) -> Comparison:
    """Trains both recipes on the first part of every round and tests them on the second."""
    result = Comparison(name, labels)
    for number, (train, test) in enumerate(rounds, start=1):
        for seed in range(seeds):
            print(f"\r{name}: {number}/{len(rounds)}, seed {seed}   ", end="", file=sys.stderr, flush=True)
            everything = range(len(test))
            for recipe, answer in (("classic", _classic), ("ours", _ours)):
                begin = time.monotonic()
                result.answers[recipe] += list(answer(train, test, labels, seed))
                result.seconds[recipe] += time.monotonic() - begin
            for row in everything:
                count = len(test[row].ends)
                result.truth += [test[row].label] * count
                result.takes += [test[row].name.split("#")[0]] * count
                result.groups += [test[row].group] * count
    print(file=sys.stderr)
    return result


def _classic(train: list[Take], test: list[Take], labels: tuple[str, ...], seed: int) -> np.ndarray:
    raw = [
        raw_features(take.pixels[None], np.ones((1, len(take.times)), bool), take.size)[0] for take in train
    ]
    windows, truth = classic_windows(raw, [take.label for take in train])
    network = fit_classic(windows, truth, len(labels), seed=seed).network
    asked = all_windows(test, range(len(test)), rate=RAW_RATE, samples=RAW_SAMPLES)
    return softmax(classic_logits(network, raw_features(asked.landmarks, asked.valid, asked.sizes)))


def _ours(train: list[Take], test: list[Take], labels: tuple[str, ...], seed: int) -> np.ndarray:
    torch.manual_seed(seed)
    settings = TrainingSettings(seed=seed, threads=1)
    random = np.random.default_rng(seed)
    network = fit_network(train, range(len(train)), labels, settings, random).network
    asked = all_windows(test, range(len(test)), rate=settings.sample_rate, samples=settings.samples)
    return softmax(network_logits(network, asked, settings))


def by_author(recordings: Sequence[Recording]) -> list[tuple[list[Take], list[Take]]]:
    """All authors but one, and that one."""
    named = [replace(take, label=SAME.get(take.label, take.label)) for take in recordings]
    takes = takes_of(named, SWINGS)
    authors = sorted({take.group for take in takes})
    return [
        ([take for take in takes if take.group != author], [take for take in takes if take.group == author])
        for author in authors
    ]


def by_time(recordings: Sequence[Recording], author: str) -> list[tuple[list[Take], list[Take]]]:
    """One fifth of every take of an author, and the rest without the second beside it."""
    takes = takes_of([take for take in recordings if take.group == author], FULL_BODY)
    blocks = [time_blocks(take, BLOCKS) for take in takes]
    return [
        (
            [part for parts in blocks for place, part in enumerate(parts) if place != held],
            [part for parts in blocks for place, part in enumerate(parts) if place == held],
        )
        for held in range(BLOCKS)
    ]


# --- report ----------------------------------------------------------------------------------------------


def report_own(rows: list[dict[str, Any]]) -> str:
    lines = ["| author | classes | after 20 epochs, each seed | best epoch |", "| --- | --- | --- | --- |"]
    for row in rows:
        last = " ".join(f"{value:.4f}" for value in row["last"])
        lines.append(f"| {row['author']} | {len(row['classes'])} | {last} | {max(row['best']):.4f} |")
    return "\n".join(lines)


def report_movements(recordings: Sequence[Recording]) -> str:
    """What each swing take shows, whatever it is called."""
    lines = ["| take | sway | tilt of the head | turn of the head | hands seen |", "| --- " * 5 + "|"]
    for take in sorted(recordings, key=lambda take: (SAME.get(take.label, take.label), take.group)):
        if SAME.get(take.label, take.label) in SWINGS:
            found = movement(take)
            still = "; the shoulders stand still" if stands_still(take) else ""
            lines.append(
                f"| {_name(take)} | {found.sway:.2f}{still} | {found.tilt:.0f} degrees | {found.turn:.2f} | "
                f"{found.hands:.0%} |"
            )
    return "\n".join(lines)


def report_comparison(found: Comparison) -> str:
    lines = ["| recipe | accuracy | macro-F1 | calibration error | training |", "| --- " * 5 + "|"]
    for recipe in found.answers:
        scores = found.scores(recipe)
        lines.append(
            f"| {recipe} | {scores.accuracy:.3f} | {scores.macro_f1:.3f} | {scores.calibration_error:.3f} | "
            f"{found.seconds[recipe]:.0f} s |"
        )
    for recipe in found.answers:
        lines += ["", f"{recipe}:", "```", found.scores(recipe).table(), "```"]
    lines += ["", "| take | truth | classic | ours | ours takes it for |", "| --- " * 5 + "|"]
    for name, group, truth, right, wrong in sorted(found.by_take(), key=lambda row: row[3]["ours"]):
        place = name if name.startswith(group) else f"{group}/{name}"
        lines.append(
            f"| {place} | {truth} | {right['classic']:.2f} | {right['ours']:.2f} | {wrong['ours']} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each")
    parser.add_argument("--only", choices=("split", "authors", "consistent", "time"), help="one of the tests")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    if not (given.data / "landmarks").is_dir():
        print(f"{given.data}: no evaluation data: set POSEWATCH_DATA or --data", file=sys.stderr)
        return 2
    torch.set_num_threads(given.threads)
    recordings = read_authors(given.data / "landmarks")
    figures: dict[str, Any] = {"copies": copies(recordings)}
    for one, other, share in figures["copies"]:
        print(f"{other}: {share:.0%} of its poses are in {one}")
    dropped = {other.split("/")[0] for _, other, share in figures["copies"] if share > 0.5}
    recordings = [take for take in recordings if take.group not in dropped]
    print(f"dropped as a copy: {', '.join(sorted(dropped)) or 'nobody'}\n")
    if given.only in (None, "split"):
        figures["split"] = own_split(recordings, max(3, given.seeds))
        print("Classic recipe, each author's own random split of windows: validation accuracy\n")
        print(report_own(figures["split"]) + "\n")
    print(f"What the takes show, standard deviations\n\n{report_movements(recordings)}\n")
    shown = [take for take in recordings if not stands_still(take)]
    for key, title, labels, rounds in (
        ("authors", "Leave one author out", SWINGS, by_author(recordings)),
        ("consistent", "Leave one author out, body swings that sway", SWINGS, by_author(shown)),
        ("time", "HQC408, blocks of time", FULL_BODY, by_time(recordings, "HQC408")),
    ):
        if given.only in (None, key):
            found = compare(title, labels, rounds, given.seeds)
            print(f"{title}: {', '.join(labels)}\n\n{report_comparison(found)}\n")
            figures[key] = {
                recipe: {
                    "accuracy": found.scores(recipe).accuracy,
                    "macro_f1": found.scores(recipe).macro_f1,
                    "confusion": found.scores(recipe).confusion.tolist(),
                    "seconds": found.seconds[recipe],
                }
                for recipe in found.answers
            } | {"takes": found.by_take(), "labels": labels}
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
