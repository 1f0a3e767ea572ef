"""Workers over whole frames: camera after camera, the one that waited longest first.

At most one frame of a camera is in flight, because a camera's tracks are state. Nothing queues: a camera
holds its newest frame only, so under overload every camera slows down evenly and latency stays bounded.
Cameras and workers come and go while it runs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from daemon.deadline import Deadline

__all__ = ["FrameSource", "Scheduler", "Stuck"]

_log = logging.getLogger(__name__)
_ContextT = TypeVar("_ContextT")
_FrameT_co = TypeVar("_FrameT_co", covariant=True)
_FrameT = TypeVar("_FrameT")
_LOOK_AGAIN = 0.5  # seconds after which a worker that has nothing to do asks every camera
_STARVED = 10  # frames of each other camera that are taken before one that waits counts as forgotten


class FrameSource(Protocol[_FrameT_co]):
    """What the scheduler needs of a camera."""

    @property
    def name(self) -> str:
        """Name for logs."""
        ...

    def take(self) -> _FrameT_co | None:
        """The newest frame that was not taken yet, or None."""
        ...


_SourceT = TypeVar("_SourceT", bound="FrameSource[object]")


@dataclass(frozen=True, slots=True)
class Stuck:
    """What makes no progress.

    Attributes:
        name: of the worker or the camera.
        camera: whose frame it is.
        seconds: for how long.
        thread: identifier of the thread, for its stack; None where no thread has the frame.
    """

    name: str
    camera: str
    seconds: float
    thread: int | None


class _Worker(Generic[_ContextT]):
    """One thread with its set of models, and what it has in hand."""

    def __init__(self, number: int, context: _ContextT) -> None:
        self.name, self.context = f"worker-{number}", context
        self.thread: threading.Thread | None = None
        self.leaving = False
        self.camera: str | None = None
        self.since = 0.0  # monotonic seconds, of the frame in hand


class _Slot(Generic[_SourceT]):
    """A camera with what the scheduler knows of it.

    Attributes:
        source: the camera.
        in_hand: whether a worker has a frame of it, or asks for one.
        turn: number of its last frame among all; who has the smallest one waits longest.
        is_worth_asking: whether it may have a frame: it said so, or nobody has asked since its last one.
        due: since when (monotonic seconds), and since which frame of all, a frame of it waits.
    """

    def __init__(self, source: _SourceT, turn: int) -> None:
        self.source, self.turn = source, turn
        self.in_hand = False
        self.is_worth_asking = True
        self.due: tuple[float, int] | None = None


class Scheduler(Generic[_SourceT, _FrameT, _ContextT]):
    """Runs `work(source, frame, context)` on a pool of threads, one context (set of models) a thread.

    Args:
        sources: the cameras at the start; their names differ.
        contexts: one a worker thread; its length is the number of workers.
        work: processes one frame. An exception ends that frame only: it is logged and counted.
    """

    def __init__(
        self,
        sources: Sequence[_SourceT],
        contexts: Sequence[_ContextT],
        work: Callable[[_SourceT, _FrameT, _ContextT], None],
    ) -> None:
        self._work = work
        self._condition = threading.Condition()
        self._slots = {source.name: _Slot(source, turn) for turn, source in enumerate(sources)}
        self._turn = len(self._slots)
        self._started = self._stopping = False
        self._taken = 0
        self._taken_at = time.monotonic()
        self._number = 0
        self._busy_seconds = 0.0
        self.errors: dict[str, int] = {}
        self._left: list[_Worker[_ContextT]] = []  # that have a last frame in hand
        self._workers: list[_Worker[_ContextT]] = [self._hire(context) for context in contexts]

    @property
    def workers(self) -> int:
        """Number of worker threads."""
        return len(self._workers)

    @property
    def busy(self) -> int:
        """Workers that have a frame in hand."""
        return sum(worker.camera is not None for worker in list(self._workers))

    @property
    def busy_seconds(self) -> float:
        """Seconds that all workers together had frames in hand, of frames that came to their end."""
        return self._busy_seconds

    @property
    def contexts(self) -> list[_ContextT]:
        """The sets of models, one a worker."""
        return [worker.context for worker in self._workers]

    def start(self) -> None:
        """Starts the workers."""
        with self._condition:
            self._started = True
        self.revive()

    def revive(self) -> list[str]:
        """Starts the workers that do not run: all at the start, later those that died; returns who had."""
        died = []
        with self._condition:
            if not self._started or self._stopping:
                return []
            for worker in self._workers:
                if worker.thread is not None and worker.thread.is_alive():
                    continue
                if worker.thread is not None:
                    died.append(worker.name)
                worker.camera = None
                worker.thread = threading.Thread(
                    target=self._run, args=(worker,), name=worker.name, daemon=True
                )
                worker.thread.start()
        return died

    def add(self, source: _SourceT) -> None:
        """Takes frames of one more camera."""
        with self._condition:
            self._slots[source.name] = _Slot(source, self._next_turn())
            self._condition.notify()

    def remove(self, name: str) -> None:
        """Takes no more frames of a camera; one that is in hand comes to its end."""
        with self._condition:
            self._slots.pop(name, None)
            self.errors.pop(name, None)

    def resize(self, contexts: Sequence[_ContextT]) -> None:
        """Goes on with these sets of models: those that have a worker keep it, the others get or lose one."""
        wanted = {id(context) for context in contexts}
        with self._condition:
            had = {id(worker.context) for worker in self._workers}
            for worker in self._workers:
                worker.leaving = id(worker.context) not in wanted
            self._left = [one for one in (*self._left, *self._workers) if one.leaving and one.camera]
            self._workers = [worker for worker in self._workers if not worker.leaving]
            self._workers += [self._hire(one) for one in contexts if id(one) not in had]
            self._condition.notify_all()
        self.revive()

    def wake(self, name: str) -> None:
        """Tells the workers that a camera has a new frame. Cheap; called from capture threads."""
        with self._condition:
            slot = self._slots.get(name)
            if slot is None:
                return
            slot.is_worth_asking = True
            if slot.due is None:
                slot.due = (time.monotonic(), self._taken)
            if not slot.in_hand:  # else whoever has it looks again when it is done
                self._condition.notify()

    def stuck(self, seconds: float, since: float = float("-inf")) -> list[Stuck]:
        """What has made no progress for so long.

        Args:
            seconds: with one frame in hand, or with frames waiting and nobody who takes any.
            since: monotonic seconds before which no time counts, as the whole process stood still.
        """
        now, found = time.monotonic(), []
        with self._condition:
            if not self._started or self._stopping:
                return []
            for worker in (*self._workers, *self._left):
                age = now - max(worker.since, since)
                if worker.camera is not None and age > seconds:
                    thread = worker.thread.ident if worker.thread else None
                    found.append(Stuck(worker.name, worker.camera, age, thread))
            for name, slot in self._slots.items():
                if slot.due is None or slot.in_hand:
                    continue
                age, taken = now - max(slot.due[0], since), self._taken - slot.due[1]
                idle = now - max(self._taken_at, since) > seconds
                if age > seconds and (idle or taken > _STARVED * len(self._slots)):
                    found.append(Stuck(f"camera-{name}", name, age, None))
        return found

    def stop(self, timeout: float = 5.0) -> bool:
        """Ends the workers after their current frame, within `timeout` seconds; False where one did not."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
            workers = (*self._workers, *self._left)
        deadline = Deadline(timeout)
        threads = [worker.thread for worker in workers if worker.thread is not None]
        for thread in threads:
            thread.join(deadline.left())
        return not any(thread.is_alive() for thread in threads)

    def _hire(self, context: _ContextT) -> _Worker[_ContextT]:
        self._number += 1
        return _Worker(self._number - 1, context)

    def _run(self, worker: _Worker[_ContextT]) -> None:
        while (slot := self._next(worker)) is not None:
            try:
                # Without the lock: converting a picture takes a while, and everybody needs the lock.
                frame: _FrameT | None = slot.source.take()  # type: ignore[assignment]
                if frame is not None:
                    self._count_frame(slot)
                    self._work(slot.source, frame, worker.context)
            except Exception:  # of a frame that cannot be converted, too: it ends neither worker nor camera
                self._count_error(slot.source.name)
                slot.is_worth_asking = True
            finally:
                self._put_back(worker, slot)
        with self._condition:
            self._left = [one for one in self._left if one is not worker]  # its models with it

    def _count_frame(self, slot: _Slot[_SourceT]) -> None:
        with self._condition:
            slot.turn = self._next_turn()
            slot.is_worth_asking = True
            self._taken, self._taken_at = self._taken + 1, time.monotonic()

    def _put_back(self, worker: _Worker[_ContextT], slot: _Slot[_SourceT]) -> None:
        """The camera may be asked for its next frame; the worker itself is the first that does."""
        with self._condition:
            self._busy_seconds += time.monotonic() - worker.since
            worker.camera, slot.in_hand = None, False

    def _count_error(self, name: str) -> None:
        self.errors[name] = self.errors.get(name, 0) + 1
        _log.exception("frame_failed camera=%s errors=%d", name, self.errors[name])

    def _next(self, worker: _Worker[_ContextT]) -> _Slot[_SourceT] | None:
        """The camera that waits longest, of those that may have a frame; None when the worker has to end."""
        with self._condition:
            while not (self._stopping or worker.leaving):
                ready = [slot for slot in self._slots.values() if slot.is_worth_asking and not slot.in_hand]
                if ready:
                    slot = min(ready, key=_turn_of)
                    slot.in_hand, slot.is_worth_asking, slot.due = True, False, None
                    worker.camera, worker.since = slot.source.name, time.monotonic()
                    if len(ready) > 1:
                        self._condition.notify()  # there is something for another one as well
                    return slot
                # No frame can slip by: wake() needs the lock that wait() gives up.
                if not self._condition.wait(timeout=_LOOK_AGAIN):
                    for slot in self._slots.values():  # who was held back gives frames again without a word
                        slot.is_worth_asking = True
            # Whoever was woken for a frame and leaves must not leave it lying.
            self._condition.notify()
        return None

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn


def _turn_of(slot: _Slot[_SourceT]) -> int:
    return slot.turn
