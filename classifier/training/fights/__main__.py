"""`python -m classifier.training.fights --fights DIR --out fights.onnx`: folds by source, then the model."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from classifier.training.errors import TrainingError
from classifier.training.fights.clips import Clip, labelled_clips, places_of, varied
from classifier.training.fights.export import write_fights
from classifier.training.fights.fit import Bag, clip_logits, fit_judge, folds_of
from classifier.training.fights.network import FightJudge, FightLook, FightVote
from tracker.detector import Detector, bundled_model

_TEMPERATURES = np.exp(np.linspace(np.log(0.4), np.log(4.0), 40))
_AT_A_TIME = 8  # crops


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m classifier.training.fights",
        description="Trains what tells fights on clips that are labelled as a whole.",
        epilog="example: python -m classifier.training.fights --fights surv_fight --harmless gmdcsa24",
    )
    parser.add_argument("--fights", type=Path, required=True, help="folder with labels.csv (clip, label, source)")
    parser.add_argument("--harmless", type=Path, help="folder of clips without a fight: SUBJECT/KIND/CLIP.mp4")
    parser.add_argument("--out", type=Path, help="model to write; left out: folds only")
    parser.add_argument("--folds", type=int, default=5, help="by source; 0 leaves the figures out (default 5)")
    parser.add_argument("--fold-models", type=Path, help="folder for the models of the folds, and who is in them")
    parser.add_argument("--judges", type=int, default=4, help="networks that vote (default 4)")
    parser.add_argument("--views", type=int, default=6, help="ways to see each place (default 6)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        clips = labelled_clips(options.fights, options.harmless)
        look = FightLook(bundled_model()).eval()
        bags = bags_of(clips, look, views=options.views, seed=options.seed)
        shift, temperature = _cross_validate(bags, look, options) if options.folds else (0.0, 1.0)
        if options.out is not None:
            judges = [fit_judge(bags, options.seed * 1000 + number, _say) for number in range(options.judges)]
            for path in write_fights(options.out, look, FightVote(judges, temperature, shift)):
                print(path)
    except (OSError, KeyError, TrainingError) as error:
        print(f"fights: {error}: give --fights with labels.csv and the clips", file=sys.stderr)
        return 1
    return 0


def bags_of(clips: list[Clip], look: FightLook, *, views: int, seed: int) -> list[Bag]:
    """The features of every clip: the places that the daemon would watch, seen in several ways."""
    detector, random, bags = Detector(), np.random.default_rng(seed), []
    for number, clip in enumerate(clips, start=1):
        places = [
            np.stack([_features(look, varied(place, random, plain=view == 0)) for view in range(views)])
            for place in places_of(clip, detector)
        ]
        bags.append(Bag(clip.name, clip.fight, clip.source, places))
        _say(f"\r{number}/{len(clips)} {clip.name}          ", end="")
    _say("")
    return bags


def _features(look: FightLook, crops: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float16]:
    with torch.inference_mode():
        parts = [
            look(torch.from_numpy(np.stack(crops[start : start + _AT_A_TIME])).permute(0, 3, 1, 2).float())
            for start in range(0, len(crops), _AT_A_TIME)
        ]
    return torch.cat(parts).half().numpy()


def _cross_validate(bags: list[Bag], look: FightLook, options: argparse.Namespace) -> tuple[float, float]:
    """Prints accuracy on unseen sources; returns shift and temperature that fit their logits."""
    fold = folds_of(bags, options.folds, options.seed)
    logits = np.zeros(len(bags))
    models: list[list[FightJudge]] = []
    for number in range(options.folds):
        known = [bag for bag, other in zip(bags, fold, strict=True) if other != number]
        judges = [fit_judge(known, options.seed * 100 + 10 * number + one) for one in range(options.judges)]
        logits[fold == number] = clip_logits(judges, [bags[index] for index in np.flatnonzero(fold == number)])
        models.append(judges)
        _say(f"fold {number + 1}/{options.folds}")
    # Clips of the harmless set are no fair test: nobody could fight in them.
    judged = np.array([bag.source.startswith("fights/") for bag in bags])
    truth = np.array([bag.fight for bag in bags])
    print(_report(logits[judged], truth[judged]))
    shift, temperature = _calibrated(logits[judged], truth[judged])
    print(f"shift {shift:.2f}, temperature {temperature:.2f}")
    if options.fold_models is not None:
        for number, judges in enumerate(models):
            write_fights(options.fold_models / f"fold{number}.onnx", look, FightVote(judges, temperature, shift))
        clips = {bag.name: int(number) for bag, number in zip(bags, fold, strict=True)}
        (options.fold_models / "folds.json").write_text(json.dumps(clips, indent=1), encoding="utf-8")
    return shift, temperature


def _report(logits: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> str:
    found = logits > 0
    hits, false = int((found & truth).sum()), int((found & ~truth).sum())
    order = np.argsort(np.argsort(logits)) + 1.0
    pairs = truth.sum() * (~truth).sum()
    area = (order[truth].sum() - truth.sum() * (truth.sum() + 1) / 2) / pairs
    return (
        f"clips {len(truth)}, accuracy {(found == truth).mean():.3f}, precision {hits / max(1, hits + false):.3f}, "
        f"recall {hits / truth.sum():.3f}, area under ROC {area:.3f}\n"
        f"truth fight: {hits} fight, {int(truth.sum()) - hits} none; "
        f"truth none: {false} fight, {int((~truth).sum()) - false} none"
    )


def _calibrated(logits: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Shift and temperature with the best likelihood, fights and harmless clips counting alike."""
    weights = np.where(truth, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    best = (np.inf, 0.0, 1.0)
    for shift in np.linspace(-1.5, 1.5, 31):
        for temperature in _TEMPERATURES:
            scaled = (np.maximum(logits, -9.0) + shift) / temperature
            loss = float((weights * np.logaddexp(0.0, np.where(truth, -scaled, scaled))).sum())
            best = min(best, (loss, float(shift), float(temperature)))
    return best[1], best[2]


def _say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
