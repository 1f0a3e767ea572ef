"""From held-out answers to temperature, thresholds and the rule for unknown; and no round judges itself."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="install posewatch[train] to run this")

from classifier.training.calibration import calibrate, held_out_probabilities
from classifier.training.metrics import softmax
from classifier.training.outcome import Answers, HeldOut

LABELS = ("walk", "sit", "fall")


def answers(count: int, seed: int, *, strength: float = 3.0, mistakes: float = 0.2) -> Answers:
    """Windows of which a share is answered wrongly, all about as surely."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, count)
    given = np.where(random.random(count) < mistakes, (truth + 1) % 3, truth)
    logits = strength * np.eye(3)[given] + random.normal(0, 0.2, (count, 3))
    return Answers(logits, random.gamma(20, 0.05, count), truth, np.zeros(count, np.int64))


def held(test: Answers, validation: Answers | None = None) -> HeldOut:
    return HeldOut(test, validation or answers(0, 0), ("ann",), 1)


def test_a_single_split_is_calibrated_on_its_validation_windows_only():
    validation = answers(400, 1)
    one, other = (calibrate([held(answers(400, seed), validation)], LABELS) for seed in (2, 3))
    assert one == other
    assert one.rejection is not None
    assert np.mean(validation.distances > one.rejection.limit) == pytest.approx(0.05, abs=0.01)


def test_a_label_for_everything_else_needs_no_rule_for_unknown():
    known = held(answers(400, 2), answers(400, 1))
    assert calibrate([known], ("walk", "sit", "other")).rejection is None


def test_sure_mistakes_make_the_answers_less_sure():
    """Four of five answers are right, so that is about what the probabilities should say."""
    rounds = [held(answers(500, seed, strength=9.0)) for seed in range(3)]
    assert calibrate(rounds, LABELS).temperature > 2
    for found in held_out_probabilities(rounds):
        assert found.max(axis=1).mean() == pytest.approx(0.8, abs=0.06)


def test_a_round_has_no_part_in_its_own_temperature():
    """A round with mistakes only would make itself unsure; it is judged as the others are."""
    good = [held(answers(500, seed, mistakes=0.04)) for seed in range(2)]
    bad = held(answers(500, 9, mistakes=1.0))
    *_, found = held_out_probabilities([*good, bad])
    assert found.max(axis=1).mean() > 0.9


def test_without_mistakes_the_network_is_not_made_surer_than_it_is():
    known = held(answers(300, 4, strength=1.0, mistakes=0.0))
    assert calibrate([known, known], LABELS).temperature == 1.0
    [first, _] = held_out_probabilities([known, known])
    np.testing.assert_allclose(first, softmax(known.test.logits))
