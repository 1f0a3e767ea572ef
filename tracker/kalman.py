"""Constant-velocity Kalman filter for boxes, all tracks of a camera at once.

Each of centre x, centre y, width and height is filtered on its own (value and rate), which keeps the
update free of matrix inverses. Noise is given in body heights, so near and far people behave alike, and
grows with the real time between frames, so that any frame rate gives the same motion.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["BoxFilter", "BoxStates", "from_centre", "to_centre"]

Floats = NDArray[np.float64]


def to_centre(boxes: NDArray[np.floating]) -> Floats:
    """Boxes (N, 4) left, top, right, bottom as centre x, centre y, width, height."""
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    return np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], axis=1)


def from_centre(values: Floats) -> Floats:
    """Boxes (N, 4) centre x, centre y, width, height as left, top, right, bottom; sizes at least 1 px."""
    half = np.maximum(values[:, 2:], 1.0) / 2
    return np.concatenate([values[:, :2] - half, values[:, :2] + half], axis=1)


@dataclass(slots=True)
class BoxStates:
    """Filter states of N boxes.

    Attributes:
        value: (N, 4) centre x, centre y, width, height in px.
        rate: (N, 4) their change in px/s.
        covariance: (3, N, 4) variance of value, covariance of value and rate, variance of rate.
    """

    value: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    rate: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    covariance: Floats = field(default_factory=lambda: np.zeros((3, 0, 4)))

    def __len__(self) -> int:
        return len(self.value)

    def select(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> BoxStates:
        """The states of these rows."""
        return BoxStates(self.value[rows], self.rate[rows], self.covariance[:, rows])

    def append(self, other: BoxStates) -> BoxStates:
        """These states, then the other's."""
        return BoxStates(
            np.concatenate([self.value, other.value]),
            np.concatenate([self.rate, other.rate]),
            np.concatenate([self.covariance, other.covariance], axis=1),
        )


@dataclass(frozen=True, slots=True)
class BoxFilter:
    """Predicts and corrects box states.

    Attributes:
        measurement: standard deviation of a detection of score 1, of centre and size, in body heights.
        acceleration: standard deviation of the white acceleration of centre and size, in heights/s^1.5.
        start_rate: standard deviation of an unseen rate, of centre and size, in heights/s.
        size_memory: seconds in which the rate of the size falls to 1/e, so a hidden box does not swell.
    """

    measurement: tuple[float, float] = (0.04, 0.06)
    acceleration: tuple[float, float] = (0.5, 0.3)
    start_rate: tuple[float, float] = (0.8, 0.2)
    size_memory: float = 0.5
    _noise: tuple[Floats, Floats, Floats] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "_noise", (_four(self.measurement), _four(self.acceleration), _four(self.start_rate))
        )

    def start(self, boxes: NDArray[np.floating]) -> BoxStates:
        """States at rest for new boxes (N, 4) left, top, right, bottom."""
        value = to_centre(boxes)
        scale = _scale(value)
        covariance = np.zeros((3, len(value), 4))
        covariance[0] = (scale * self._noise[0]) ** 2
        covariance[2] = (scale * self._noise[2]) ** 2
        return BoxStates(value, np.zeros_like(value), covariance)

    def predict(self, states: BoxStates, seconds: float) -> BoxStates:
        """The states after `seconds`."""
        time = max(seconds, 0.0)
        keep = np.array([1.0, 1.0, *(2 * [np.exp(-time / self.size_memory)])])
        noise = (_scale(states.value) * self._noise[1]) ** 2
        value_var, both, rate_var = states.covariance
        covariance = np.empty_like(states.covariance)
        covariance[0] = value_var + 2 * time * both + time**2 * rate_var + noise * (time**3 / 3)
        covariance[1] = (both + time * rate_var) * keep + noise * (time**2 / 2)
        covariance[2] = rate_var * keep**2 + noise * time
        value = states.value + states.rate * time
        value[:, 2:] = np.maximum(value[:, 2:], 1.0)
        return BoxStates(value, states.rate * keep, covariance)

    def correct(
        self, states: BoxStates, boxes: NDArray[np.floating], scores: NDArray[np.floating]
    ) -> BoxStates:
        """States after detections, boxes (N, 4) left, top, right, bottom with scores (N,).

        A weak detection is trusted less (noise scale adaptive update, StrongSORT, section 3.2).
        """
        doubt = 1.0 + 2.0 * (1.0 - np.clip(np.asarray(scores, np.float64), 0.0, 1.0))[:, None]
        noise = (_scale(states.value) * self._noise[0] * doubt) ** 2
        value_var, both, rate_var = states.covariance
        innovation = to_centre(boxes) - states.value
        spread = value_var + noise
        gain, rate_gain = value_var / spread, both / spread
        covariance = np.empty_like(states.covariance)
        covariance[0] = (1 - gain) * value_var
        covariance[1] = (1 - gain) * both
        covariance[2] = rate_var - rate_gain * both
        return BoxStates(states.value + gain * innovation, states.rate + rate_gain * innovation, covariance)


def _scale(value: Floats) -> Floats:
    """Body height (N, 1) in px: the longer side, so that a person who falls keeps it."""
    height: Floats = value[:, 2:].max(axis=1, keepdims=True, initial=1.0)
    return height


def _four(pair: tuple[float, float]) -> Floats:
    return np.repeat(np.asarray(pair, np.float64), 2)
