"""Which detections are looked at."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from daemon.config.filters import FiltersConfig
from daemon.config.zones import Mask
from daemon.sifting import Sieve
from tracker.detector import Detections

# In an image of 1000x500: a person, a far one, one who fills the picture, a weak one, one cut off below.
BOXES = [
    (100, 100, 200, 400),
    (500, 100, 510, 130),
    (0, 0, 1000, 500),
    (700, 100, 800, 400),
    (300, 250, 400, 700),
]
SCORES = [0.9, 0.8, 0.7, 0.2, 0.6]
LEFT = Mask(points=((0.0, 0.0), (0.25, 0.0), (0.25, 1.0), (0.0, 1.0)))


def left_over(masks=None, **limits) -> list[int]:
    found = Detections(np.array(BOXES, np.float32), np.array(SCORES, np.float32))
    sifted = Sieve(FiltersConfig(**limits), masks or {}).sift(found, 1000, 500)
    assert len(sifted.boxes) == len(sifted.scores)
    return [SCORES.index(round(float(score), 2)) for score in sifted.scores]


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"min_score": 0.5}, [0, 1, 2, 4]),
        ({"min_height": 0.1}, [0, 2, 3, 4]),
        ({"max_height": 0.9}, [0, 1, 3, 4]),
        ({"min_width": 0.05}, [0, 2, 3, 4]),
        ({"max_width": 0.11}, [0, 1, 3, 4]),
        ({"min_area": 0.01}, [0, 2, 3, 4]),
        ({"max_area": 0.055}, [1, 4]),  # of the last one only what is in the image
        ({"min_score": 0.3, "max_area": 0.5, "min_height": 0.1}, [0, 4]),
    ],
)
def test_limits(limits, kept):
    assert left_over(**limits) == kept


def test_whose_feet_are_in_a_mask_is_not_looked_at():
    assert left_over({"tv": LEFT}) == [1, 2, 3, 4]


def test_nobody_and_nothing_to_do():
    none = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))
    assert len(Sieve(FiltersConfig(min_score=0.5), {"tv": LEFT}).sift(none, 10, 10)) == 0
    some = Detections(np.array(BOXES, np.float32), np.array(SCORES, np.float32))
    assert Sieve(FiltersConfig(), {}).sift(some, 1000, 500) is some


def test_limits_must_be_in_order():
    with pytest.raises(ValidationError, match=r"min_area .* must not be above max_area"):
        FiltersConfig(min_area=0.5, max_area=0.1)
