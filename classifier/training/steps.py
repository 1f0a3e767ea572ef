"""How far a training of several rounds is, as lines and as a share of the whole."""

from __future__ import annotations

import math
from collections.abc import Callable

from classifier.training.fitting import Epoch

__all__ = ["Steps"]


class Steps:
    """Counts the passes of all rounds.

    Args:
        rounds: how many there will be.
        progress: called with a line after each pass.
        share: called with the share, 0..1, of the work that is done.
    """

    def __init__(self, rounds: int, progress: Callable[[str], None], share: Callable[[float], None]) -> None:
        self._rounds, self._progress, self._share = rounds, progress, share
        self._begun, self._name = 0, ""

    def begin(self, name: str) -> None:
        """Starts the next round; passes that the last one has spared count as done."""
        self._begun += 1
        self._name = f"{name} " if name else ""
        self._share((self._begun - 1) / self._rounds)

    def after_epoch(self, epoch: int, epochs: int, figures: Epoch) -> None:
        """Tells of a pass, counted from 1."""
        line = f"{self._name}epoch {epoch}/{epochs} loss {figures.loss:.3f}"
        if math.isfinite(figures.validation_f1):
            line += f" validation loss {figures.validation_loss:.3f} F1 {figures.validation_f1:.3f}"
        self._progress(line)
        self._share((self._begun - 1 + epoch / epochs) / self._rounds)
