"""Looks at a camera's pictures beside the view that it should have, and learns that view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from daemon.config.tamper import TamperConfig
from daemon.tamper.judging import Evidence, Sweep, TamperState, judge
from daemon.tamper.sampling import Sample, Sampler
from daemon.tamper.view import KnownView

__all__ = ["Eye"]

_SETTLED = 1.0  # seconds of another view before it can be said whether it stays
_STAYS = 0.4  # share of another view that must stay as it is: a crowd before the lens does not
_LEARNED = 0.3  # likewise of the first one, which may be a busy place


class Eye:
    """The known view of one camera, and what is learned of another one meanwhile.

    Args:
        settings: of the camera.
        view: from before an outage; None learns one.

    Attributes:
        known: the view that the camera should have; None while it is not known.
        colour: how far the last picture was of one colour, see `one_colour`.
    """

    def __init__(self, settings: TamperConfig, view: KnownView | None = None) -> None:
        self.known = view
        self.colour = (0.0, 0, 0)
        self._settings = settings
        self._sampler, self._sweep = Sampler(), Sweep()
        self._other = KnownView()
        self._dark: TamperState | None = None  # what the darkness was called when it began

    def look(
        self, luma: NDArray[np.uint8], monotonic: float, elapsed: float, span: tuple[int, int] = (0, 255)
    ) -> Evidence:
        """What a picture says.

        Args:
            luma: (H, W) uint8.
            monotonic: seconds of the frame.
            elapsed: seconds since the last one.
            span: levels of black and white.
        """
        sample = self._sampler.sample(luma, monotonic, span)
        if self.known is None:
            evidence = judge(sample, None, self.colour)
            if evidence.state is None:
                self._learn(sample, elapsed)
            return evidence
        found = self.known.compare(sample)
        evidence = judge(sample, found, self.colour)
        if found is not None:
            self._sweep.update(found, monotonic)
        if evidence.state is TamperState.DARK:
            if self._dark is None:
                covered = self._settings.dark or self._sweep.seen
                self._dark = TamperState.COVERED if covered else TamperState.DARK
            return replace(evidence, state=self._dark)
        if evidence.state is TamperState.OK:
            self._dark = None
            self.known.learn(sample, elapsed, found)
            self._other = KnownView()
        elif evidence.state is TamperState.DEFOCUSED:
            self._stays(sample, elapsed, _STAYS)
        elif evidence.state is TamperState.MOVED:
            stays = self._stays(sample, elapsed, _STAYS)
            # Displaced is proof enough: what is seen is the known scene, and nobody before the lens.
            return evidence if stays or evidence.displaced else Evidence(None, 0.0)
        return evidence

    def accept(self) -> None:
        """Takes the view that is there now for the right one, or learns it."""
        learned = self._other.rich and self._other.seconds >= self._settings.learn
        self.known, self._other = self._other if learned else None, KnownView()

    def _learn(self, sample: Sample, elapsed: float) -> None:
        """Learns the first view. One that does not stay, or shows nothing, is learned again."""
        if not self._stays(sample, elapsed, _LEARNED) or self._other.seconds < self._settings.learn:
            return
        learned, self._other = self._other, KnownView()
        if learned.rich and judge(sample, learned.compare(sample), self.colour).state is TamperState.OK:
            self.known = learned

    def _stays(self, sample: Sample, elapsed: float, share: float) -> bool:
        """Whether another view is one, of which so much stays as it is, and not somebody before the lens."""
        found = self._other.compare(sample)
        settled = self._other.seconds >= _SETTLED
        if found is not None and settled and found.seen < share:
            self._other, found = KnownView(), None
        self._other.learn(sample, elapsed)
        return found is not None and settled
