"""Whether people fight, read from how the picture changes where they move."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classifier.fights.model import FightModel
from classifier.fights.watch import FightWatch
from daemon.capture import Frame
from daemon.config import CameraConfig, FightsConfig
from daemon.config.rules import FightRule
from daemon.scene import FightPlace
from daemon.zones import ZoneMap

__all__ = ["FightReader", "watches_fights"]

_FLASH, _NEXT_FLASH = 2.0, 10.0  # seconds in which the exposure settles; until it is waited for again


class FightReader:
    """Watches one camera for fights, while a rule asks for it.

    Args:
        zones: of the camera.
        settings: how often to look.
    """

    def __init__(self, zones: ZoneMap, settings: FightsConfig) -> None:
        self._zones, self._settings = zones, settings
        self._watch: FightWatch | None = None
        self._people: int | None = None
        self._flash = float("-inf")  # when the light last changed at once

    def see(self, now: float, *, cut: bool, flash: bool) -> None:
        """Starts anew with another scene, and while the light settles: it goes by movement, and that is much.

        Args:
            now: monotonic seconds of the frame.
            cut: whether it shows another scene than the one before.
            flash: whether the light of the whole picture changed at once.
        """
        if flash and now - self._flash > _NEXT_FLASH:
            self._flash = now
        if cut or now - self._flash < _FLASH:
            self._watch = None

    def read(
        self,
        frame: Frame,
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        people: int,
        model: FightModel,
        features: NDArray[np.float32] | None = None,
    ) -> tuple[FightPlace, ...]:
        """Where somebody may fight in the next frame.

        Args:
            frame: with the picture.
            boxes: (N, 4) of everybody who is seen.
            scores: (N,) of them.
            people: that a fight takes at least; another number starts anew.
            model: that judges.
            features: of the picture, where the detector has what the model would see.
        """
        if self._watch is None or people != self._people:
            calm, wake = self._settings.calm, self._settings.wake
            self._watch, self._people = FightWatch(people, calm=calm, wake=wake), people
        found = self._watch.update(lambda: frame.image, boxes, scores, frame.monotonic, model, features)
        if found is None:
            return ()
        width, height = frame.size
        zones = self._zones.containing(found.body, width, height)
        return (FightPlace(found.box, found.score, found.people, zones),)


def watches_fights(settings: CameraConfig) -> bool:
    """Whether a rule of this camera asks for fights."""
    return any(isinstance(rule, FightRule) and rule.enabled for rule in settings.rules.values())
