"""From the answers on held-out windows to probabilities that one can act on, and to honest scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from classifier.labels import OTHER
from classifier.rejection import Rejection
from classifier.training.metrics import fit_temperature, least_scores, softmax
from classifier.training.outcome import Answers, Calibration, HeldOut

__all__ = ["calibrate", "held_out_probabilities", "pooled"]

_MISTAKES = 10  # from which a temperature can be told


def pooled(parts: Sequence[Answers]) -> Answers:
    """All answers one after the other."""
    return Answers(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.distances for part in parts]),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.takes for part in parts]),
    )


def calibrate(held: Sequence[HeldOut], labels: Sequence[str]) -> Calibration:
    """Temperature, thresholds and the rule by which an answer is unknown.

    From the test windows of a cross-validation; of a single split, from its validation windows, so that its
    test windows have had no part in it.
    """
    known = pooled([one.test for one in held]) if len(held) > 1 else held[0].validation
    temperature = _temperature(known)
    probabilities = softmax(known.logits / temperature)
    thresholds = least_scores(probabilities, known.truth, labels)
    # Who has a label for everything else was taught what that is; and what matters most, a fall, is strange.
    rejection = None if OTHER in labels else Rejection.fit(known.distances)
    return Calibration(temperature, thresholds, rejection)


def held_out_probabilities(held: Sequence[HeldOut]) -> list[npt.NDArray[np.float64]]:
    """(N, C) of each round's test windows, with a temperature that has not seen them."""
    result = []
    for number, one in enumerate(held):
        others = [other.test for place, other in enumerate(held) if place != number]
        known = pooled(others) if others else one.validation
        result.append(softmax(one.test.logits / _temperature(known)))
    return result


def _temperature(known: Answers) -> float:
    """The best one; but hardly any mistakes tell how sure one may be: then no sharper than the network."""
    found = fit_temperature(known.logits, known.truth)
    mistakes = int((known.logits.argmax(axis=1) != known.truth).sum()) if len(known.truth) else 0
    return found if mistakes >= _MISTAKES else max(found, 1.0)
