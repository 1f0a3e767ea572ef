"""Watches a camera's pictures for fights."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.fights.model import FightModel, covering
from classifier.fights.motion import (
    ANYWHERE,
    BODIES,
    SEEN,
    WIDTH,
    Glance,
    MotionMap,
    energy_of,
    moving_at_once,
    place_of,
)

__all__ = ["FightScore", "FightWatch", "is_due"]

_MEMORY = 2.0  # seconds after which people who are no longer seen do not count
_GAP = 0.6  # seconds between two looks above which what is known starts anew
_SLOWEST = 0.28  # mean seconds between looks above which nothing is judged: too much changes in between
_BUSY = 1.0  # seconds for which it is looked at as often as ever after something happened
_STIRRED = 3.0  # times the motion that there was before
_STILL = 0.1  # grey levels, the mean of the picture: less is no motion
_FREE = 0.7  # of the time between two rare looks, after which a look that costs nothing is taken
_CALMING = 1.5  # seconds of looks from which they can be called calm
_TOLERANCE = 1e-6

Floats = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class FightScore:
    """How much the last seconds look like a fight, and where people moved most.

    Attributes:
        box: (4,) float32 left, top, right, bottom of the place in px, three body heights wide; may reach
            beyond the picture.
        score: probability 0..1.
        people: how many moved there at once, at the most.
        monotonic: seconds of the last picture that it is from.
    """

    box: Floats
    score: float
    people: int
    monotonic: float

    @property
    def body(self) -> Floats:
        """(4,) px of somebody as tall as people are there, in the middle of the place."""
        middle, half = (self.box[:2] + self.box[2:]) / 2, (self.box[2] - self.box[0]) / (2 * BODIES)
        return np.concatenate([middle - half, middle + half]).astype(np.float32)


def is_due(last: float, before: float, now: float, interval: float) -> bool:
    """Whether a frame is the nearest to an interval after the last look; `before` is the frame before."""
    return now - last >= interval - min(interval, now - before) / 2


class FightWatch:
    """Looks at the pictures of one camera several times a second while enough people are there.

    Features of the last two seconds are remembered, no pictures. While what has been seen is far from a
    fight, it is looked at more rarely, best where a detector has the features already; what is then judged
    only tells whether to look as often as the model wants it again.

    Args:
        people: from so many on is looked at all.
        calm: seconds from one look to the next while there is nothing; 0 looks as often then too.
        wake: score below which there is nothing, and none is returned, unless `calm` is 0.
    """

    def __init__(self, people: int = 2, *, calm: float = 0.0, wake: float = 0.4) -> None:
        self._least_people, self._rare, self._wake = people, calm, wake
        self._calm, self._busy = False, float("-inf")
        self._motion = MotionMap()
        self._looks: deque[tuple[float, Glance, Floats]] = deque()
        self._score: FightScore | None = None
        self._last = self._frame = self._company = float("-inf")

    def update(
        self,
        picture: Image | Callable[[], Image],
        boxes: Floats,
        scores: Floats,
        monotonic: float,
        model: FightModel,
        features: Floats | None = None,
    ) -> FightScore | None:
        """Takes the next frame; returns the newest score, None where there is nothing to judge.

        Args:
            picture: (H, W, 3) uint8 BGR, or what gives it: it is asked for where it is looked at.
            boxes: (N, 4) px of people, also of those who are hardly seen.
            scores: (N,) how surely.
            monotonic: seconds; frames come in the order of their time.
            model: the networks.
            features: (C, rows, columns) that a detector already has of the picture, see `FightModel.sees_as`.
        """
        before, self._frame = self._frame, monotonic
        if (np.asarray(scores) >= SEEN).sum() >= self._least_people:
            self._company = monotonic
        if monotonic - self._company > _MEMORY:
            if self._looks:
                self.reset()
            return None
        interval = model.interval
        if self._calm:
            interval = self._rare if features is None else self._rare * _FREE
        if not is_due(self._last, before, monotonic, interval):
            return self._score
        if monotonic - self._last > _GAP:
            self.reset()
        self._last = monotonic
        image = picture() if callable(picture) else picture
        glance = self._motion.update(image, boxes, scores)
        features = model.look(image) if features is None else covering(features, image)
        if self._looks and not self._fits(glance, features):
            self.reset()  # the camera has another resolution now
            self._last = monotonic
            glance = self._motion.update(image, boxes, scores)
        self._looks.append((monotonic, glance, features))
        while monotonic - self._looks[0][0] > model.seconds + _TOLERANCE:
            self._looks.popleft()
        self._score = self._judged(image.shape[1], monotonic, model)
        return self._score

    @property
    def calm(self) -> bool:
        """Whether it is looked at rarely, as what was seen is far from a fight."""
        return self._calm

    @property
    def oldest(self) -> float:
        """Seconds of the oldest picture that is judged; NaN while there is none."""
        return self._looks[0][0] if self._looks else float("nan")

    def reset(self) -> None:
        """Forgets everything: the camera shows another scene, or has been away."""
        self._motion = MotionMap()
        self._looks.clear()
        self._score, self._last, self._calm = None, float("-inf"), False
        self._busy = float("-inf")

    def _fits(self, glance: Glance, features: Floats) -> bool:
        """Whether a look is of the same size as the one before."""
        _, before, others = self._looks[-1]
        return before.change.shape == glance.change.shape and others.shape == features.shape

    def _judged(self, width: int, monotonic: float, model: FightModel) -> FightScore | None:
        """None while the looks are too few, of too short a time or too far apart."""
        span, steps = monotonic - self._looks[0][0], len(self._looks) - 1
        if steps + 1 < model.least or span < model.shortest - _TOLERANCE:
            return None
        apart = span > _SLOWEST * steps + _TOLERANCE
        if apart and not self._rare:
            return None
        glances = [glance for _, glance, _ in self._looks]
        energy = energy_of(glances)
        score = model.judge(np.stack([features for _, _, features in self._looks]), energy, span / steps)
        if score >= self._wake or _stirs(glances):
            self._busy = monotonic
        self._calm = self._rare > 0.0 and span >= _CALMING and monotonic - self._busy > _BUSY
        if apart or (self._rare and score < self._wake):
            return None
        place = place_of(energy, glances)
        return FightScore(place * np.float32(width / WIDTH), score, moving_at_once(place, glances), monotonic)


def _stirs(glances: Sequence[Glance]) -> bool:
    """Whether people suddenly move much more than in the seconds before."""
    *before, now = (float((one.change * (one.people + ANYWHERE)).mean()) for one in glances[1:])
    return bool(before) and now > _STIRRED * max(float(np.median(before)), _STILL)
