"""The action model on people it has not seen: by data set, on strangers' recordings, in time, on footage.

    posewatch train out/corpus --folds 1 --out out/held_out.onnx       (not --final: names its test groups)
    python tests/accuracy/action_model.py --model out/held_out.onnx --corpus out/corpus [--no-footage]

1. F1 of each class on held-out actors, by data set, and the confusion matrix.
2. Takes that strangers have published (never trained on): the answers, and the share of the expected one.
3. Seconds from the beginning of an action to its label, through the hysteresis of the daemon.
4. Changes of the label in a minute: of strangers who sit, stand and walk, and of all in walking footage.

Without --model, the bundled one, which has seen all the actors: 1 is left out. Writes JSON with --out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from footage import DATA, frames_of

from classifier.model import ActionModel
from classifier.recording import RecordingError, read_folder, read_recording
from classifier.training.corpus.body import RATE, Body
from classifier.training.corpus.build import stands
from classifier.training.corpus.camera import random_camera, see
from classifier.training.corpus.gait import stride
from classifier.training.corpus.motions import fall, hold, swing_arms
from classifier.training.corpus.sources import Motion, read_motions
from classifier.training.metrics import score
from classifier.training.windows import cut, takes_of
from daemon.actions import ActionHysteresis
from daemon.config import Config
from daemon.config.actions import ActionsConfig
from daemon.engines import Engines
from daemon.pipeline import CameraPipeline
from daemon.topics import Topics

STRANGERS = {  # take: what may be answered
    "HQC408/WALKING": ("walking",),
    "HQC408/RUNNING": ("running",),
    "HQC408/SITTING": ("sitting",),
    "HQC408/STANDING": ("standing",),
    "HQC408/HANDSWING": ("waving",),
    "RyanPham/NOTHING": ("sitting", "standing"),
    "ThangPetros/BODYSWING": ("sitting", "standing", "other"),
    "phungdx/HANDSWING": ("waving",),
    "Spidartist/HANDSWING": ("waving",),
    "ThangPetros/HANDSWING": ("waving",),
    "RyanPham/HANDSWING": ("waving",),
    "RyanPham/CLAPPING": ("other",),
    "MyCrabs/NONE": ("standing",),
    "MyCrabs/JUMPING_JACKS": ("other",),
    "MyCrabs/HIGH_KNEES": ("other", "running"),
    "MyCrabs/BUTT KICKS": ("other", "running"),
    "au01909/standing": ("standing",),
    "au01909/kicking": ("punching_kicking",),
    "au01909/punching": ("punching_kicking",),
}
STEADY = ("HQC408/SITTING", "HQC408/STANDING", "HQC408/WALKING", "au01909/standing", "RyanPham/NOTHING")
WALKING = ("mot/PETS09-S2L1/video.avi", "video/people/one-by-one-person-detection.mp4")
ONSET = 2.0  # seconds of standing before an action
ONSETS = 30  # stories of each action
_Answers = npt.NDArray[np.float32]


def held_out(model: ActionModel, corpus: Path) -> dict[str, Any]:
    """Prints F1 by class and data set, and the confusion matrix."""
    recordings = [one for one in read_folder(corpus) if one.group in model.held_out]
    takes = takes_of(recordings, model.labels)
    sources = [take.group.split("/")[0] for take in takes]
    found, truth, where = [], [], []
    for take, source in zip(takes, sources, strict=True):
        answers = _answers([take], take.ends, model)
        found.append(answers)
        truth += [take.label] * len(answers)
        where += [source] * len(answers)
    answers, labels, place = np.concatenate(found), np.array(truth), np.array(where)
    names = sorted(set(sources))
    by_source = {name: score(answers[place == name], labels[place == name], model.labels) for name in names}
    whole = score(answers, labels, model.labels)
    print("| F1 | " + " | ".join(names) + " | all |\n" + "| --- " * (len(names) + 2) + "|")
    for number, label in enumerate(model.labels):
        cells = [
            f"{by_source[name].f1[number]:.3f}" if by_source[name].confusion[number].sum() else "-"
            for name in names
        ]
        print(f"| {label} | " + " | ".join(cells) + f" | {whole.f1[number]:.3f} |")
    macro = [f"{by_source[name].macro_f1:.3f}" for name in names]
    print("| macro | " + " | ".join(macro) + f" | {whole.macro_f1:.3f} |\n\n```\n{whole.table()}\n```")
    return {"macro_f1": whole.macro_f1, "f1": dict(zip(model.labels, whole.f1.tolist(), strict=True))}


def _answers(takes: list[Any], ends: npt.NDArray[np.float64], model: ActionModel) -> _Answers:
    choice = np.zeros(len(ends), np.int64)
    windows = cut(takes, choice, ends, rate=model.rate, samples=model.samples)
    return model.probabilities(windows.landmarks, windows.valid)


def strangers(model: ActionModel, folder: Path) -> dict[str, float]:
    """Prints what is answered of strangers' takes."""
    print("| take | expected | share | answers |\n| --- | --- | --- | --- |")
    shares = {}
    for name, expected in STRANGERS.items():
        try:
            take = replace(read_recording(folder / f"{name}.txt"), label="any")
        except RecordingError as error:
            print(f"| {name} | {'/'.join(expected)} | - | {error} |")
            continue
        takes = takes_of([take], ["any"])
        counts = Counter(
            model.labels[number] for number in _answers(takes, takes[0].ends, model).argmax(axis=1)
        )
        total = sum(counts.values())
        shares[name] = sum(counts[label] for label in expected) / total
        text = ", ".join(f"{label} {count / total:.2f}" for label, count in counts.most_common(3))
        print(f"| {name} | {'/'.join(expected)} | {shares[name]:.2f} | {text} |")
    return shares


def onsets(model: ActionModel, skeletons: Path) -> dict[str, dict[str, float]]:
    """Prints how long after its beginning an action of a held-out actor has its label."""
    random = np.random.default_rng(3)
    motions = read_motions(skeletons)
    motions = [one for one in motions if one.group in model.held_out] or motions
    standing = [one for one in motions if stands(one.body[0])]
    found: dict[str, list[float]] = defaultdict(list)
    tried: Counter[str] = Counter()
    for label in ("walking", "running", "bending", "falling", "waving", "punching_kicking", "sitting"):
        for _ in range(ONSETS):
            body, begins = _story(label, motions, standing, random)
            camera = random_camera(body, random)
            landmarks, seen = see(body, camera, random)
            if seen.mean() < 0.9:
                continue
            size = np.array([camera.width, camera.height, camera.width, 1.0], np.float32)
            tried[label] += 1
            delay = _delay(model, landmarks * size, label, begins)
            if delay is not None:
                found[label].append(delay)
    print("| action | stories | named | median (s) | 90 % (s) |\n" + "| --- " * 5 + "|")
    result = {}
    for label, count in tried.items():
        delays = found[label]
        middle, most = np.quantile(delays, [0.5, 0.9]).tolist() if delays else (np.nan, np.nan)
        result[label] = {"named": len(delays) / count, "median": middle, "q90": most}
        print(f"| {label} | {count} | {len(delays) / count:.2f} | {middle:.1f} | {most:.1f} |")
    return result


def _story(
    label: str, motions: list[Motion], standing: list[Motion], random: np.random.Generator
) -> tuple[Body, float]:
    """Somebody who stands and then does it, and the second at which it begins."""
    motion = standing[random.integers(len(standing))]
    if label == "falling":
        made = fall(hold(motion.body[0], ONSET, random), random, lying_seconds=2.0)
        return made.body, made.begins / RATE
    if label in {"walking", "running"}:
        body = stride(motion.body[0], 3.0, random, running=label == "running")
    else:
        known = {"sitting": {"sit_down"}}.get(label, {label})
        own = [one for one in motions if one.label in known]
        chosen = own[random.integers(len(own))]
        after = hold(chosen.body[-1], 3.0 if label == "sitting" else 0.5, random)
        body = np.concatenate([chosen.body, after])
        if label == "waving":
            body = np.concatenate([chosen.body, chosen.body[::-1]])
    still = swing_arms(hold(body[0], ONSET, random), random, strength=0.02, sigma=12.0)
    return np.concatenate([still, body]), ONSET


def _delay(model: ActionModel, pixels: npt.NDArray[np.float32], label: str, begins: float) -> float | None:
    for at, action in _actions(model, np.arange(len(pixels)) / RATE, pixels):
        if at >= begins and action == label:
            return at - begins
    return None


def _actions(
    model: ActionModel, times: npt.NDArray[np.float64], pixels: npt.NDArray[np.float32]
) -> list[tuple[float, str]]:
    """Seconds and label of one person's answers every 0.2 s, as the daemon gives them."""
    stream, actions, found, last = model.stream(), ActionHysteresis(ActionsConfig()), [], -1.0
    actions.adopt(model.thresholds)
    for time, pose in zip(times.tolist(), pixels, strict=True):
        stream.push_all({"1": pose}, time)
        if time - last >= 0.18:
            last = time
            found += [(time, actions.update(scores)[0]) for scores in model.classify(stream, ["1"])]
    return found


def steady(model: ActionModel, folder: Path) -> dict[str, float]:
    """Prints the changes of the label in a minute of strangers who do one thing."""
    print("| take | label most of the time | changes a minute |\n| --- | --- | --- |")
    result = {}
    for name in STEADY:
        take = read_recording(folder / f"{name}.txt")
        found = _actions(model, take.times, take.pixels)
        labels = [label for _, label in found]
        changes = sum(one != other for one, other in pairwise(labels))
        result[name] = changes / max((found[-1][0] - found[0][0]) / 60, 1e-6)
        most, count = Counter(labels).most_common(1)[0]
        print(f"| {name} | {most} {count / len(labels):.2f} | {result[name]:.1f} |")
    return result


def footage(model: Path | None, data: Path) -> dict[str, dict[str, float]]:
    """Prints the labels of everybody in walking footage, and their changes in a minute of a person."""
    print("| footage | person-minutes | changes a minute | labels |\n| --- | --- | --- | --- |")
    result = {}
    for name in WALKING:
        settings: dict[str, Any] = {"cameras": {"clip": {"url": name}}, "mqtt": {"enabled": False}}
        if model is not None:
            settings["actions"] = {"model": str(model)}
        config = Config.model_validate(settings)
        engines = Engines()
        pipeline = CameraPipeline("clip", config.cameras["clip"], Topics("p"))
        labels: Counter[str] = Counter()
        now: dict[str, str] = {}
        changes, seconds, last = 0, 0.0, None
        for frame in frames_of(data / name):
            people = pipeline.process(frame, engines).scene.confirmed
            seconds += 0.0 if last is None else (frame.monotonic - last) * len(people)
            last = frame.monotonic
            for person in people:
                labels[person.action] += 1
                changes += now.get(person.track.id, person.action) != person.action
                now[person.track.id] = person.action
        total, minutes = sum(labels.values()), seconds / 60
        text = ", ".join(f"{label} {count / total:.2f}" for label, count in labels.most_common(5))
        print(f"| {name} | {minutes:.1f} | {changes / minutes:.1f} | {text} |", flush=True)
        result[name] = {"changes": changes / minutes} | {k: v / total for k, v in labels.items()}
    return result


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", type=Path, help="trained without --final (default: the bundled one)")
    parser.add_argument("--corpus", type=Path, help="what it was trained on")
    parser.add_argument("--no-footage", action="store_true", help="leaves out the videos")
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    if not (given.data / "landmarks").is_dir():
        print(f"{given.data}: no evaluation data: set POSEWATCH_DATA or --data", file=sys.stderr)
        return 2
    model = ActionModel(given.model)
    report: dict[str, Any] = {}
    if given.corpus is not None and model.held_out:
        print(f"## Held-out actors: {', '.join(sorted(model.held_out))}\n")
        report["held_out"] = held_out(model, given.corpus)
    print("\n## Strangers\n")
    report["strangers"] = strangers(model, given.data / "landmarks")
    print("\n## From the beginning of an action to its label\n")
    report["onsets"] = onsets(model, given.data / "skeleton")
    print("\n## Steadiness\n")
    report["steady"] = steady(model, given.data / "landmarks")
    if not given.no_footage:
        print()
        report["footage"] = footage(given.model, given.data)
    if given.out:
        given.out.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
