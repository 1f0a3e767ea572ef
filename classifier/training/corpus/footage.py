"""Takes from real footage: landmarks of `posewatch replay --landmarks`, named by what is known of the clip.

GMDCSA24 tells the second at which each activity begins and ends. The Surveillance Camera Fight Dataset tells
of each clip only whether people fight in it. Of a clip without a fight follows what nobody does there (fall,
lie, punch or kick): an earlier model that may not say these names the rest, and where it is sure the take
gets that name. So the new model learns what a crowd that hides itself looks like when nothing happens.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.model import ActionModel
from classifier.recording import Recording, read_recording
from classifier.training.windows import cut, takes_of

__all__ = ["fight_clips", "gmdcsa24"]

_CLASSES = {"walking": "walking", "sitting": "sitting", "standing": "standing", "sleeping": "lying"}
_SPAN = re.compile(r"(\w+)\s*(?:\(\w+\)?)?\s*\[([^\]]*)\]")
_FALL_SECONDS = 1.6  # from the beginning of a fall to lying still
_SETTLED = 1.0  # seconds more after which it is lying
_NEVER = ("falling", "lying", "punching_kicking")  # in clips without a fight
_SURE = 0.55  # mean share of the named class among those that are allowed
_SURE_OF = {"running": 0.8}  # rare, and what hurried walkers are taken for
_SHORTEST = 0.8  # seconds


def gmdcsa24(landmarks: Path, data: Path) -> Iterator[Recording]:
    """Labelled parts of the clips of GMDCSA24.

    Args:
        landmarks: folder with SUBJECT/KIND/CLIP-TRACK/UNLABELLED.txt, from `posewatch replay`.
        data: folder of the data set, with SUBJECT/Fall.csv and SUBJECT/ADL.csv.
    """
    people: dict[tuple[str, str, str], Recording] = {}
    for folder in sorted(landmarks.glob("*/*/*-*")):
        key = (folder.parent.parent.name, folder.parent.name, folder.name.rpartition("-")[0])
        take = _person(folder)
        # One person a clip: whatever else was followed, such as a chair with a coat, was seen for less time.
        if take is not None and (key not in people or len(take.frames) > len(people[key].frames)):
            people[key] = take
    for (subject, kind, clip), take in people.items():
        spans = dict(_spans(data / subject / f"{kind}.csv"))
        for number, (label, start, end) in enumerate(spans.get(clip, ())):
            part = _part(take, label, start, end)
            if part is not None:
                name = f"gmdcsa24-{subject}-{kind}-{clip}-{number}"
                yield replace(part, source="gmdcsa24", track=name, group=f"gmdcsa24/{subject}")


def fight_clips(landmarks: Path, data: Path, model: ActionModel) -> Iterator[Recording]:
    """Takes of the clips without a fight of the Surveillance Camera Fight Dataset.

    Args:
        landmarks: folder with CLIP-TRACK/UNLABELLED.txt, from `posewatch replay`.
        data: folder of the data set, with labels.csv (clip, label, source).
        model: names what people do where nobody fights.
    """
    with (data / "labels.csv").open(encoding="utf-8") as stream:
        rows = {Path(row["clip"]).stem: row for row in csv.DictReader(stream)}
    for clip, row in sorted(rows.items()):
        if row["label"] == "fight":
            continue  # nobody says who fights, and when: guesses made the model see punches everywhere
        people = [
            take for folder in sorted(landmarks.glob(f"{clip}-*")) if (take := _person(folder)) is not None
        ]
        for number, part in enumerate(_harmless(people, model)):
            group = f"fights/{row['source']}"
            yield replace(part, source="surv_fight", track=f"{clip}-{number}", group=group)


def _person(folder: Path) -> Recording | None:
    path = folder / "UNLABELLED.txt"
    take = read_recording(path) if path.is_file() else None
    return take if take is not None and len(take.frames) >= 10 else None


def _spans(path: Path) -> Iterator[tuple[str, list[tuple[str, float, float]]]]:
    """Clip and its (label, start, end) in seconds, where one activity goes on."""
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        name, *_ = line.split(",")
        spans: list[tuple[str, float, float]] = []
        for activity, times in _SPAN.findall(line):
            bounds = [float(value) for value in re.findall(r"[\d.]+", times)]
            for start, end in zip(bounds[::2], bounds[1::2], strict=False):
                if activity.lower() in _CLASSES and end > start:
                    spans.append((_CLASSES[activity.lower()], start, end))
                elif activity.lower() == "falling":
                    spans.append(("falling", start, min(end, start + _FALL_SECONDS)))
                    spans.append(("lying", start + _FALL_SECONDS + _SETTLED, end))
        yield Path(name).stem, spans


def _part(take: Recording, label: str, start: float, end: float) -> Recording | None:
    """The take up to `end`, whose label holds from a little after `start`; poses before it lead in."""
    times = take.times
    chosen = (times >= start - 2.0) & (times <= end)
    if end - start < _SHORTEST or not chosen.any():
        return None
    lead = 0.5 if label == "falling" else 1.0
    begin = min(start + lead, end - 0.3)
    if (times[chosen] >= begin).sum() < 5:
        return None
    return _labelled(take, chosen, label, begin)


def _scores(take: Recording, model: ActionModel) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Times (N,) of the ends of windows and the model's answers (N, C)."""
    takes = takes_of([replace(take, label="any")], ["any"])
    if not takes:
        return np.empty(0), np.empty((0, len(model.labels)), np.float32)
    ends = takes[0].ends
    windows = cut(takes, np.zeros(len(ends), np.int64), ends, rate=model.rate, samples=model.samples)
    return ends, model.probabilities(windows.landmarks, windows.valid)


def _harmless(people: Sequence[Recording], model: ActionModel) -> Iterator[Recording]:
    allowed = np.array([label not in _NEVER for label in model.labels])
    for take in people:
        ends, scores = _scores(take, model)
        if not len(ends):
            continue
        shares = scores * allowed
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-6)
        answers = shares.argmax(axis=1)
        edges = [0, *(np.flatnonzero(np.diff(answers)) + 1).tolist(), len(answers)]
        for first, last in pairwise(edges):
            answer = int(answers[first])
            if shares[first:last, answer].mean() >= _SURE_OF.get(model.labels[answer], _SURE):
                yield _between(take, model.labels[answer], float(ends[first]), float(ends[last - 1]))


def _between(take: Recording, label: str, first: float, last: float) -> Recording:
    """The windows that end between two times are of this label."""
    return _labelled(take, take.times <= last + 1e-6, label, first)


def _labelled(take: Recording, kept: npt.NDArray[np.bool_], label: str, start: float) -> Recording:
    """The kept frames (N,) of a take, whose label holds from `start` seconds on."""
    return replace(
        take,
        label=label,
        frames=take.frames[kept],
        landmarks=take.landmarks[kept],
        labelled_from=round(start * take.rate),
    )
