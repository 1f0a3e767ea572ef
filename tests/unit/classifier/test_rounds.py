"""What is trained and tested on what, and what the scores then cannot claim."""

from __future__ import annotations

import numpy as np
import pytest

from classifier.training.errors import TrainingError
from classifier.training.rounds import held_out_notes, plan
from classifier.training.split import Units, units_of
from classifier.training.windows import Take

LABELS = ("wave", "other")


def take(label: int, group: str, seconds: float = 6.0) -> Take:
    times = np.arange(round(30 * seconds)) / 30
    return Take(times, np.zeros((len(times), 33, 4), np.float32), label, group, times[18::6])


def people(count: int, takes: int = 1) -> Units:
    made = [take(label, f"p{n}") for n in range(count) for label in (0, 1) for _ in range(takes)]
    return units_of(made, 2)


def loud(units: Units, labels: tuple[str, ...] = LABELS) -> list[str]:
    rounds = plan(units, len(labels), 0, seed=1)
    return [note.split(":")[0] for note in held_out_notes(units, labels, rounds)]


@pytest.mark.parametrize(
    ("count", "folds", "rounds"), [(12, 0, 5), (12, 4, 4), (3, 0, 3), (12, 1, 1), (2, 1, 2)]
)
def test_every_take_is_tested_once_on_others(count, folds, rounds):
    units = people(count)
    made = plan(units, 2, folds, seed=3)
    assert len(made) == rounds
    for one in made:
        sides = [{units.names[n] for n in side} for side in (one.train, one.validation, one.test)]
        assert not sides[0] & sides[2]
        assert not sides[1] & (sides[0] | sides[2])
        assert {units.takes[n].label for n in one.train} == {0, 1}
    if rounds > 1:
        assert sorted(n for one in made for n in one.test) == list(range(len(units.takes)))


def test_people_are_spared_to_stop_by_only_where_there_are_enough():
    assert all(one.validation for one in plan(people(14), 2, 5, seed=1))
    assert not any(one.validation for one in plan(people(6), 2, 3, seed=1))


def test_many_windows_need_one_split_only():
    made = [take(label, f"p{n}", 120.0) for n in range(20) for label in (0, 1)]
    [one] = plan(units_of(made, 2), 2, 0, seed=1)
    assert one.validation
    assert one.test


def test_nothing_to_hold_out_is_told():
    with pytest.raises(TrainingError, match="record longer or more takes"):
        plan(units_of([take(0, "me", 0.7), take(1, "me", 0.7)], 2), 2, 0, seed=1)


@pytest.mark.parametrize(
    ("units", "labels", "notes"),
    [
        (people(6), LABELS, []),
        (people(3), LABELS, ["FEW PEOPLE"]),
        (people(1, takes=3), LABELS, ["ONE PERSON ONLY"]),
        (people(1), LABELS, ["ONE PERSON ONLY", "ONE TAKE ONLY"]),
        (people(6), ("wave", "clap"), ["NOTHING ELSE IS TAUGHT"]),
        (units_of([*[take(0, f"p{n}") for n in range(6)], take(1, "p1")], 2), LABELS, ["ONE TAKE ONLY"]),
        (
            units_of([*[take(0, f"p{n}") for n in range(6)], take(1, "p1"), take(1, "p1")], 2),
            LABELS,
            ["OF ONE GROUP ONLY"],
        ),
    ],
)
def test_what_the_scores_cannot_claim(units, labels, notes):
    assert loud(units, labels) == notes
