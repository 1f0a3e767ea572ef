"""When an answer is unknown: the window is too unlike all that the model was taught.

The model's file says how far a window is from the nearest class (Mahalanobis distance of the network's last
layer; Lee et al. 2018, A Simple Unified Framework for Detecting Out-of-Distribution Samples) in units of the
usual distance in training. Beyond a limit, found on held-out people, the probabilities fade.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Rejection"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A limit of strangeness.

    Attributes:
        limit: distance at which the probabilities are halved.
        width: distance over which they fade: at `limit - 6 * width` nothing is lost.
    """

    limit: float
    width: float

    @classmethod
    def fit(cls, distances: npt.NDArray[np.floating], *, kept: float = 0.95) -> Rejection | None:
        """The limit that lets pass a share of held-out windows of known actions.

        Args:
            distances: (N,) of those windows.
            kept: share that passes.

        Returns:
            None for fewer than 50 windows: too few to know a limit from.
        """
        if len(distances) < 50:
            return None
        limit, middle = np.quantile(distances, [kept, 0.5]).tolist()
        return cls(limit, max((limit - middle) / 12, 1e-3))

    @classmethod
    def parse(cls, text: str) -> Rejection:
        """Reads what `text` gives.

        Raises:
            ValueError: it is something else.
        """
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("rejection must be an object")
        try:
            limit, width = float(values["limit"]), float(values["width"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"rejection: {error}") from error
        if not (math.isfinite(limit) and math.isfinite(width) and width > 0):
            raise ValueError("rejection: limit and width must be numbers, width above 0")
        return cls(limit, width)

    def text(self) -> str:
        """For the metadata of a model."""
        return json.dumps({"limit": round(self.limit, 4), "width": round(self.width, 4)})

    def known(self, distances: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """(N,) in 0..1, by which the probabilities are multiplied; what is missing then is unknown."""
        powers = np.clip((np.asarray(distances, np.float64) - self.limit) / self.width, -60, 60)
        return np.asarray(1 / (1 + np.exp(powers)), np.float32)
