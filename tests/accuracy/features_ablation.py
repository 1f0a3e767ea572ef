"""Which features earn their place: the action model without each kind of them, and with few of them.

    python -m classifier.training.corpus --data ../shared/data --out out/corpus
    python tests/accuracy/features_ablation.py out/corpus [--epochs 8]

Two questions for each choice of features: macro F1 on actors of the corpus that training has not seen, and
the accuracy when each author of webcam takes (HANDSWING, BODYSWING, HEADSWING) in turn is left out. A feature
that is left out is 0 in training and test. About a quarter of an hour on one thread; writes JSON with --out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from footage import DATA
from torch.nn import functional

from classifier.features import FEATURE_COUNT, GROUPS, features
from classifier.recording import read_folder, read_recording
from classifier.training.augment import augment
from classifier.training.metrics import score, softmax
from classifier.training.network import ActionNetwork
from classifier.training.split import split_units, units_of
from classifier.training.windows import LabelledWindows, Take, cut, takes_of

RATE, SAMPLES = 15.0, 30
TRAINING_WINDOWS, TEST_WINDOWS = 16_000, 5_000
SWINGS = {
    "An0808": ("HANDSWING", "BODYSWING"),  # thangnch has copies of these
    "RyanPham": ("HANDSWING",),
    "Spidartist": ("HANDSWING", "BODYSWING", "HEADSWING"),
    "ThangPetros": ("HANDSWING", "BODYSWING"),
    "phungdx": ("HANDSWING", "BODYSWING"),
    "HQC408": ("HANDSWING",),
}
SWING_WINDOWS = 3_000
_Values = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


def choices() -> dict[str, set[str]]:
    """Names of choices and the kinds of features in them."""
    everything = set(GROUPS)
    without = {f"without {name}": everything - {name} for name in GROUPS if name != "valid"}
    return {
        "all": everything,
        **without,
        "without speeds": everything - {"speed", "body speed", "size speed"},
        "without visibility and depth": everything - {"visibility", "depth"},
        "positions only": {"position", "valid"},
        "positions and speeds": {"position", "speed", "valid"},
        "angles and directions": {"angle", "direction", "valid"},
    }


def draw(takes: Sequence[Take], side: Sequence[int], count: int, seed: int, *, changed: bool) -> _Values:
    """Features and labels of windows, every class alike; changed as in training or as they are."""
    random = np.random.default_rng(seed)
    choice = np.array([number for number in side for _ in takes[number].ends], np.int64)
    ends = np.concatenate([takes[number].ends for number in side])
    labels = np.array([takes[number].label for number in choice.tolist()])
    if changed:
        weights = 1.0 / np.bincount(labels)[labels]
        rows = random.choice(len(choice), count, p=weights / weights.sum())
    else:
        rows = random.permutation(len(choice))[:count]
    speeds = np.exp(random.uniform(-0.18, 0.18, len(rows))) if changed else None
    windows: LabelledWindows = cut(takes, choice[rows], ends[rows], rate=RATE, samples=SAMPLES, speeds=speeds)
    landmarks, valid = windows.landmarks, windows.valid
    if changed:
        landmarks, valid, _ = augment(landmarks, valid, random)
    return features(landmarks, valid, RATE), windows.labels


def fit(
    data: _Values, classes: int, kept: npt.NDArray[np.float32], epochs: int, hidden: int
) -> ActionNetwork:
    """A network that only sees some columns."""
    torch.manual_seed(1)
    values, labels = torch.from_numpy(data[0] * kept), torch.from_numpy(data[1])
    network = ActionNetwork(FEATURE_COUNT, classes, hidden=hidden, patch=3)
    network.mean.copy_(values.mean(dim=(0, 1)))
    network.scale.copy_(1 / values.std(dim=(0, 1)).clamp(min=0.05))
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.02)
    batches = max(1, len(labels) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * batches)
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(len(labels))[: batches * 128].split(128):
            loss = functional.cross_entropy(network(values[rows]), labels[rows], label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    network.eval()
    return network


def answers(network: ActionNetwork, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(N, C) probabilities."""
    with torch.inference_mode():
        parts = [network(torch.from_numpy(part)).numpy() for part in np.array_split(values, 8)]
    return softmax(np.concatenate(parts).astype(np.float64))


class Corpus:
    """Held-out actors of the corpus."""

    def __init__(self, folder: Path) -> None:
        recordings = read_folder(folder)
        self.labels = sorted({one.label for one in recordings})
        takes = takes_of(recordings, self.labels)
        units = units_of(takes, len(self.labels))
        parts = split_units(units, len(self.labels), seed=1)
        self.train = draw(units.takes, parts.train, TRAINING_WINDOWS, 1, changed=True)
        self.test = draw(units.takes, parts.test, TEST_WINDOWS, 2, changed=False)

    def macro_f1(self, kept: npt.NDArray[np.float32], epochs: int) -> float:
        network = fit(self.train, len(self.labels), kept, epochs, hidden=64)
        return score(answers(network, self.test[0] * kept), self.test[1], self.labels).macro_f1


class Authors:
    """Each author of webcam takes left out in turn; HEADSWING is of one author: it is only trained on."""

    def __init__(self, folder: Path) -> None:
        labels = ["handswing", "bodyswing", "headswing"]
        recordings = [
            replace(read_recording(folder / author / f"{name}.txt"), group=author)
            for author, names in SWINGS.items()
            for name in names
        ]
        takes = takes_of(recordings, labels)
        self.rounds = []
        for author in SWINGS:
            rest = [n for n, take in enumerate(takes) if take.group != author]
            own = [n for n, take in enumerate(takes) if take.group == author and take.label != 2]
            train = draw(takes, rest, SWING_WINDOWS, 1, changed=True)
            self.rounds.append((train, draw(takes, own, 10_000, 2, changed=False)))

    def accuracy(self, kept: npt.NDArray[np.float32], epochs: int) -> float:
        right = count = 0
        for train, test in self.rounds:
            network = fit(train, 3, kept, epochs, hidden=48)
            found = answers(network, test[0] * kept)[:, :2].argmax(axis=1)
            right, count = right + int((found == test[1]).sum()), count + len(found)
        return right / count


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    if not given.corpus.is_dir() or not (given.data / "landmarks").is_dir():
        print("features_ablation: give a corpus, and --data or POSEWATCH_DATA", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    begin = time.monotonic()
    corpus, authors = Corpus(given.corpus), Authors(given.data / "landmarks")
    print("| features | columns | macro F1, held-out actors | accuracy, author left out |")
    print("| --- " * 4 + "|")
    rows = {}
    for name, groups in choices().items():
        kept = np.zeros(FEATURE_COUNT, np.float32)
        for group in groups:
            kept[GROUPS[group]] = 1
        rows[name] = (corpus.macro_f1(kept, given.epochs), authors.accuracy(kept, given.epochs))
        columns = int(kept.sum())
        print(f"| {name} | {columns} | {rows[name][0]:.3f} | {rows[name][1]:.3f} |", flush=True)
    print(f"\n{(time.monotonic() - begin) / 60:.0f} minutes", file=sys.stderr)
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
