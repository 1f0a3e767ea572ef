"""When the detector runs: now and then while everybody is where expected, soon where something is not clear.

Between two detections people are followed by their poses and by how they move. Where nobody is, and nothing
moves, the detector rests longer. All of it goes by the time of the frames: a replay does what the camera did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tracker.motion import MotionGate
from tracker.tracks import Track, TrackState

__all__ = ["DetectorPacing"]

_SOON = 0.05  # seconds: somebody new is to be confirmed, somebody lost may be out again with the next step
_DOUBT = 2.0  # seconds from one such look for a lost pose to the next: some are hidden for long
_YOUNG = (
    0.5  # seconds for which somebody new is looked at that soon: things that look like people stay longer
)
_MISSED = 0.35  # likewise of somebody lost just now
_SINKS = 0.3  # body heights a second by which somebody comes down whose lost pose is looked for without end
_TOLERANCE = 1e-6
_EMPTY = 30.0  # seconds without anybody from which the camera may rest: who was lost may lie there


class DetectorPacing:
    """Decides for each frame of a camera whether the detector must run.

    Args:
        every: frames from one detection to the next, at most; 1 detects in every frame, None goes by time.
        pause: seconds from one detection to the next, at most; 0 detects in every frame.
        idle: seconds likewise where nobody is and nothing moves; 0 makes no difference there.
    """

    def __init__(self, every: int | None = None, *, pause: float = 0.3, idle: float = 0.0) -> None:
        self._every, self._pause, self._idle = every, pause, idle
        self._frames = 0
        self._last = self._before = float("-inf")
        self._doubted = float("-inf")
        self._seen: float | None = None  # when anybody was last followed
        self._gate = MotionGate()

    def due(
        self,
        tracks: Sequence[Track],
        doubt: bool,
        monotonic: float,
        luma: Callable[[], NDArray[np.uint8]] | None = None,
        *,
        pressing: bool = False,
    ) -> bool:
        """Whether the detector must run in this frame.

        Args:
            tracks: of the frame before.
            doubt: whether anything else speaks for it: a pose was looked for in vain.
            monotonic: seconds of the frame.
            luma: gives the frame, (H, W) uint8, in which nothing may move; None never rests.
            pressing: whether it must, as somebody may be falling.
        """
        gap, self._before = monotonic - self._before, monotonic
        self._frames += 1
        since = monotonic - self._last
        if pressing or since < 0.0 or (self._every is not None and self._frames >= self._every):
            due = True
        else:
            # The nearest frame to the time: half a frame early is as good as half a frame late.
            since += min(gap, self._pause) / 2 if gap > 0.0 else 0.0
            resting = self._empty(tracks, monotonic)
            if luma is not None and resting and self._pause <= since < self._idle:
                due = not self._gate.still(luma())
            else:
                due = self._is_over(since, tracks, doubt, monotonic)
        if due:
            self._frames, self._last = 0, monotonic
            if luma is not None and self._idle > self._pause:
                self._remember(tracks, luma())
        return due

    def _is_over(self, since: float, tracks: Sequence[Track], doubt: bool, monotonic: float) -> bool:
        """Whether the last detection was so many seconds ago as it may be."""
        soon = since >= min(_SOON, self._pause) - _TOLERANCE
        if since >= self._pause - _TOLERANCE or (soon and any(_unsure(track, monotonic) for track in tracks)):
            return True
        if not soon or not doubt:
            return False
        if 0.0 <= monotonic - self._doubted < _DOUBT and not any(_sinks(track) for track in tracks):
            return False
        self._doubted = monotonic
        return True

    def _empty(self, tracks: Sequence[Track], monotonic: float) -> bool:
        """Whether nobody has been followed for a good while, nor at the very start."""
        if self._idle <= self._pause:
            return False
        if tracks or self._seen is None or monotonic < self._seen:
            self._seen = monotonic
        return monotonic - self._seen >= _EMPTY

    def _remember(self, tracks: Sequence[Track], image: NDArray[np.uint8]) -> None:
        """What nobody is in, for as long as nobody is."""
        if tracks:
            self._gate.forget()
        else:
            self._gate.remember(image)


def _unsure(track: Track, monotonic: float) -> bool:
    """Whether this is somebody new, or lost just now."""
    if track.state is TrackState.TENTATIVE:
        return monotonic - track.first_monotonic < _YOUNG
    return track.state is TrackState.LOST and monotonic - track.last_monotonic < _MISSED


def _sinks(track: Track) -> bool:
    """Whether somebody comes down: a pose that is lost then may be lost in a fall."""
    if track.state is not TrackState.CONFIRMED:
        return False
    left, top, right, bottom = track.box.tolist()
    return bool(track.velocity[1] >= _SINKS * max(right - left, bottom - top, 1.0))
