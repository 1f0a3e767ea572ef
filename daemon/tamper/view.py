"""The view that a camera should have: learned while it is there, and kept while it is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from daemon.tamper.sampling import Sample
from tracker.edges import CLEAR, Fit, block_fit, clearness, fit, spectrum

__all__ = ["Comparison", "KnownView"]

Floats = NDArray[np.float32]

_AGREE = 0.3  # of a block that shows what it should
_DARK = 30.0  # levels below which a block without edges may be one that gets no light
_POWER = 4.0  # squared levels that count for nothing
_BRIGHT = 45.0  # levels from which a block can become black
_RICH = 8  # blocks with edges that a view needs to be told from others
_FOLLOW = 60.0  # seconds in which the known view follows light and season
_FORGET = 86_400.0  # seconds in which what is not to be seen is forgotten: at night half of the view is not
_FOCUS = 600.0  # seconds in which the known sharpness follows


@dataclass(frozen=True, slots=True)
class Comparison:
    """A picture beside the known view.

    Attributes:
        seen: share of the known view that is to be seen, 0..1, of what gets light.
        rich: blocks that show something now, as a share of those that should.
        fit: how well they fit as a whole, and where.
        layout: correlation of light and dark in the large, -1 to 1.
        sharp: how sharp it is whatever its contrast, 1.0 as it should be.
        contrast: how great its contrast is, likewise.
        glare: share of the picture that is saturated, beyond what is so anyway.
        usual: how far the fit stands out while all is well.
        intact: share of blocks about as bright as they were, of this frame alone.
        gone: share of blocks that are black and were not, likewise.
    """

    seen: float
    rich: float
    fit: Fit
    layout: float
    sharp: float
    contrast: float
    glare: float
    usual: float
    intact: float
    gone: float


class KnownView:
    """A view, and what can be said of a picture beside it. Handed on from one pipeline to the next.

    Nothing of it shows a person: edges of 72 x 128 cells, averaged over a minute and more.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        """For how long it was learned."""
        self._edges: Floats | None = None
        self._spectrum: Floats | None = None
        self._level: Floats | None = None
        self._powers: Floats | None = None
        self._stale = 0.0
        self._glare = self._usual = 0.0

    @property
    def rich(self) -> bool:
        """Whether it shows enough to be recognised."""
        return self._edges is not None and int((clearness(self._edges) > CLEAR).sum()) >= _RICH

    def learn(self, sample: Sample, elapsed: float, found: Comparison | None = None) -> None:
        """Takes in a picture, `elapsed` seconds after the last one; `found` is what it shows of this view."""
        field, powers = sample.edges, sample.powers
        elapsed = min(max(elapsed, 0.0), 1.0)
        if self._edges is None or self._level is None or self._powers is None:
            self._edges, self._level, self._powers = field, sample.level, powers
        # The first seconds count alike; from then on it follows slowly.
        share = max(elapsed / (self.seconds + elapsed + 1e-9), 1.0 - float(np.exp(-elapsed / _FOLLOW)))
        share = min(share, 1.0)
        clear = np.hypot(field[..., 0], field[..., 1])
        least = 1.0 if self.seconds < 5.0 else elapsed / _FORGET / max(share, 1e-9)
        self._edges = self._edges + (share * np.clip(clear * 4.0, least, 1.0))[..., None] * (
            field - self._edges
        )
        self._level = self._level + min(1.0, elapsed / 5.0) * (sample.level - self._level)
        focus = max(elapsed / (self.seconds + elapsed + 1e-9), elapsed / _FOCUS)
        self._powers = self._powers + min(1.0, focus) * (powers - self._powers)
        self._glare += share * (sample.bright - self._glare)
        if found is not None:
            self._usual += (share if self._usual else 1.0) * (found.fit.here - self._usual)
        self.seconds += elapsed
        self._stale += elapsed
        if self._spectrum is None or self.seconds < 5.0 or self._stale > 1.0:
            self._spectrum, self._stale = spectrum(self._edges), 0.0

    def compare(self, sample: Sample) -> Comparison | None:
        """What of it is to be seen in a picture; None while nothing is known."""
        if self._edges is None or self._spectrum is None or self._level is None or self._powers is None:
            return None
        known = clearness(self._edges) > CLEAR
        if not known.any():
            return None
        field = sample.edges
        best = fit(spectrum(field), self._spectrum)
        placed = np.roll(field, (-best.shift[0], -best.shift[1]), (0, 1))
        now = clearness(placed) > CLEAR
        agree = known & now & (block_fit(placed, self._edges) > _AGREE)
        black = ~now & (sample.level < _DARK)
        lit = known & ~black
        shown = int(known.sum())
        ratio = sample.powers[0, 1] / np.maximum(self._powers[0, 1], _POWER)
        contrast = float(np.sqrt(_middle(ratio[known])))
        sharp = 1.0
        if agree.sum() >= 3:
            ratios = _sharpness(sample.powers) / np.maximum(_sharpness(self._powers), 1e-3)
            # Noise hides a blur from one of both, wind makes one for the other.
            sharp = max(_middle(one[agree]) for one in ratios)
        ratio = sample.level / np.maximum(self._level, 1.0)
        bright = self._level > _BRIGHT
        return Comparison(
            seen=float(agree.sum()) / max(_RICH, int(lit.sum())),
            rich=float(now.sum()) / shown,
            fit=best,
            layout=_correlation(sample.level[1:-1], self._level[1:-1]),
            sharp=sharp,
            contrast=contrast,
            glare=max(0.0, sample.bright - self._glare),
            usual=self._usual,
            intact=float((bright & (ratio > 0.6)).sum()) / max(1, int(bright.sum())),
            gone=float((bright & (sample.level < _DARK) & (ratio < 0.5)).sum()) / max(1, int(bright.sum())),
        )


def _middle(values: Floats) -> float:
    """The median: of few values this is much faster than `numpy.median`."""
    return float(np.sort(values)[len(values) // 2])


def _sharpness(powers: Floats) -> Floats:
    """(2, 9, 16) power of small differences, of that of wide ones: whatever the contrast."""
    # Of one picture alone its noise is part: all that there is in the plainest blocks.
    plain = np.array([0.0, np.sort(powers[1, 0], axis=None)[powers[1, 0].size // 10]], np.float32)
    clean = np.maximum(powers - plain[:, None, None, None], 0.0)
    sharp: Floats = clean[:, 0] / (clean[:, 1] + _POWER)
    return sharp


def _correlation(one: Floats, other: Floats) -> float:
    first, second = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    # Below one level of contrast there is nothing to compare.
    return float((first * second).sum()) / scale if scale > first.size else 0.0
