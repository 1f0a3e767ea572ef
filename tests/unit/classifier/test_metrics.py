"""Scores against cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.training.metrics import (
    Scores,
    fit_temperature,
    least_scores,
    reliability,
    score,
    softmax,
)

LABELS = ("walk", "sit", "fall")


def sure(answers: list[int], confidence: float = 1.0) -> np.ndarray:
    """(N, 3) probabilities: `confidence` for the answer, the rest for the others."""
    result = np.full((len(answers), 3), (1 - confidence) / 2)
    result[np.arange(len(answers)), answers] = confidence
    return result


def test_confusion_precision_recall_f1():
    truth = np.array([0, 0, 0, 0, 1, 1, 1, 2])
    found = score(sure([0, 0, 0, 1, 1, 1, 0, 1]), truth, LABELS)
    assert found.confusion.tolist() == [[3, 1, 0], [1, 2, 0], [0, 1, 0]]
    assert found.accuracy == pytest.approx(5 / 8)
    np.testing.assert_allclose(found.precision, [3 / 4, 2 / 4, 0])
    np.testing.assert_allclose(found.recall, [3 / 4, 2 / 3, 0])
    np.testing.assert_allclose(found.f1, [3 / 4, 4 / 7, 0])
    assert found.macro_f1 == pytest.approx((3 / 4 + 4 / 7) / 3)


def test_a_class_that_does_not_occur_is_left_out_of_the_mean():
    found = score(sure([0, 1, 1]), np.array([0, 1, 1]), LABELS)
    assert found.macro_f1 == 1.0
    assert found.f1.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("answers", "confidence", "error"),
    [
        ([0, 0, 0, 0], 1.0, 0.0),  # sure and right
        ([1, 1, 1, 1], 1.0, 1.0),  # sure and wrong
        ([0, 0, 0, 1], 0.75, 0.0),  # as often right as it says
        ([0, 0, 1, 1], 0.9, 0.4),
    ],
)
def test_calibration_error(answers, confidence, error):
    found = score(sure(answers, confidence), np.zeros(4, np.int64), LABELS)
    assert found.calibration_error == pytest.approx(error, abs=1e-9)


def test_likelihood_of_the_truth():
    found = score(sure([0, 1], 0.5), np.array([0, 0]), LABELS)
    assert found.nll == pytest.approx(-(np.log(0.5) + np.log(0.25)) / 2)
    assert np.isfinite(score(sure([0]), np.array([1]), LABELS).nll)  # a sure mistake


def test_no_windows_score_nothing():
    found = score(np.empty((0, 3)), np.empty(0, np.int64), LABELS)
    assert (found.accuracy, found.macro_f1, found.nll, found.calibration_error) == (0.0, 0.0, 0.0, 0.0)


def test_the_table_names_every_label_and_count():
    table = Scores(LABELS, np.array([[3, 1, 0], [1, 2, 0], [0, 1, 0]]), 0.0, 0.0).table().splitlines()
    assert len(table) == 4
    assert table[1].split() == ["walk", "3", "1", "0", "0.750", "0.750", "0.750"]
    assert len({len(line) for line in table[1:]}) == 1


@given(st.lists(st.lists(st.floats(-500, 500), min_size=3, max_size=3), min_size=1, max_size=5))
def test_softmax_is_a_probability_for_any_logits(logits):
    result = softmax(np.array(logits))
    np.testing.assert_allclose(result.sum(axis=1), 1.0)
    assert (result >= 0).all()


@pytest.mark.parametrize("true_temperature", [0.6, 1.0, 2.5])
def test_the_temperature_that_made_the_answers_is_found(true_temperature):
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (6000, 3))
    truth = np.array([random.choice(3, p=row) for row in softmax(logits / true_temperature)])
    found = fit_temperature(logits, truth)
    assert found == pytest.approx(true_temperature, rel=0.15)
    before, after = (score(softmax(logits / t), truth, LABELS) for t in (1.0, found))
    assert after.nll <= before.nll + 0.001  # the fit weighs classes, the likelihood windows


def test_too_few_windows_leave_the_temperature_alone():
    assert fit_temperature(np.zeros((9, 3)), np.zeros(9, np.int64)) == 1.0


def test_nearly_all_right_answers_reach_a_label_s_least_score():
    right = np.linspace(0.5, 0.7, 101)
    probabilities = np.stack([right, 1 - right, np.zeros(101)], axis=1)
    probabilities[0] = (0.1, 0.9, 0.0)  # a sure mistake counts for nothing
    truth = np.zeros(101, np.int64)
    found = least_scores(probabilities, truth, LABELS)
    assert found == {"walk": pytest.approx(0.51, abs=0.011), "sit": 0.5, "fall": 0.5}
    assert np.mean(right[1:] >= found["walk"]) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(("confidence", "least"), [(0.99, 0.8), (0.35, 0.35), (0.34, 0.34)])
def test_the_least_score_is_never_beyond_what_hysteresis_can_use(confidence, least):
    assert least_scores(sure([0, 0], confidence), np.array([0, 0]), LABELS)["walk"] == least


@pytest.mark.parametrize("bins", [4, 10])
def test_reliability_tells_how_often_answers_are_right_that_are_so_sure(bins):
    confident, unsure = sure([0, 0, 0, 0], 0.9), sure([1, 1], 0.5)
    found = reliability(np.concatenate([confident, unsure]), np.array([0, 0, 0, 1, 1, 2]), bins=bins)
    filled = found[found[:, 2] > 0]
    np.testing.assert_allclose(filled, [[0.5, 0.5, 2], [0.9, 0.75, 4]])
    assert found[:, 2].sum() == 6
