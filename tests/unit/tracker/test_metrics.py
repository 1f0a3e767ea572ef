"""Quality on small people: who counts, and who is left out of the count."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.training.metrics import evaluate_small

SMALL, LARGE = [10, 10, 20, 40], [100, 10, 180, 210]  # 30 and 200 pixels tall
TRUTH = np.array([SMALL, LARGE], np.float32)


@pytest.mark.parametrize(
    ("boxes", "scores", "ap50", "recall"),
    [
        ([SMALL, LARGE], [0.9, 0.8], 1.0, 1.0),
        ([SMALL], [0.9], 1.0, 1.0),  # the large one who is missed is not asked for
        ([SMALL], [0.4], 1.0, 0.0),  # found, but not surely enough
        ([LARGE], [0.9], 0.0, 0.0),
        ([[300, 10, 380, 210], SMALL], [0.95, 0.9], 1.0, 1.0),  # a large false one is left out
        ([[300, 10, 310, 40], SMALL], [0.95, 0.9], 0.5, 1.0),  # a small false one is not
        ([SMALL, [11, 10, 21, 40]], [0.9, 0.8], 1.0, 1.0),  # a double below everything found costs nothing
        ([SMALL, [11, 10, 21, 40]], [0.8, 0.9], 1.0, 1.0),
        (np.zeros((0, 4)), [], 0.0, 0.0),
    ],
)
def test_small_people(boxes, scores, ap50, recall):
    found = (np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32))
    metrics = evaluate_small([TRUTH], [found], [50.0])
    assert metrics.small == 1
    assert metrics.ap50_small == pytest.approx(ap50)
    assert metrics.recall_small == pytest.approx(recall)


def test_the_limit_is_of_each_image():
    nothing = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    metrics = evaluate_small(
        [TRUTH, TRUTH], [(TRUTH, np.array([0.9, 0.9], np.float32)), nothing], [50.0, 300.0]
    )
    assert metrics.small == 3
    assert metrics.recall_small == pytest.approx(1 / 3)


def test_without_small_people_there_is_no_figure():
    nothing = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    metrics = evaluate_small([TRUTH[1:]], [nothing], [50.0])
    assert metrics.small == 0
    assert np.isnan([metrics.ap50_small, metrics.recall_small]).all()
