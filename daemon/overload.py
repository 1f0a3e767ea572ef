"""How fast a camera's frames come and are processed, and whether there is time for them."""

from __future__ import annotations

from collections import deque

from daemon.timing import RateMeter

__all__ = ["CameraLoad", "OverloadWatch"]

_SPAN = 5.0  # seconds that are looked at
_BEGINS = 0.8  # share of the wanted frames that is processed, below which it is overloaded
_ENDS = 0.95  # from which on it is not any more
_LASTING = 10.0  # seconds for which it has to be so
_FEWEST = 5  # wanted frames in the span; fewer say nothing


class OverloadWatch:
    """Compares what is processed of one camera with what it wants.

    Wanted is what its `fps` lets through; what a newer frame replaced before a worker had time for it counts
    as not processed. A burst of the network replaces a frame now and then, which is no overload. Not safe in
    several threads: the main loop drives it.

    Attributes:
        overloaded: whether so few are processed, for some seconds by now.
        share: of the wanted frames, those that were processed of late; None while nobody knows.

    Example:
        >>> watch = OverloadWatch()
        >>> for second in range(20):
        ...     watch.update(processed=4 * second, dropped=6 * second, now=float(second))
        >>> watch.overloaded, watch.share
        (True, 0.4)
    """

    def __init__(self) -> None:
        self.overloaded = False
        self.share: float | None = None
        self._seen: deque[tuple[float, int, int]] = deque()
        self._since: float | None = None  # since when it is the other way round

    def update(self, processed: int, dropped: int, now: float) -> None:
        """Takes the counts at a time.

        Args:
            processed: frames since any beginning; never goes back.
            dropped: frames that a newer one replaced, likewise.
            now: monotonic seconds.
        """
        seen = self._seen
        seen.append((now, processed, dropped))
        while len(seen) > 2 and now - seen[1][0] >= _SPAN:
            seen.popleft()
        start, done, lost = seen[0]
        wanted = processed - done + dropped - lost
        if wanted == 0:
            self.overloaded, self.share, self._since = False, None, None  # no pictures, no overload
            return
        if now - start < _SPAN or wanted < _FEWEST:
            self.share = None
            return
        self.share = round((processed - done) / wanted, 3)
        is_other = self.share < _BEGINS if not self.overloaded else self.share >= _ENDS
        if not is_other:
            self._since = None
        elif self._since is None:
            self._since = now
        if self._since is not None and now - self._since >= _LASTING:
            self.overloaded, self._since = not self.overloaded, None

    def reset(self) -> None:
        """Begins anew, as when the camera is switched off or its pictures end."""
        self.overloaded, self.share, self._since = False, None, None
        self._seen.clear()


class CameraLoad:
    """Rates of one camera, and whether it is overloaded. The main loop drives it.

    Attributes:
        received: frames that came.
        processed: frames that were processed.
    """

    def __init__(self) -> None:
        self.received, self.processed = RateMeter(), RateMeter()
        self._overload = OverloadWatch()

    @property
    def overloaded(self) -> bool:
        """Whether there has been no time for many of its frames for some seconds."""
        return self._overload.overloaded

    @property
    def share(self) -> float | None:
        """Of the frames that it wants, those that were processed of late; None while that is not known."""
        return self._overload.share

    def sample(self, received: int, processed: int, dropped: int, now: float, *, judged: bool) -> None:
        """Takes the counts since any beginning.

        Args:
            received: frames that came.
            processed: frames that were processed.
            dropped: frames that a newer one replaced.
            now: monotonic seconds.
            judged: whether dropped frames mean that there was no time for them.
        """
        self.received.add(received, now)
        self.processed.add(processed, now)
        if judged:
            self._overload.update(processed, dropped, now)
        else:
            self._overload.reset()
