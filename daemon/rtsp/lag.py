"""Whether decoding falls behind a live stream, and which pictures to leave out then."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

__all__ = ["Lag"]

_LIMIT = 1.0  # seconds behind the stream
_PATIENCE = 0.5  # seconds: what a network held up comes all at once, and is mostly made good by then
_WINDOW = 5.0  # seconds after which the smallest offset counts anew: clocks drift, and are set
_LONGEST_GROUP = 10.0  # seconds from one key frame to the next


class Lag:
    """Compares the stream's own time stamps with the clock, and tells what to skip.

    A stream's offset is arrival less time stamp; the smallest one seen is that of a picture that nothing
    held up. What lies above it is lag, and ours only where more data was waiting all the time: a camera whose
    clock is wrong, or a slow network, leaves the connection empty between two pictures, and skipping would
    gain nothing.

    It skips to a key frame that must have come already, as far as the distance of those before tells: nothing
    is left out but what would have been late, and there is no waiting without pictures.

    Args:
        longest: seconds from one key frame to the next, above which nothing is skipped.

    Attributes:
        seconds: of the last picture, behind the stream.
    """

    def __init__(self, longest: float = _LONGEST_GROUP) -> None:
        self._longest = min(longest, _LONGEST_GROUP)
        self._smallest: float | None = None  # offset, of this window and the one before
        self._newest = 0.0  # the same of this window
        self._turn = 0.0  # when it ends
        self._key_frames: deque[float] = deque(maxlen=3)  # times of the last ones
        self._late_since: float | None = None
        self._is_skipping = self._was_empty = False
        self.seconds = 0.0

    def skips(self, stamp: float, now: float, *, begins: bool, waited: bool) -> bool:
        """Takes an access unit that is complete; tells whether to leave it out.

        Args:
            stamp: its time in seconds on the camera's clock.
            now: monotonic seconds.
            begins: whether decoding can begin with it.
            waited: whether there was a moment without any data since the last one.
        """
        self._measure(stamp, now, waited)
        if begins:
            self._key_frames.append(stamp)
        if self._is_skipping:
            # Whatever the time stamps say: what had piled up is gone once there was no data.
            self._was_empty = self._was_empty or waited
            self._is_skipping = not begins or (self._is_next_here(stamp) and not self._was_empty)
            return self._is_skipping
        if waited or self.seconds <= _LIMIT:
            self._late_since = None
            return False
        if self._late_since is None:
            self._late_since = now
        self._is_skipping = now - self._late_since >= _PATIENCE and self._is_next_here(stamp)
        self._was_empty = False
        return self._is_skipping

    def forget(self) -> None:
        """Nothing is skipped: decoding waits for a key frame anyway, or can do without."""
        self._is_skipping, self._late_since = False, None

    def _measure(self, stamp: float, now: float, waited: bool) -> None:
        offset = now - stamp
        if self._smallest is None:
            self._smallest, self._newest, self._turn = offset, offset, now + _WINDOW
        elif waited and now >= self._turn:  # not while we are behind: all of them are too large then
            self._smallest, self._newest, self._turn = self._newest, offset, now + _WINDOW
        self._newest = min(self._newest, offset)
        self._smallest = min(self._smallest, offset)
        self.seconds = offset - self._smallest

    def _is_next_here(self, stamp: float) -> bool:
        """Whether the next key frame must have come: the rhythm of those before is known."""
        distances = [after - before for before, after in pairwise(self._key_frames)]
        if not distances or not 0.0 < min(distances) <= max(distances) <= self._longest:
            return False
        return self._key_frames[-1] + max(distances) - stamp < self.seconds
