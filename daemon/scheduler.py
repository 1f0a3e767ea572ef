"""Workers over whole frames: camera after camera, the one that waited longest first.

At most one frame of a camera is in flight, because a camera's tracks are state. Nothing queues: a camera
holds its newest frame only, so under overload every camera slows down evenly and latency stays bounded.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

__all__ = ["FrameSource", "Scheduler"]

_log = logging.getLogger(__name__)
_ContextT = TypeVar("_ContextT")
_FrameT_co = TypeVar("_FrameT_co", covariant=True)
_FrameT = TypeVar("_FrameT")


class FrameSource(Protocol[_FrameT_co]):
    """What the scheduler needs of a camera."""

    @property
    def name(self) -> str:
        """Name for logs."""
        ...

    def take(self) -> _FrameT_co | None:
        """The newest frame that was not taken yet, or None."""
        ...


class Scheduler(Generic[_FrameT, _ContextT]):
    """Runs `work(index, frame, context)` on a pool of threads, one context (set of models) a thread.

    Args:
        sources: the cameras; their index is handed to `work`.
        contexts: one a worker thread; its length is the number of workers.
        work: processes one frame. An exception ends that frame only: it is logged and counted.
    """

    def __init__(
        self,
        sources: Sequence[FrameSource[_FrameT]],
        contexts: Sequence[_ContextT],
        work: Callable[[int, _FrameT, _ContextT], None],
    ) -> None:
        self._sources = list(sources)
        self._work = work
        self._condition = threading.Condition()
        self._waiting = list(range(len(self._sources)))  # idle cameras, longest waiting first
        self._stopping = False
        self.errors = [0] * len(self._sources)
        self.processed = [0] * len(self._sources)
        self._threads = [
            threading.Thread(target=self._run, args=(context,), name=f"worker-{n}", daemon=True)
            for n, context in enumerate(contexts)
        ]

    @property
    def workers(self) -> int:
        """Number of worker threads."""
        return len(self._threads)

    def start(self) -> None:
        """Starts the workers."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Tells the workers that a camera has a new frame. Cheap; called from capture threads."""
        with self._condition:
            self._condition.notify()

    def stop(self, timeout: float = 5.0) -> bool:
        """Ends the workers after their current frame; False where one did not end in time."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, context: _ContextT) -> None:
        while (job := self._next()) is not None:
            index, frame = job
            try:
                self._work(index, frame, context)
                self.processed[index] += 1
            except Exception:
                self.errors[index] += 1
                _log.exception(
                    "frame_failed camera=%s errors=%d", self._sources[index].name, self.errors[index]
                )
            finally:
                with self._condition:
                    self._waiting.append(index)
                    self._condition.notify()

    def _take(self, index: int) -> _FrameT | None:
        """A frame that cannot be converted is one camera's; without this it would end the worker."""
        try:
            return self._sources[index].take()
        except Exception:
            self.errors[index] += 1
            _log.exception("frame_failed camera=%s errors=%d", self._sources[index].name, self.errors[index])
            return None

    def _next(self) -> tuple[int, _FrameT] | None:
        with self._condition:
            while not self._stopping:
                for place, index in enumerate(self._waiting):
                    frame = self._take(index)
                    if frame is not None:
                        del self._waiting[place]
                        return index, frame
                # No frame can slip by: wake() needs the lock that wait() gives up.
                self._condition.wait(timeout=0.5)
        return None
