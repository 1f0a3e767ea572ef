"""`python -m classifier.training.fights --fights DIR --out fights.onnx`: folds by source, then the model."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata

from classifier.fights.model import Looker, look_beside
from classifier.training.errors import TrainingError
from classifier.training.fights.clips import INTERVAL, STRIDES, labelled_clips, looks_at
from classifier.training.fights.export import write_judge, write_look
from classifier.training.fights.fit import Windows, fit_judge, folds_of, windows_of
from classifier.training.fights.network import FightJudge, FightLook
from tracker.detector import Detector, bundled_model

_TEMPERATURES = np.exp(np.linspace(np.log(0.4), np.log(4.0), 40))
_FOR = 0.8  # seconds for which the default rule wants it
_NOTHING = -9.0  # logit of a clip in which nothing can be judged


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m classifier.training.fights",
        description="Trains what tells fights on clips that are labelled as a whole; folds by source first.",
        epilog="example: python -m classifier.training.fights --fights surv_fight --harmless gmdcsa24",
    )
    parser.add_argument(
        "--fights", type=Path, required=True, help="folder with labels.csv (clip, label, source)"
    )
    parser.add_argument(
        "--harmless", type=Path, help="folder of clips without a fight: SUBJECT/KIND/CLIP.mp4"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("fights.onnx"), help="model to write, NAME_look.onnx beside it"
    )
    parser.add_argument("--folds", type=int, default=5, help="by source (default 5)")
    parser.add_argument("--repeats", type=int, default=4, help="ways to make folds (default 4)")
    parser.add_argument(
        "--fold-models", type=Path, help="folder for the models of the first folds, and who is in them"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        clips = _watched(options)
        shift, temperature = _cross_validate(clips, options)
        judge = fit_judge(clips)
        judge.shift, judge.temperature = shift, temperature
        write_judge(options.out, judge)
        print(f"{options.out} and {look_beside(options.out)}")
    except (OSError, KeyError, ValueError, TrainingError) as error:
        print(f"fights: {error}: give --fights with labels.csv and the clips", file=sys.stderr)
        return 1
    return 0


def _watched(options: argparse.Namespace) -> list[Windows]:
    """Writes what looks, and looks at every clip."""
    beside = look_beside(options.out)
    write_look(beside, FightLook(bundled_model()))
    looker, detector, found = Looker(beside), Detector(), []
    cv2.setNumThreads(1)
    clips = labelled_clips(options.fights, options.harmless)
    for number, clip in enumerate(clips, start=1):
        rows = [
            windows_of(looks, 3 if view >= len(STRIDES) else 1)
            for view, looks in enumerate(looks_at(clip, detector, looker))
        ]
        views, spans, times = (list(part) for part in zip(*rows, strict=True))
        found.append(Windows(clip.name, clip.fight, clip.source, views, spans, times))
        print(f"\r{number}/{len(clips)} {clip.name}          ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def _cross_validate(clips: list[Windows], options: argparse.Namespace) -> tuple[float, float]:
    """Prints how clips of unseen sources are judged; returns shift and temperature that fit their logits.

    The threshold of a fold is that of the other folds' clips.
    """
    # The harmless set is no fair test: nobody could fight there.
    judged = np.array([clip.source.startswith("fights/") for clip in clips])
    truth = np.array([clip.fight for clip in clips])
    everything: list[npt.NDArray[np.float64]] = []
    for repeat in range(options.repeats):
        fold = folds_of(clips, options.folds, options.seed + repeat)
        logits = np.zeros((len(STRIDES), len(clips)))
        judges = []
        for number in range(options.folds):
            judge = fit_judge([clip for clip, other in zip(clips, fold, strict=True) if other != number])
            judges.append(judge)
            for index in np.flatnonzero(fold == number):
                logits[:, index] = [_lasting(judge, clips[index], stride) for stride in range(len(STRIDES))]
        shifted = logits.copy()
        for number, judge in enumerate(judges):
            known = judged & (fold != number)
            judge.shift, judge.temperature = _calibrated(logits[:1, known], truth[known])
            shifted[:, fold == number] += judge.shift
        for stride, row in zip(STRIDES, shifted, strict=True):
            print(f"{1 / (stride * INTERVAL):.1f} looks a second: {_report(row[judged], truth[judged])}")
        everything.append(logits[0, judged])
        if repeat == 0 and options.fold_models is not None:
            _write_folds(options.fold_models, clips, fold, judges)
    shift, temperature = _calibrated(np.stack(everything), truth[judged])
    print(f"shift {shift:.2f}, temperature {temperature:.2f}")
    return shift, temperature


def _write_folds(
    folder: Path, clips: list[Windows], fold: npt.NDArray[np.int64], judges: list[FightJudge]
) -> None:
    for number, judge in enumerate(judges):
        path = folder / f"fold{number}.onnx"
        write_look(look_beside(path), FightLook(bundled_model()))
        write_judge(path, judge)
    places = {clip.name: int(number) for clip, number in zip(clips, fold, strict=True)}
    (folder / "folds.json").write_text(json.dumps(places, indent=1), encoding="utf-8")


def _lasting(judge: FightJudge, clip: Windows, view: int) -> float:
    """The logit that a clip keeps up for as long as the rule wants it."""
    rows, times = clip.views[view], clip.times[view]
    best = _NOTHING
    if len(rows):
        logits = judge.logits(torch.from_numpy(rows)).numpy()
        for start in range(len(times)):
            end = int(np.searchsorted(times, times[start] + _FOR - 1e-6))
            if end < len(times):
                best = max(best, float(logits[start : end + 1].min()))
    return best


def _report(logits: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> str:
    found = logits > 0
    hits, false = int((found & truth).sum()), int((found & ~truth).sum())
    ranks = rankdata(logits)
    area = (ranks[truth].sum() - truth.sum() * (truth.sum() + 1) / 2) / (truth.sum() * (~truth).sum())
    return (
        f"accuracy {(found == truth).mean():.3f}, precision {hits / max(1, hits + false):.3f}, recall "
        f"{hits / truth.sum():.3f}, area under ROC {area:.3f}; fights found {hits} of {truth.sum()}, "
        f"false {false} of {(~truth).sum()}"
    )


def _calibrated(logits: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Shift and temperature with the best likelihood for logits (R, N), both labels counting alike."""
    weights = np.where(truth, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    best = (np.inf, 0.0, 1.0)
    for shift in np.linspace(-1.5, 1.5, 31):
        for temperature in _TEMPERATURES:
            scaled = (logits + shift) / temperature
            loss = float((weights * np.logaddexp(0.0, np.where(truth, -scaled, scaled))).sum())
            best = min(best, (loss, float(shift), float(temperature)))
    return best[1], best[2]


if __name__ == "__main__":
    sys.exit(main())
