"""When the detector runs: in every k-th frame while everybody is followed by their poses, else at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tracker.matching import buffered_iou
from tracker.tracks import Track, TrackState

__all__ = ["DetectorPacing"]

_YOUNG = 1.0  # seconds for which somebody new is detected in every frame, and somebody lost is looked for
_LONGEST = 0.4  # seconds without the detector, whatever the frame rate
_TOGETHER = 0.05  # IoU from which two people may be mixed up


class DetectorPacing:
    """Decides for each frame of a camera whether the detector must run.

    Args:
        every: frames from one detection to the next, at most; 1 detects in every frame.
    """

    def __init__(self, every: int = 1) -> None:
        self._every = every
        self._frames = every
        self._last = float("-inf")

    def due(
        self,
        tracks: Sequence[Track],
        expected: Mapping[str, NDArray[np.float32]],
        doubt: bool,
        monotonic: float,
    ) -> bool:
        """Whether the detector must run in this frame.

        Args:
            tracks: of the frame before.
            expected: boxes (4,) by id where the confirmed ones of them should be by now.
            doubt: whether anything else speaks for it: a pose was looked for in vain, people have just met.
            monotonic: seconds of the frame.
        """
        self._frames += 1
        if self._frames >= self._every or not 0.0 <= monotonic - self._last < _LONGEST:
            due = True
        else:
            unsure = doubt or any(_unsure(track, monotonic) for track in tracks)
            due = unsure or _meet(np.array(list(expected.values()), np.float64))
        if due:
            self._frames, self._last = 0, monotonic
        return due


def _unsure(track: Track, monotonic: float) -> bool:
    """Whether this is somebody new, or lost just now."""
    since = track.last_monotonic if track.state is TrackState.LOST else track.first_monotonic
    return track.state is not TrackState.REMOVED and monotonic - since < _YOUNG


def _meet(boxes: NDArray[np.float64]) -> bool:
    if len(boxes) < 2:
        return False
    overlap = buffered_iou(boxes, boxes)
    np.fill_diagonal(overlap, 0.0)
    return bool(overlap.max() > _TOGETHER)
