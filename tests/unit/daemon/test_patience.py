"""Callers of what may hang."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
import weakref

import pytest
from reports import alert, names

from daemon.media import store as media_store
from daemon.media.store import CLIPS, SNAPSHOTS, Limits, MediaStore
from daemon.patience import Patience
from daemon.storage import Store
from daemon.storage import disk as storage_disk
from daemon.storage.database import Database
from daemon.storage.history import HistoryFilter, read_history

pytestmark = pytest.mark.made_up_payloads


class Hanging:
    """What does not return before it is let go."""

    def __init__(self) -> None:
        self.go, self.hangs = threading.Event(), False

    def __call__(self, *_: object) -> None:
        self.hangs = True
        assert self.go.wait(30)


def soon(condition, timeout=10.0) -> None:
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_results_and_errors_are_those_of_the_work():
    patience = Patience("test")
    assert [patience.call(lambda n=n: n) for n in range(100)] == list(range(100))
    with pytest.raises(KeyError, match="x"):
        patience.call(lambda: {}["x"])
    assert patience.call(lambda: None) is None


def test_what_hangs_is_left_behind_and_nothing_runs_beside_it():
    patience, hanging = Patience("test", seconds=0.05), Hanging()
    with pytest.raises(TimeoutError, match="does not answer"):
        patience.call(hanging)
    assert patience.is_busy
    with pytest.raises(TimeoutError):
        patience.call(lambda: pytest.fail("beside it"))
    hanging.go.set()
    soon(lambda: not patience.is_busy)
    assert patience.call(lambda: 5) == 5


def test_a_disk_that_hangs_holds_no_alert_back(tmp_path, monkeypatch):
    """Such as a network disk whose server is gone: it gives no error, and no answer either."""
    monkeypatch.setattr(storage_disk, "Patience", lambda name: Patience(name, 0.1))
    store, hanging = Store(tmp_path, retry=0.0), Hanging()
    store.append([alert("raised", 0)])
    got = store.take(10)
    with monkeypatch.context() as frozen:
        append = Database.append

        def slow(database, entries):
            hanging()
            return append(database, entries)

        frozen.setattr(Database, "append", slow)
        store.append([alert("raised", 1)])
        assert hanging.hangs
        assert (store.status.state, store.status.reason) == ("degraded", "the disk does not answer")
        started = time.monotonic()
        for number in range(2, 100):
            store.append([alert("raised", number)])
            store.tidy()
        store.settle(got)
        got += store.take(1000)
        assert time.monotonic() - started < 2.0
        assert names(got) == [f"alerts {n} raised" for n in range(100)]
    hanging.go.set()
    soon(lambda: store.tidy() or store.status.state == "ok")
    store.append([alert("cleared", 1, seq=1)])
    store.settle(got[1:])
    later = store.take(1000)
    # The message that the disk was asked to take when it hung may come twice.
    assert [name for name in names(later) if name != "alerts 1 raised"] == ["alerts 1 cleared"]
    store.settle(later)
    assert store.queued == 0
    store.close()
    kept = [line.payload["id"] for line in read_history(tmp_path, HistoryFilter())]
    assert set(kept) == {f"1-door-{n}" for n in range(100)}


def test_a_disk_that_hangs_holds_no_picture_and_no_clip_back(tmp_path, monkeypatch):
    monkeypatch.setattr(media_store, "Patience", lambda name: Patience(name, 0.1))
    limits = Limits(3600.0, 10**6)
    store, hanging = MediaStore(tmp_path, {}, {SNAPSHOTS: limits, CLIPS: limits}), Hanging()
    with monkeypatch.context() as frozen:
        frozen.setattr(media_store, "_write", hanging)
        started = time.monotonic()
        for number in range(50):
            assert store.write_snapshot("door", f"{number}-door-1", b"jpeg") is None
            assert store.clip_path("door", f"{number}-door-1") is None
        assert time.monotonic() - started < 2.0
    hanging.go.set()
    soon(lambda: store.write_snapshot("door", "100-door-1", b"jpeg"))


def test_what_failed_is_let_go_of_at_once() -> None:
    """Else a database that could not be opened keeps its files open until a collection of cycles."""
    seen: list[weakref.ref[threading.Event]] = []

    def work() -> None:
        held = threading.Event()
        seen.append(weakref.ref(held))
        raise OSError("the disk is full")

    gc.disable()
    try:
        with contextlib.suppress(OSError):
            Patience("test").call(work)
        assert seen[0]() is None
    finally:
        gc.enable()
