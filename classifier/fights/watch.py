"""Watches a camera's pictures for fights: a score for each place in which people move close together."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from classifier.fights.crops import crop, reduced
from classifier.fights.model import FightModel
from classifier.fights.regions import BODIES, Region, RegionFinder

__all__ = ["FightScore", "FightWatch"]

_QUIET = 3.0  # seconds without anybody after which nothing is looked at any more
_SEEN = 0.2  # score from which a detection counts as one of the people of a place
_GAP = 0.6  # seconds between two pictures above which what is known starts anew

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FightScore:
    """How much a place looks like a fight.

    Attributes:
        box: (4,) float32 left, top, right, bottom of the place in px; may reach beyond the picture.
        score: probability 0..1.
        people: how many were seen there at once, at the most, in the time that is judged.
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


@dataclass(slots=True)
class _Watched:
    region: Region
    features: deque[Floats] = field(default_factory=deque)


class FightWatch:
    """Looks at the pictures of one camera, several times a second.

    The last pictures are remembered, so that a place which comes up is judged at once; they are kept in memory
    only, and forgotten when nobody is there.

    Args:
        interval: seconds between two looks.
        samples: looks that are judged together.
        least: looks from which is judged.
        limit: places at a time.
    """

    def __init__(self, *, interval: float, samples: int, least: int, limit: int = 2) -> None:
        self._interval, self._samples, self._least = interval, samples, least
        self._finder = RegionFinder(limit)
        self._pictures: deque[Image] = deque(maxlen=samples)
        self._middles: deque[Floats] = deque(maxlen=samples)
        self._watched: list[_Watched] = []
        self._scores: tuple[FightScore, ...] = ()
        self._last = self._frame = self._somebody = float("-inf")

    def update(
        self, image: Image, boxes: Floats, scores: Floats, monotonic: float, model: FightModel
    ) -> tuple[FightScore, ...]:
        """Takes the next frame; returns the newest score of every place that is watched.

        Args:
            image: (H, W, 3) uint8 BGR.
            boxes: (N, 4) px of people, also of those who are hardly seen.
            scores: (N,) how surely.
            monotonic: seconds; frames come in the order of their time.
            model: the networks.
        """
        frame, self._frame = self._frame, monotonic
        if len(boxes):
            self._somebody = monotonic
        if monotonic - self._somebody > _QUIET:
            if self._pictures:
                self.reset()
            return ()
        # Of the frames the one nearest to the interval: at 15 frames a second every second one.
        if monotonic - self._last < self._interval - min(self._interval, monotonic - frame) / 2:
            return self._scores
        if monotonic - self._last > _GAP:
            self.reset()
        self._last = monotonic
        picture = reduced(image)
        boxes, scores = _shrunk(image, picture, boxes, scores)
        self._pictures.append(picture)
        seen = boxes[scores >= _SEEN]
        self._middles.append((seen[:, :2] + seen[:, 2:]) / (2 * picture.shape[1]))
        self._look(self._finder.update(picture, boxes, scores, monotonic), model)
        self._scores = self._judge(image.shape[1], monotonic, model)
        return self._scores

    def reset(self) -> None:
        """Forgets everything: the camera shows another scene, or has been away."""
        self._finder.reset()
        self._pictures.clear()
        self._middles.clear()
        self._watched, self._scores, self._last = [], (), float("-inf")

    def _look(self, regions: list[Region], model: FightModel) -> None:
        """Features of the new picture for the places that stay, of all pictures for those that are new."""
        known = {one.region: one for one in self._watched}
        self._watched = [known.get(region) or _Watched(region, deque(maxlen=self._samples)) for region in regions]
        crops, places = [], []
        for one in self._watched:
            for picture in list(self._pictures)[-1 if one.features else 0 :]:
                crops.append(crop(picture, one.region))
                places.append(one)
        for one, features in zip(places, model.look(crops), strict=True):
            one.features.append(features)

    def _judge(self, width: int, monotonic: float, model: FightModel) -> tuple[FightScore, ...]:
        found = []
        for one in self._watched:
            if len(one.features) >= self._least:
                score = float(model.judge(np.stack(one.features)[None])[0])
                people = self._people(one.region)
                found.append(FightScore(one.region.box(width), score, people, monotonic))
        return tuple(found)

    def _people(self, region: Region) -> int:
        """The most people whose middles were in a place in one of the pictures."""
        left, top, right, bottom = region.box(1)
        return max(
            int(((at >= [left, top]) & (at <= [right, bottom])).all(axis=1).sum()) for at in self._middles
        )


def _shrunk(image: Image, picture: Image, boxes: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Boxes in px of the remembered picture."""
    share = picture.shape[1] / image.shape[1]
    return np.asarray(boxes, np.float32).reshape(-1, 4) * np.float32(share), np.asarray(scores, np.float32)
