"""Workers over cameras: fair, at most one frame of a camera in flight, errors end at the frame."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from daemon.scheduler import Scheduler


class Source:
    """Gives out `frames` numbered frames, or endless ones; thread-safe like a camera."""

    def __init__(self, name: str, frames: int | None = None) -> None:
        self.name = name
        self._left = frames
        self._lock = threading.Lock()

    def take(self) -> int | None:
        with self._lock:
            if self._left is None:
                return 1
            if self._left == 0:
                return None
            self._left -= 1
            return self._left


@pytest.fixture
def stop_at_end():
    started: list[Scheduler] = []
    yield started.append
    for scheduler in started:
        assert scheduler.stop(timeout=5)


def test_every_frame_is_processed_once(stop_at_end):
    done = threading.Event()
    seen: list[tuple[str, int]] = []

    def work(source: Source, frame: int, _context: None) -> None:
        seen.append((source.name, frame))
        if len(seen) == 30:
            done.set()

    scheduler = Scheduler([Source(str(n), 10) for n in range(3)], [None, None], work)
    stop_at_end(scheduler)
    scheduler.start()
    assert done.wait(5)
    assert sorted(seen) == sorted((str(n), frame) for n in range(3) for frame in range(10))


def test_cameras_share_the_workers_evenly(stop_at_end):
    """Endless frames everywhere: after 400 frames no camera may be far from its share."""
    counts: Counter[str] = Counter()
    lock, done, never = threading.Lock(), threading.Event(), threading.Event()

    def work(source: Source, _frame: int, _context: None) -> None:
        never.wait(0.001)  # real work takes time: without it the interpreter's thread switch decides
        with lock:
            counts[source.name] += 1
            if sum(counts.values()) == 400:
                done.set()

    scheduler = Scheduler([Source(str(n)) for n in range(8)], [None, None], work)
    stop_at_end(scheduler)
    scheduler.start()
    assert done.wait(10)
    scheduler.stop()
    assert max(counts.values()) - min(counts.values()) <= 5


def test_a_camera_is_never_in_two_hands(stop_at_end):
    busy, overlaps, done = set(), [], threading.Event()
    lock, total = threading.Lock(), [0]

    def work(source: Source, _frame: int, _context: None) -> None:
        with lock:
            if source.name in busy:
                overlaps.append(source.name)
            busy.add(source.name)
        with lock:
            busy.discard(source.name)
            total[0] += 1
            if total[0] >= 300:
                done.set()

    scheduler = Scheduler([Source("a"), Source("b")], [None] * 4, work)
    stop_at_end(scheduler)
    scheduler.start()
    assert done.wait(10)
    assert overlaps == []


def test_an_error_ends_that_frame_only(stop_at_end, caplog):
    done = threading.Event()
    good: list[int] = []

    def work(source: Source, frame: int, _context: None) -> None:
        if source.name == "bad":
            raise RuntimeError("broken frame")
        good.append(frame)
        if len(good) == 50:
            done.set()

    scheduler = Scheduler([Source("bad", 5), Source("good", 50)], [None], work)
    stop_at_end(scheduler)
    scheduler.start()
    assert done.wait(5)
    scheduler.stop()
    assert scheduler.errors == {"bad": 5}
    assert "camera=bad" in caplog.text


def test_a_wake_up_reaches_a_sleeping_worker(stop_at_end):
    source, done = Source("late", 0), threading.Event()
    scheduler = Scheduler([source], [None], lambda *_: done.set())
    stop_at_end(scheduler)
    scheduler.start()
    source._left = 1
    scheduler.wake("late")
    assert done.wait(5)


def test_each_worker_keeps_its_own_context(stop_at_end):
    owners: dict[str, set[int]] = {"x": set(), "y": set()}
    done, lock = threading.Event(), threading.Lock()

    def work(_source: Source, _frame: int, context: str) -> None:
        with lock:
            owners[context].add(threading.get_ident())
            if sum(map(len, owners.values())) == 2:
                done.set()

    scheduler = Scheduler([Source(str(n)) for n in range(4)], ["x", "y"], work)
    stop_at_end(scheduler)
    scheduler.start()
    assert done.wait(10)
    scheduler.stop()
    assert all(len(threads) == 1 for threads in owners.values())


def test_a_frame_that_cannot_be_taken_ends_no_worker(stop_at_end, caplog):
    class Broken(Source):
        def take(self) -> int | None:
            if super().take() == 2:
                raise MemoryError("no room for a picture")
            return 1

    done = threading.Event()
    seen: Counter[str] = Counter()

    def work(source: Source, _frame: int, _context: None) -> None:
        seen[source.name] += 1
        if seen["broken"] >= 3 and seen["well"] >= 20:
            done.set()

    scheduler = Scheduler([Broken("broken", 6), Source("well")], [None], work)
    stop_at_end(scheduler)
    scheduler.start()
    assert done.wait(10)
    assert scheduler.errors == {"broken": 1}
    assert "frame_failed camera=broken" in caplog.text
