"""What one picture says about the camera; how long it must say so is decided in `daemon.tamper.watch`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

from daemon.tamper.sampling import Sample
from daemon.tamper.view import Comparison

__all__ = ["Evidence", "Sweep", "TamperState", "is_no_signal", "judge"]


class TamperState(str, Enum):
    """How the view of a camera is.

    Attributes:
        UNKNOWN: not known: it is being learned, or there are no pictures.
        OK: the view is as it was.
        COVERED: something smooth hides it: a cloth, tape, a hand, paint.
        MOVED: another view: turned, zoomed, put elsewhere.
        DEFOCUSED: the same view, blurred.
        BLINDED: light saturates the picture.
        NO_SIGNAL: one flat colour, as recorders send it for a camera that they have lost.
        DARK: too dark to see anything: no light, or covered by something black.
    """

    UNKNOWN = "unknown"
    OK = "ok"
    COVERED = "covered"
    MOVED = "moved"
    DEFOCUSED = "defocused"
    BLINDED = "blinded"
    NO_SIGNAL = "no_signal"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a picture says.

    Attributes:
        state: how the view is; None where this picture does not tell.
        score: how sure that is, 0..1.
        displaced: whether it is the same scene elsewhere in the picture.
    """

    state: TamperState | None
    score: float
    displaced: bool = False


_FLAT = 0.9  # share of one colour from which there is no picture: recorders write a text over it
_BLACK, _WHITE = 40, 235  # levels that a real picture may be full of
_DARK_LEVEL = 30.0
_GLARE = 0.06  # share of the picture that light saturates beyond what is so anyway, and
_WASHED = 0.65  # of the contrast that it should have
_SEEN, _LOST = (
    0.25,
    0.3,
)  # share of the known view that is enough to be it, or too little; other views have up to 0.22
_STANDS_OUT = 5.5  # of a fit in its own place: other views reach 4, half a view behind a person 6
_USUALLY = 0.45  # of what it has while all is well: views with few edges never stand out as much
_CHANCE = 3.5  # stands out in any two pictures
_DISPLACED, _CLEARLY = 7.0, 1.5  # of a fit in another place, and how much better than in its own
_SMOOTH = 0.35  # share of blocks with edges, of those that had some
_BLURRED = 0.42  # of the sharpness that it should have; infrared light in one spot has 0.5
_SOFT = 0.6  # likewise, where there is glare
_LAYOUT = 0.8  # correlation of light and dark from which it is the same view behind a blur


def judge(sample: Sample, found: Comparison | None, colour: tuple[float, int, int]) -> Evidence:
    """What a picture says.

    Args:
        sample: of the picture.
        found: what it shows of the known view; None while none is known.
        colour: how far it is of one colour, see `one_colour`.
    """
    share = colour[0]
    if is_no_signal(colour):
        return Evidence(TamperState.NO_SIGNAL, share)
    dark = float(sample.level.mean()) < _DARK_LEVEL
    if found is None:
        black = dark and share >= _FLAT
        return Evidence(TamperState.DARK if black else None, share if black else 0.0)
    fit, lost = found.fit, _sure(1.0 - found.seen)
    blinded = found.glare >= _GLARE and found.contrast < _WASHED
    if fit.elsewhere >= _DISPLACED and fit.elsewhere >= _CLEARLY * fit.here:
        return Evidence(TamperState.MOVED, lost, displaced=True)
    enough = min(_STANDS_OUT, max(_CHANCE, _USUALLY * found.usual)) if found.usual else _CHANCE
    there = found.seen >= _SEEN and fit.here >= enough
    same = there or blinded or found.layout >= _LAYOUT
    if same and found.sharp < (_SOFT if blinded else _BLURRED):
        return Evidence(TamperState.BLINDED if blinded else TamperState.DEFOCUSED, _sure(1.0 - found.sharp))
    if there:
        return Evidence(TamperState.OK, _sure(found.seen))
    if blinded:
        return Evidence(TamperState.BLINDED, lost)
    if found.rich < _SMOOTH:
        if dark:
            return Evidence(TamperState.DARK, lost)
        return Evidence(TamperState.DEFOCUSED if found.layout >= _LAYOUT else TamperState.COVERED, lost)
    if found.seen < _LOST and fit.here < enough:
        return Evidence(TamperState.MOVED, lost)
    return Evidence(None, 0.0)


def is_no_signal(colour: tuple[float, int, int]) -> bool:
    """Whether a picture is one of those that recorders make up, see `one_colour`."""
    share, least, greatest = colour
    return share >= _FLAT and greatest > _BLACK and least < _WHITE


def _sure(value: float) -> float:
    return min(1.0, max(0.0, value))


class Sweep:
    """Tells something black that is drawn over the lens from a light that goes out.

    A light takes all of its room with it, in one step; what is drawn over a lens takes one part of the
    picture after the other, while the rest stays as bright as it was.
    """

    _SECONDS = 4.0  # how long ago it may have begun
    _STEP = 0.04  # share of the picture that becomes black from one picture to the next
    _STEPS = 3

    def __init__(self) -> None:
        self._steps: deque[float] = deque()
        self._gone = 0.0

    def update(self, found: Comparison, monotonic: float) -> None:
        """Takes in the next picture."""
        partly = 0.05 < self._gone < 0.95 and 0.05 < found.gone < 0.95 and found.intact > 0.05
        if partly and found.gone - self._gone > self._STEP:
            self._steps.append(monotonic)
        self._gone = found.gone
        while self._steps and monotonic - self._steps[0] > self._SECONDS:
            self._steps.popleft()

    @property
    def seen(self) -> bool:
        """Whether something was drawn over the lens in the last seconds."""
        return len(self._steps) >= self._STEPS
