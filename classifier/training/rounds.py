"""Which takes are trained on and which are held out, and what may be claimed of people one has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from classifier.labels import IDLE_LABELS
from classifier.training.errors import TrainingError
from classifier.training.split import Units, fold_units, split_units

__all__ = ["Round", "held_out_notes", "plan"]

_MANY = 20000  # windows from which one split is enough
_FOLDS = 5
_SPARE = 8  # units of a training side from which some can be spared for validation


@dataclass(frozen=True, slots=True)
class Round:
    """Numbers of the takes of one training.

    Attributes:
        train: to train on.
        validation: to stop by; empty where there are too few people.
        test: held out.
    """

    train: list[int]
    validation: list[int]
    test: list[int]


def plan(units: Units, classes: int, folds: int, *, seed: int) -> list[Round]:
    """The trainings whose held-out windows make the scores.

    Args:
        units: what is held out as a whole.
        classes: number of classes.
        folds: parts of a cross-validation; 1 for one split; 0 decides by the number of windows.
        seed: of the choice.

    Raises:
        TrainingError: there is nothing to hold out.
    """
    names = set(units.names)
    if folds == 0:
        many = sum(len(take.ends) for take in units.takes) >= _MANY and len(names) >= 3
        folds = 1 if many else _FOLDS
    if folds == 1 and len(names) >= 3:
        split = split_units(units, classes, seed=seed)
        if split.test and split.validation:
            return [Round(split.train, split.validation, split.test)]
    if len(names) < 2:
        raise TrainingError("all takes are of one person and too short to cut: record longer or more takes")
    parts = fold_units(units, classes, max(2, folds), seed=seed)
    rounds = []
    for number, test in enumerate(parts):
        others = [part for place, part in enumerate(parts) if place != number]
        spare = others[number % len(others)]
        kept = [take for part in others if part is not spare for take in part]
        if len({units.names[take] for take in kept}) >= _SPARE and _covers(units, kept, spare + kept):
            rounds.append(Round(sorted(kept), sorted(spare), test))
        else:
            rounds.append(Round(sorted(kept + spare), [], test))
    return rounds


def _covers(units: Units, some: Sequence[int], all_of: Sequence[int]) -> bool:
    return {units.takes[n].label for n in some} == {units.takes[n].label for n in all_of}


def held_out_notes(units: Units, labels: Sequence[str], rounds: Sequence[Round]) -> list[str]:
    """What the scores cannot claim, a sentence each, the gravest first."""
    people = {take.group for take in units.takes}
    notes = []
    if len(people) == 1:
        notes.append(
            "ONE PERSON ONLY: all recordings are of one group, so the scores are of people it has been "
            "trained on; nobody knows how it does on others. Record the same actions of other people, "
            "a folder each."
        )
    elif len(people) < 5:
        notes.append(
            f"FEW PEOPLE: {len(people)} groups; what they have in common by chance counts as the action. "
            "Record at least five people, a folder each, before you trust the scores."
        )
    if len(people) > 1:
        for numbers, what in ((units.by_take, "of one group only"), (units.by_time, "one take only")):
            if numbers:
                names = ", ".join(labels[number] for number in numbers)
                notes.append(f"{what.upper()}: {names}: scored on people that training has seen.")
    elif units.by_time:
        names = ", ".join(labels[number] for number in units.by_time)
        notes.append(f"ONE TAKE ONLY: {names}: scored on other parts of the take that was trained on.")
    untrained = set()
    for one in rounds:
        trained = {units.takes[n].label for n in one.train}
        untrained |= {units.takes[n].label for n in one.test} - trained
    if untrained:
        names = ", ".join(labels[number] for number in sorted(untrained))
        notes.append(
            f"NOT LEARNED IN EVERY ROUND: {names}: too few groups; the scores are too low for these."
        )
    if not IDLE_LABELS & set(labels):
        notes.append(
            "NOTHING ELSE IS TAUGHT: somebody who only stands or walks by will often be given one of these "
            "labels. Record takes named OTHER in which people do everything but these actions."
        )
    return notes
