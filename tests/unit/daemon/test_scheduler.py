"""Workers over cameras: fair, at most one frame of a camera in flight, errors end at the frame."""

from __future__ import annotations

import threading
import time
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
    """Endless frames everywhere: nobody has its turn twice before everybody had it once.

    By one worker: of two, a busy machine may hold up one for any time, and with it the camera that it has.
    """
    order: list[str] = []
    done = threading.Event()

    def work(source: Source, _frame: int, _context: None) -> None:
        order.append(source.name)
        if len(order) == 400:
            done.set()

    scheduler = Scheduler([Source(str(n)) for n in range(8)], [None], work)
    stop_at_end(scheduler)
    scheduler.start()
    assert done.wait(10)
    scheduler.stop()
    assert all(len(set(order[start : start + 8])) == 8 for start in range(0, 400, 8))


def test_cameras_come_and_go(stop_at_end):
    seen: Counter[str] = Counter()
    changed = threading.Condition()

    def work(source: Source, _frame: int, _context: None) -> None:
        with changed:
            seen[source.name] += 1
            changed.notify_all()

    scheduler = Scheduler([Source("first")], [None], work)
    stop_at_end(scheduler)
    scheduler.start()
    scheduler.add(Source("second"))
    with changed:
        assert changed.wait_for(lambda: seen["second"] > 3 and seen["first"] > 3, 10)
    scheduler.remove("first")
    with changed:
        one_in_hand = seen["first"] + 1
        assert changed.wait_for(lambda: seen["second"] > 50, 10)
        assert seen["first"] <= one_in_hand


def test_workers_come_and_go_and_those_that_stay_keep_their_models(stop_at_end):
    seen: list[tuple[str, int]] = []
    changed = threading.Condition()

    def work(_source: Source, _frame: int, context: str) -> None:
        with changed:
            seen.append((context, threading.get_ident()))
            changed.notify_all()

    def latest() -> set[str]:
        return {context for context, _ in seen[-200:]}

    scheduler = Scheduler([Source(str(n)) for n in range(4)], ["x", "y"], work)
    stop_at_end(scheduler)
    scheduler.start()
    with changed:
        assert changed.wait_for(lambda: latest() == {"x", "y"}, 10)
        (thread,) = {thread for context, thread in seen if context == "x"}
    x, y, z = *scheduler.contexts, "z"
    scheduler.resize([x, z])
    with changed:
        assert changed.wait_for(lambda: latest() == {"x", "z"}, 10)
    assert {one for context, one in seen if context == "x"} == {thread}
    assert y not in scheduler.contexts
    assert scheduler.workers == 2


def test_it_knows_what_makes_no_progress(stop_at_end):
    begun, go = threading.Event(), threading.Event()

    def work(source: Source, _frame: int, _context: None) -> None:
        if source.name == "heavy":
            begun.set()
            go.wait(30)

    scheduler = Scheduler([Source("heavy", 1), Source("light", 0)], [None], work)
    stop_at_end(scheduler)
    scheduler.start()
    assert begun.wait(10)
    assert scheduler.busy == 1
    assert scheduler.stuck(3600.0) == []
    (worker,) = scheduler.stuck(0.0)
    assert (worker.name, worker.camera) == ("worker-0", "heavy")
    assert worker.thread is not None
    assert scheduler.stuck(0.0, since=time.monotonic() + 1.0) == []  # the whole process stood still
    scheduler.wake("light")  # nobody takes its frame: the only worker hangs
    wait_for(lambda: {one.name for one in scheduler.stuck(0.0)} == {"worker-0", "camera-light"})
    scheduler.resize(["another"])  # nor does a worker that hangs get out of sight when it has to leave
    wait_for(lambda: {one.name for one in scheduler.stuck(0.0)} == {"worker-0"})
    go.set()
    wait_for(lambda: scheduler.stuck(0.0) == [])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stop_waits_for_the_last_frame_of_a_worker_that_leaves(stop_at_end):
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work(_source: Source, _frame: int, _context: str) -> None:
        begun.set()
        assert go_on.wait(5)
        ended.set()

    scheduler = Scheduler([Source("a", 1)], ["one"], work)
    stop_at_end(scheduler)
    scheduler.start()
    assert begun.wait(5)
    scheduler.resize(["another"])
    assert not scheduler.stop(timeout=0.05)
    go_on.set()
    assert scheduler.stop(timeout=5)
    assert ended.is_set()


def test_a_worker_that_died_is_replaced(stop_at_end):
    left, done = threading.Event(), threading.Event()

    def work(_source: Source, frame: int, _context: None) -> None:
        if frame == 1:
            left.set()
            raise SystemExit  # ends a thread without a word
        done.set()

    scheduler = Scheduler([Source("one", 2)], [None], work)
    stop_at_end(scheduler)
    scheduler.start()
    assert left.wait(10)
    wait_for(lambda: scheduler.revive() == ["worker-0"])
    assert done.wait(10)


def wait_for(condition, timeout: float = 10.0) -> None:
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


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


def test_a_camera_whose_frame_takes_long_to_convert_holds_up_nobody(stop_at_end):
    """Neither the other worker, nor the capture threads, which say that there is a frame."""
    converting, go, done = threading.Event(), threading.Event(), threading.Event()

    class Slow(Source):
        def take(self) -> int | None:
            converting.set()
            go.wait(30)
            return None

    seen: Counter[str] = Counter()

    def work(source: Source, _frame: int, _context: None) -> None:
        seen[source.name] += 1
        if seen["quick"] == 20:
            done.set()

    scheduler = Scheduler([Slow("slow"), Source("quick")], [None, None], work)
    stop_at_end(scheduler)
    scheduler.start()
    assert converting.wait(10)
    scheduler.wake("slow")
    assert done.wait(10)
    (hung,) = [one for one in scheduler.stuck(0.0) if one.camera == "slow"]
    assert hung.name.startswith("worker-")  # and it is known who has it
    go.set()


def test_who_had_no_frame_keeps_its_turn(stop_at_end):
    """A camera that was asked in vain is not behind those that got their turn since."""
    order: list[str] = []
    late, asked, done = Source("late", 0), threading.Event(), threading.Event()

    def work(source: Source, _frame: int, _context: None) -> None:
        order.append(source.name)
        if len(order) == 10:
            asked.set()
            late._left = 1  # now it has one
            scheduler.wake("late")
        if len(order) == 20:
            done.set()

    scheduler = Scheduler([late, Source("a"), Source("b"), Source("c")], [None], work)
    stop_at_end(scheduler)
    scheduler.start()
    assert done.wait(10)
    scheduler.stop()
    assert order.index("late") == 10  # the next one after it said so


def test_a_frame_that_came_while_the_camera_was_in_hand_is_not_forgotten(stop_at_end):
    source, done = Source("one", 1), threading.Event()
    seen: list[int] = []

    def work(_source: Source, _frame: int, _context: None) -> None:
        seen.append(1)
        if len(seen) == 1:
            source._left = 1
            scheduler.wake("one")
        else:
            done.set()

    scheduler = Scheduler([source], [None, None], work)
    stop_at_end(scheduler)
    scheduler.start()
    assert done.wait(10)


def test_it_counts_how_long_workers_are_busy(stop_at_end):
    go, begun = threading.Event(), threading.Event()

    def work(_source: Source, _frame: int, _context: None) -> None:
        begun.set()
        go.wait(30)

    scheduler = Scheduler([Source("one", 1)], [None], work)
    stop_at_end(scheduler)
    started = time.monotonic()
    scheduler.start()
    assert begun.wait(10)
    begun_at = time.monotonic()
    wait_for(lambda: time.monotonic() > begun_at + 0.05)
    go.set()
    wait_for(lambda: scheduler.busy == 0)
    assert 0.05 <= scheduler.busy_seconds <= time.monotonic() - started
