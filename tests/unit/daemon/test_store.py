"""The queue on disk: order, what is dropped first, what comes back after a crash or a failing disk."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from reports import action, alert, event, image, names

from daemon.config.storage import StorageConfig
from daemon.messages import Message
from daemon.patience import Patience
from daemon.storage import StateInUseError, StateLock, Store, state_folder
from daemon.storage.closing import closing_messages
from daemon.storage.database import Database
from daemon.storage.history import HistoryFilter, read_history
from daemon.switches import Switches

pytestmark = pytest.mark.made_up_payloads


@contextmanager
def failing(text: str) -> Iterator[None]:
    """A disk that takes nothing, with SQLite's own words."""
    original = Database.transaction

    @contextmanager
    def refuse(_self: Database, *, durable: bool = False) -> Iterator[None]:
        raise sqlite3.OperationalError(text)
        yield durable

    Database.transaction = refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        Database.transaction = original  # type: ignore[method-assign]


def deliver(store: Store, limit: int = 1000) -> list[str]:
    """Takes and settles; returns what it was."""
    entries = store.take(limit)
    store.settle(entries)
    return names(entries)


def listed(folder: Path, **wanted: object) -> list[str]:
    return [f"{line.kind} {line.payload['type']}" for line in read_history(folder, HistoryFilter(**wanted))]


def test_messages_come_out_in_their_order_and_once(tmp_path):
    store = Store(tmp_path)
    store.append([event("new"), alert("raised"), action("start")])
    store.append([alert("updated", seq=1)])
    assert store.queued == 4
    first = store.take(2)
    assert names(first) == ["events 1 new", "alerts 1 raised"]
    assert names(store.take(10)) == ["actions 1 start", "alerts 1 updated"]
    assert store.take(10) == []
    store.settle(first)
    assert store.queued == 2
    store.release()  # the connection was lost: what was not acknowledged comes again
    assert deliver(store) == ["actions 1 start", "alerts 1 updated"]
    assert store.queued == 0


def test_a_killed_process_loses_nothing(tmp_path):
    """A process that is killed right after `append` returns."""
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "sys.path.insert(0, sys.argv[2])\nfrom reports import *\nfrom daemon.storage import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for n in range(50): store.append([event('new', n), alert('raised', n)])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)])
    assert done.returncode == -9
    expected = [name for n in range(50) for name in (f"events {n} new", f"alerts {n} raised")]
    assert deliver(Store(tmp_path)) == expected


def test_only_its_owner_can_read_it(tmp_path):
    folder = tmp_path / "state"
    StateLock(folder)
    store = Store(folder)
    store.append([alert("raised")])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}
    assert modes == {
        "state": 0o700,
        "posewatch.db": 0o600,
        "posewatch.db-wal": 0o600,
        "posewatch.db-shm": 0o600,
    }


def test_one_daemon_for_a_state_directory(tmp_path):
    lock = StateLock(tmp_path)
    with pytest.raises(StateInUseError, match=r"in use by another posewatch.*storage\.path"):
        StateLock(tmp_path)
    lock.release()
    StateLock(tmp_path).release()


@pytest.mark.parametrize(
    ("settings", "environment", "folder"),
    [
        ({"path": "/x"}, {"STATE_DIRECTORY": "/s"}, "/x"),
        ({}, {"STATE_DIRECTORY": "/s:/t", "XDG_STATE_HOME": "/h"}, "/s"),  # systemd may name several
        ({}, {"XDG_STATE_HOME": "/h"}, "/h/posewatch"),
        ({}, {}, str(Path("~/.local/state/posewatch").expanduser())),
    ],
)
def test_where_it_is(settings, environment, folder):
    assert str(state_folder(StorageConfig(**settings), environment)) == folder


# ---- Bounds ----


def test_updates_and_images_go_first_then_starts_and_ends_then_alerts(tmp_path, caplog):
    store = Store(tmp_path, StorageConfig(max_messages=100))
    store.append([alert("raised"), image(), event("new"), alert("updated", seq=1), event("update", seq=1)])
    store.append([event("new", n) for n in range(2, 99)])  # 102: two too many
    assert store.queued == 100
    assert store.dropped == 2
    assert "updates_and_images=2" in caplog.text  # the first loss is said at once
    waiting = names(store.take(5))
    assert waiting[:3] == ["alerts 1 raised", "events 1 new", "events 1 update"]
    store.release()
    store.append([alert("cleared", n) for n in range(100)])
    waiting = names(store.take(1000))
    # Every update, then every start, and only then the oldest alert.
    assert waiting == [f"alerts {n} cleared" for n in range(100)]


def test_what_is_on_its_way_is_not_dropped(tmp_path):
    store = Store(tmp_path, StorageConfig(max_messages=100))
    store.append([event("update", n) for n in range(100)])
    on_the_way = store.take(10)
    store.append([event("new", n) for n in range(20)])
    store.settle(on_the_way)
    assert store.queued == 90
    assert store.dropped == 20
    assert names(store.take(1)) == ["events 30 update"]


def test_too_many_bytes(tmp_path):
    store = Store(tmp_path, StorageConfig(max_size=1_000_000))
    store.append([image(100_000) for _ in range(20)])
    store.append([alert("raised")])
    assert store.queued <= 10
    assert deliver(store)[-1] == "alerts 1 raised"
    assert store.dropped >= 11


def test_what_waits_for_too_long_is_dropped(tmp_path, monkeypatch):
    store = Store(tmp_path, StorageConfig(max_age="1h"))
    store.append([event("new", 1)])
    later = time.time() + 3601.0
    monkeypatch.setattr(time, "time", lambda: later)
    store.append([event("new", 2)])
    store.tidy()
    assert store.dropped == 1
    assert deliver(store) == ["events 2 new"]


def test_a_clock_that_was_not_set_makes_nothing_old(tmp_path, monkeypatch):
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: 60.0)  # a Raspberry Pi before it has the time
    store = Store(tmp_path)
    store.append([event("new", 1)])
    monkeypatch.setattr(time, "time", lambda: real)
    store.tidy()
    assert store.dropped == 0
    assert deliver(store) == ["events 1 new"]


KINDS: dict[str, Callable[[int], Message]] = {
    "image": lambda _: image(10),
    "update": lambda number: event("update", number),
    "start": lambda number: event("new", number),
    "alert": lambda number: alert("raised", number),
}


@given(
    st.lists(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=40), max_size=12),
    st.integers(0, 30),
)
def test_what_stays_is_what_a_simple_rule_says(batches, on_the_way):
    """The oldest of the lowest rank goes, whatever came in which order, but nothing that is on its way."""
    ranks = {"image": 0, "update": 0, "start": 1, "alert": 2}
    with TemporaryDirectory() as folder:
        store = Store(Path(folder), StorageConfig(max_messages=100))
        expected: list[str] = []
        taken = 0
        for batch in batches:
            store.append([KINDS[kind](number) for number, kind in enumerate(batch)])
            expected += batch
            while len(expected) > 100:
                idle = range(taken, len(expected))
                del expected[min(idle, key=lambda place: (ranks[expected[place]], place))]
            taken += len(store.take(on_the_way)) if not taken else 0
        store.release()
        kinds = {"new": "start", "update": "update", "raised": "alert"}
        assert [kinds.get(name.split()[-1], name) for name in names(store.take(1000))] == expected
        store.close()


# ---- History ----


def test_history_has_what_was_delivered_but_no_updates_and_images(tmp_path):
    store = Store(tmp_path)
    store.append([alert("raised"), image(), alert("updated", seq=1), event("new"), event("update", seq=1)])
    deliver(store)
    store.append([alert("cleared", seq=2)])  # waits still
    assert listed(tmp_path) == ["alerts raised", "events new", "alerts cleared"]
    assert [line.waiting for line in read_history(tmp_path, HistoryFilter())] == [False, False, True]
    assert listed(tmp_path, kind="alerts", rule="fall") == ["alerts raised", "alerts cleared"]
    assert listed(tmp_path, rule="lying") == []
    assert listed(tmp_path, since=time.time() - 60, until=time.time() + 60, camera="door", item="1-door-1")
    assert listed(tmp_path, until=time.time() - 60) == []


def test_without_a_broker_everything_is_history_at_once(tmp_path):
    store = Store(tmp_path)
    store.append([alert("raised"), event("update")], deliver=False)
    assert store.queued == 0
    assert store.take(10) == []
    assert listed(tmp_path) == ["alerts raised"]


def test_old_history_is_forgotten(tmp_path, monkeypatch):
    store = Store(tmp_path, StorageConfig(history="1d"))
    store.append([alert("raised", n) for n in range(1200)], deliver=False)
    later = time.time() + 86401.0
    monkeypatch.setattr(time, "time", lambda: later)
    store.append([alert("raised", 2000)], deliver=False)
    store.tidy()
    (left,) = read_history(tmp_path, HistoryFilter())
    assert left.payload["id"] == "1-door-2000"


def test_history_of_a_clock_that_was_not_set_is_as_old_as_what_follows(tmp_path, monkeypatch):
    """A machine without a clock of its own starts in 1970, until the network tells the time."""
    now = time.time()
    clock = iter([300.0 + n for n in range(1000)])
    monkeypatch.setattr(time, "time", lambda: next(clock))
    store = Store(tmp_path, StorageConfig(history="1d"))
    store.append([alert("raised", n) for n in range(700)], deliver=False)
    monkeypatch.setattr(time, "time", lambda: now)
    store.tidy()
    assert len(list(read_history(tmp_path, HistoryFilter()))) == 700
    store.append([alert("raised", 700)], deliver=False)
    store.close()
    store = Store(tmp_path, StorageConfig(history="1d"))
    store.tidy()
    assert len(list(read_history(tmp_path, HistoryFilter()))) == 701
    store.close()
    monkeypatch.setattr(time, "time", lambda: now + 86401.0)
    store = Store(tmp_path, StorageConfig(history="1d"))
    store.tidy()
    assert list(read_history(tmp_path, HistoryFilter())) == []


def test_history_gives_way_before_anything_that_waits(tmp_path):
    store = Store(tmp_path, StorageConfig(max_size=1_000_000))
    store.append([alert("raised", n) for n in range(3000)], deliver=False)
    store.append([event("new", n) for n in range(1000)])
    store.tidy()
    assert store.dropped == 0
    assert len(listed(tmp_path, kind="alerts")) < 3000
    assert len(deliver(store, 2000)) == 1000


# ---- What is open ----


def test_what_a_killed_process_left_open_is_ended(tmp_path):
    store = Store(tmp_path)
    store.append([event("new"), action("start"), alert("raised"), alert("raised", 2)])
    store.append([alert("updated", seq=1), event("update", seq=1), alert("cleared", 2, seq=1)])
    store.tidy()  # alive
    alive = time.time()
    again = Store(tmp_path)
    deliver(again)
    messages = closing_messages(*again.left_open)
    assert [message.topic.rsplit("/", 1)[1] for message in messages] == ["alerts", "actions", "events"]
    cleared, ended, gone = (message.payload for message in messages)
    assert (cleared["type"], cleared["id"], cleared["seq"], cleared["reason"]) == (
        "cleared", "1-door-1", 2, "restart",
    )  # fmt: skip
    assert cleared["end_time"] == pytest.approx(alive, abs=1.0)
    assert (ended["type"], ended["reason"]) == ("end", "restart")
    assert ended["duration"] == pytest.approx(alive - 100.0, abs=1.0)
    assert (gone["type"], gone["seq"], gone["before"]["end_time"]) == ("end", 2, None)
    assert gone["after"]["end_time"] == cleared["end_time"]
    again.append(messages)
    assert again.left_open[0] == []
    assert Store(tmp_path).left_open[0] == []


def test_what_cannot_be_ended_does_not_stand_in_the_way(tmp_path, caplog):
    odd = alert("raised", 2)
    assert isinstance(odd.payload, dict)
    del odd.payload["start_time"]
    Store(tmp_path).append([odd, alert("raised", 1)])
    store = Store(tmp_path)
    messages = closing_messages(*store.left_open)
    assert [message.payload["id"] for message in messages] == ["1-door-1"]
    assert "not_closed_after_crash kind=alerts id=1-door-2" in caplog.text
    store.append(messages)
    store.forget_left_open()
    assert store.left_open[0] == Store(tmp_path).left_open[0] == []


def test_what_this_process_opens_is_its_own(tmp_path):
    store = Store(tmp_path)
    store.append([alert("raised")])
    assert store.left_open[0] == []


# ---- Settings and retained topics ----


def test_pictures_that_were_delivered_leave_nothing_in_the_file(tmp_path):
    store = Store(tmp_path)
    picture = b"\xff\xd8" + b"a face" * 5000
    store.append([Message("posewatch/door/snapshot/fall", picture, 1, expendable=True), alert("raised")])
    deliver(store)
    store.close()
    assert all(b"a face" not in path.read_bytes() for path in tmp_path.iterdir())


def test_settings_and_retained_topics_outlive_the_process(tmp_path):
    store = Store(tmp_path)
    store.set("profile", "night")
    store.set("profile", "away")
    store.remember_retained(["a", "b"])
    store.forget_retained("a")
    again = Store(tmp_path)
    assert again.get("profile") == "away"
    assert again.get("nothing") is None
    assert again.retained_topics == {"b"}


# ---- A disk that fails ----


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("database or disk is full", "the disk is full"),
        ("attempt to write a readonly database", "the disk is read-only"),
        ("disk I/O error", "the disk gives input/output errors"),
        ("database is locked", "another program holds the database"),
    ],
)
def test_a_disk_that_fails_costs_nothing_and_is_used_again(tmp_path, caplog, text, reason):
    store = Store(tmp_path, retry=0.0)
    store.append([alert("raised"), event("new", 1)])
    on_the_way = store.take(1)
    with failing(text):
        store.append([event("new", 2)])
        store.append([alert("cleared", seq=1)])
        assert (store.status.state, store.status.reason) == ("degraded", reason)
        store.settle(on_the_way)
        store.set("profile", "night")
        assert store.queued == 3
        more = store.take(2)
        assert names(more) == ["events 1 new", "events 2 new"]
        store.settle(more[:1])
        store.release()
        assert names(store.take(1)) == ["events 2 new"]
    store.tidy()
    assert store.status.state == "ok"
    assert names(store.take(10)) == ["alerts 1 cleared"]
    assert caplog.text.count("storage_degraded") == 1
    assert caplog.text.count("storage_recovered") == 1
    again = Store(tmp_path)
    assert deliver(again) == ["events 2 new", "alerts 1 cleared"]
    assert again.get("profile") == "night"
    assert [entry.report.item for entry in again.left_open[0]] == ["1-door-1", "1-door-2"]  # no alert


def test_memory_is_bounded_too(tmp_path):
    store = Store(tmp_path, retry=0.0, memory=(5, 10**6))
    with failing("database or disk is full"):
        store.append([alert("raised"), event("new"), event("update", seq=1), image()])
        store.append([alert("updated", seq=1), alert("cleared", seq=2), event("end", seq=2)])
        assert store.queued == 5
    store.tidy()
    assert deliver(store) == [
        "alerts 1 raised",
        "events 1 new",
        "alerts 1 updated",
        "alerts 1 cleared",
        "events 1 end",
    ]
    assert store.dropped == 2


def damage(path: Path, offset: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * size)


@pytest.mark.parametrize(("offset", "size"), [(0, 100), (0, 10**6), (4096, 50_000)])
def test_a_damaged_file_is_put_aside_at_the_start(tmp_path, caplog, offset, size):
    store = Store(tmp_path)
    store.append([event("new", n) for n in range(100)])
    store.close()
    damage(tmp_path / "posewatch.db", offset, size)
    again = Store(tmp_path)
    assert again.status.state == "ok"
    (aside,) = (path for path in tmp_path.glob("*.damaged-*") if path.suffix.startswith(".damaged"))
    assert "database_damaged" in caplog.text
    assert str(aside) in caplog.text
    again.append([alert("raised")])
    assert deliver(again)[-1] == "alerts 1 raised"


def test_a_file_damaged_under_way_gives_what_can_be_read(tmp_path, caplog):
    store = Store(tmp_path)
    store.append([event("end", n) for n in range(20_000)])
    store.set("profile", "night")
    store.close()
    store = Store(tmp_path)  # more than SQLite keeps in memory
    on_the_way = store.take(3)
    size = (tmp_path / "posewatch.db").stat().st_size
    damage(tmp_path / "posewatch.db", size * 3 // 4, 20_000)
    got: list[str] = []
    for n in range(20_000, 20_100):
        store.append([event("new", n)])
        got += names(on_the_way)
        store.settle(on_the_way)  # numbers of the file that was put aside are not those of the new one
        on_the_way = store.take(500)
    got += names(on_the_way) + deliver(store, 50_000)
    assert "database_damaged" in caplog.text
    assert store.status.state == "ok"
    assert store.get("profile") == "night"
    numbers = list(dict.fromkeys(int(name.split()[1]) for name in got))
    assert numbers == sorted(numbers)
    assert set(range(20_000, 20_100)) <= set(numbers)  # whatever came after
    assert len(numbers) > 19_900  # and what can be read of what was there


NOT_TEXT = "CAST(X'70A5' AS TEXT)"


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (f"UPDATE queue SET topic = {NOT_TEXT} WHERE number = 5", {5}),
        (f"UPDATE queue SET item = {NOT_TEXT} WHERE number = 5", {5}),
        (f"UPDATE queue SET topic = {NOT_TEXT} WHERE number = 1", {1}),
        ("UPDATE queue SET rank = -44 WHERE number = 5", {5}),
        ("UPDATE queue SET payload = 7 WHERE number = 5", {5}),
        ("UPDATE queue SET kind = 'alarts' WHERE number = 5", {5}),
        ("UPDATE queue SET time = 'x' WHERE number = 5", {5}),
        # Nothing can be read, and nobody knows where it ends.
        (f"UPDATE queue SET topic = {NOT_TEXT}; UPDATE sqlite_sequence SET seq = 1 << 60", set(range(1, 10))),
        (f"UPDATE open_items SET topic = {NOT_TEXT}", set()),
        ("UPDATE open_items SET kind = 'alarts'", set()),
        ("UPDATE settings SET value = 'x'", set()),
        (f"UPDATE settings SET value = {NOT_TEXT}", set()),
        (f"UPDATE retained_topics SET topic = {NOT_TEXT}", set()),
        (f"UPDATE history SET topic = {NOT_TEXT}, time = 'x'", set()),
    ],
)
def test_a_changed_byte_costs_that_message_only(tmp_path, change, missing):
    """SQLite has no checksums: what flips on a card comes up as a value that cannot be."""
    store = Store(tmp_path)
    store.append([alert("raised", n) for n in range(10)])
    store.settle(store.take(1))
    store.release()
    store.remember_retained(["posewatch/door/people"])
    store.set("alive_at", "1.0")
    store.set("door/enabled", "[true, true]")
    store.close()
    with sqlite3.connect(tmp_path / "posewatch.db") as connection:
        # The first one was delivered: numbers in the queue are 2 to 10.
        connection.executescript(
            change.replace("number = 1", "number = 2").replace("number = 5", "number = 6")
        )
    connection.close()
    again = Store(tmp_path)
    closing_messages(*again.left_open)
    assert Switches(again).enabled("door", True) is True
    again.append([alert("raised", 100)])
    got = deliver(again)
    again.tidy()
    again.append([alert("raised", 101)])
    got += deliver(again)
    expected = [n for n in range(1, 10) if n not in missing] + [100, 101]
    assert list(dict.fromkeys(got)) == [f"alerts {n} raised" for n in expected]
    assert again.status.state == "ok"


def test_what_waits_on_a_disk_that_cannot_be_read_for_a_while_is_not_passed_over(tmp_path, monkeypatch):
    store = Store(tmp_path, retry=0.0)
    store.append([alert("raised", n) for n in range(6)])
    got = store.take(2)
    with monkeypatch.context() as broken, failing("disk I/O error"):

        def refuse(*_args: object) -> list[object]:
            raise sqlite3.OperationalError("disk I/O error")

        broken.setattr(Database, "waiting", refuse)
        store.append([alert("raised", n) for n in (6, 7)])
        got += store.take(10)  # rather out of order than late
        assert names(got) == [f"alerts {n} raised" for n in (0, 1, 6, 7)]
    store.tidy()
    assert store.status.state == "ok"
    store.append([alert("raised", 8)])
    later = store.take(10)
    assert names(later) == [f"alerts {n} raised" for n in (2, 3, 4, 5, 8)]
    store.settle([*got, *later])
    assert store.queued == 0
    store.release()
    assert store.take(10) == []


def test_a_file_that_somebody_removes_is_made_anew(tmp_path, caplog):
    folder = tmp_path / "state"
    store = Store(folder)
    store.append([event("new", 1), alert("raised")])
    store.settle(store.take(1))
    store.set("profile", "night")
    shutil.rmtree(folder)
    store.tidy()
    assert "database_removed" in caplog.text
    store.append([event("new", 2)])
    again = Store(folder)
    assert deliver(again) == ["alerts 1 raised", "events 2 new"]
    assert again.get("profile") == "night"
    assert names(again.left_open[0]) == ["events 1 new", "alerts 1 raised", "events 2 new"]


def test_a_state_directory_that_cannot_be_made(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "state", retry=0.0)
    StateLock(tmp_path / "file" / "state")
    assert "state_directory_unusable" in caplog.text
    assert store.status.state == "degraded"
    store.append([alert("raised")])
    assert deliver(store) == ["alerts 1 raised"]
    store.append([alert("cleared")])
    with caplog.at_level(logging.ERROR):
        store.close()
    assert "messages_lost count=1" in caplog.text


def test_a_disk_that_comes_late_brings_what_was_left(tmp_path):
    Store(tmp_path).append([alert("raised")])
    hidden = tmp_path / "posewatch.db"
    aside = {path: path.with_name("x" + path.name) for path in tmp_path.iterdir()}
    for path, other in aside.items():
        path.rename(other)
    hidden.mkdir()  # nothing can be opened here
    store = Store(tmp_path, retry=0.0)
    store.append([event("new")])
    assert store.status.state == "degraded"
    assert store.left_open[0] == []
    hidden.rmdir()
    for path, other in aside.items():
        other.rename(path)
    store.tidy()
    assert names(store.left_open[0]) == ["alerts 1 raised"]
    assert deliver(store) == ["alerts 1 raised", "events 1 new"]


def test_a_number_that_is_not_finite_ends_that_message_only(tmp_path, caplog):
    store = Store(tmp_path)
    store.append([Message("posewatch/door/x", {"score": float("nan")}, 1), alert("raised")])
    assert deliver(store) == ["alerts 1 raised"]
    assert "message_dropped" in caplog.text


def test_many_threads_publish_and_one_delivers(tmp_path):
    store = Store(tmp_path)
    got: list[str] = []

    def publish(camera: int) -> None:
        for n in range(100):
            store.append([event("new", camera * 1000 + n), event("end", camera * 1000 + n, 1)])

    threads = [threading.Thread(target=publish, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or store.queued:
        got += deliver(store, 7)
    assert len(got) == len(set(got)) == 800
    for camera in range(1, 5):
        own = [name for name in got if name.split()[1][0] == str(camera)]
        assert own == [f"events {camera * 1000 + n} {kind}" for n in range(100) for kind in ("new", "end")]


class Lifelike(RuleBasedStateMachine):
    """Whatever happens, and in whichever order: every message until it is settled, in order, none twice."""

    @initialize()
    def start(self) -> None:
        self.folder = TemporaryDirectory()
        self.store = Store(Path(self.folder.name), retry=0.0)
        self.waiting: list[int] = []  # numbers of messages that were published and not settled
        self.taken: list[object] = []
        self.published = 0
        self.fault: object | None = None

    @rule(count=st.integers(1, 4))
    def publish(self, count: int) -> None:
        numbers = range(self.published, self.published + count)
        self.store.append([event("new", number) for number in numbers])
        self.waiting += numbers
        self.published += count

    @rule(limit=st.integers(1, 5))
    def take(self, limit: int) -> None:
        entries = self.store.take(limit)
        expected = self.waiting[len(self.taken) :][:limit]
        assert names(entries) == [f"events {number} new" for number in expected]
        self.taken += entries

    @precondition(lambda self: self.taken)
    @rule(count=st.integers(1, 5))
    def settle(self, count: int) -> None:
        done, self.taken = self.taken[:count], self.taken[count:]
        self.store.settle(done)
        self.waiting = self.waiting[len(done) :]

    @rule()
    def lose_the_connection(self) -> None:
        self.store.release()
        self.taken = []

    @precondition(lambda self: self.fault is None)
    @rule(text=st.sampled_from(["database or disk is full", "attempt to write a readonly database"]))
    def break_the_disk(self, text: str) -> None:
        self.fault = failing(text)
        self.fault.__enter__()

    @precondition(lambda self: self.fault is not None)
    @rule()
    def mend_the_disk(self) -> None:
        self.fault.__exit__(None, None, None)
        self.fault = None
        self.store.tidy()
        assert self.store.status.state == "ok"

    @precondition(lambda self: self.fault is None)
    @rule()
    def kill_and_start_again(self) -> None:
        self.store.tidy()
        self.store = Store(Path(self.folder.name), retry=0.0)
        self.taken = []

    @invariant()
    def nothing_is_missing(self) -> None:
        if hasattr(self, "store"):
            assert self.store.queued == len(self.waiting)
            assert self.store.dropped == 0

    def teardown(self) -> None:
        if getattr(self, "fault", None) is not None:
            self.fault.__exit__(None, None, None)
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


TestLifelike = Lifelike.TestCase
TestLifelike.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


def test_payloads_are_what_was_sent(tmp_path):
    store = Store(tmp_path)
    store.append([alert("raised"), image(3)])
    first, second = store.take(2)
    assert json.loads(first.payload)["rule"] == "fall"
    assert second.payload == b"\xff\xff\xff"


@pytest.mark.parametrize("part", ["open", "begin"])
def test_a_disk_that_fails_and_then_hangs_holds_up_nobody(tmp_path, monkeypatch, part):
    """As a dying one does, which takes half a minute for each attempt to come back to it."""
    monkeypatch.setattr("daemon.storage.disk.Patience", partial(Patience, seconds=0.3))
    store = Store(tmp_path, retry=0.0)
    store.append([alert("raised", 1)])
    goes_on, hangs = threading.Event(), threading.Event()
    make, transaction = Database.__init__, Database.transaction

    def wait() -> None:
        hangs.set()
        goes_on.wait(20.0)

    def slow_make(self: Database, path: Path) -> None:
        wait()
        make(self, path)

    @contextmanager
    def slow_transaction(self: Database, *, durable: bool = False) -> Iterator[None]:
        wait()
        with transaction(self, durable=durable):
            yield

    with failing("disk I/O error"):
        store.append([alert("raised", 2)])
    with monkeypatch.context() as patches:
        if part == "open":
            patches.setattr(Database, "__init__", slow_make)
        else:
            patches.setattr(Database, "transaction", slow_transaction)
        began = time.monotonic()
        store.append([alert("raised", 3)])
        store.tidy()
        store.append([alert("raised", 4)])
        assert hangs.is_set()
        assert time.monotonic() - began < 5.0
        assert store.status.reason == "the disk does not answer"
        goes_on.set()
    end = time.monotonic() + 20.0
    while store.status.state != "ok" and time.monotonic() < end:
        store.tidy()
    assert store.status.state == "ok"
    assert list(dict.fromkeys(deliver(store))) == [f"alerts {number} raised" for number in (1, 2, 3, 4)]
