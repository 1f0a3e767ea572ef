"""How far a window is from what a network was trained on: see `classifier.rejection`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Familiarity"]

_SHRINKAGE = 0.1  # of the covariance towards a sphere: few windows for many dimensions

_Float = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Familiarity:
    """Class means and one common covariance of the last layer's inputs.

    Attributes:
        whitener: (E, E) turns inputs into units of the usual deviation within a class.
        centres: (C, E) whitened class means.
    """

    whitener: _Float
    centres: _Float

    @classmethod
    def fit(cls, summaries: npt.NDArray[np.floating], labels: npt.NDArray[np.int64]) -> Familiarity:
        """From training windows as they are.

        Args:
            summaries: (N, E) inputs of the last layer.
            labels: (N,) class numbers.
        """
        values = np.asarray(summaries, np.float64)
        present = np.unique(labels)
        means = np.stack([values[labels == label].mean(axis=0) for label in present])
        place = np.searchsorted(present, labels)
        spread = np.cov((values - means[place]).T)
        sphere = np.trace(spread) / len(spread) * np.eye(len(spread))
        spread = (1 - _SHRINKAGE) * spread + _SHRINKAGE * sphere + 1e-9 * np.eye(len(spread))
        whitener = np.linalg.cholesky(np.linalg.inv(spread))
        made = cls(whitener, means @ whitener)
        usual = np.sqrt(np.median(made.distances(values)))
        return cls(made.whitener / usual, made.centres / usual)

    def distances(self, summaries: npt.NDArray[np.floating]) -> _Float:
        """(N,) squared distance to the nearest class; 1 is usual in training."""
        white = np.asarray(summaries, np.float64) @ self.whitener
        squares = (white**2).sum(axis=1)[:, None] - 2 * white @ self.centres.T + (self.centres**2).sum(axis=1)
        return np.asarray(np.maximum(squares.min(axis=1), 0.0))
