"""Log lines: one event a line, in both formats, and never a credential."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import LogConfig
from daemon.logs import configure_logging
from daemon.logs.handler import EventHandler
from daemon.logs.logfmt import fields_of
from daemon.logs.repeats import Repeats

SECRET = "s3cr3t"


@pytest.fixture(autouse=True)
def _restored():
    """The root logger and the hooks belong to the test run."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    for handler in [one for one in root.handlers if one not in handlers]:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys, form: str, log, level: str = "info") -> list[str]:
    configure_logging(LogConfig(format=form, level=level))
    log(logging.getLogger("daemon.capture"))
    return capsys.readouterr().err.splitlines()


def test_text(capsys):
    [line] = lines(capsys, "text", lambda log: log.warning("camera_state camera=%s fps=%.1f", "door", 12.5))
    assert line.endswith(" WARNING daemon.capture camera_state camera=door fps=12.5")


def test_json(capsys):
    [line] = lines(capsys, "json", lambda log: log.info("started cameras=%d zone=%s", 2, "Küche"))
    row = json.loads(line)
    assert list(row) == ["time", "level", "logger", "event", "cameras", "zone"]
    assert (row["level"], row["logger"], row["event"]) == ("info", "daemon.capture", "started")
    assert (row["cameras"], row["zone"]) == (2, "Küche")


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_is_the_configured_one(capsys, level, count):
    def log(logger):
        for name in ("debug", "info", "warning", "error"):
            getattr(logger, name)("event")

    assert len(lines(capsys, "text", log, level)) == count


def test_configuring_again_does_not_log_twice(capsys):
    configure_logging(LogConfig(format="json"))
    assert len(lines(capsys, "text", lambda log: log.info("once"))) == 1


LEAKS = [
    f"cannot open rtsp://admin:{SECRET}@10.0.0.5/live",
    f"cannot open rtsp://10.0.0.5/live?user=admin&password={SECRET}",
    f'login password="{SECRET} {SECRET}" refused',
    f"sent Authorization: Basic {SECRET}",
]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("message", LEAKS)
def test_no_credential_in_a_message(capsys, form, message):
    [line] = lines(capsys, form, lambda log: log.error("%s", message))
    assert SECRET not in line
    assert "***" in line


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("message", LEAKS)
def test_no_credential_in_an_exception(capsys, form, message):
    def fail(log):
        try:
            raise OSError(message)
        except OSError:
            log.exception("camera_failed camera=door")

    [line] = lines(capsys, form, fail)  # one, however long the traceback
    assert SECRET not in line
    fields = json.loads(line) if form == "json" else dict(fields_of(line))
    assert fields["camera"] == "door"
    assert fields["exception"].startswith("Traceback")
    assert fields["exception"].splitlines()[-1].startswith("OSError")


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_message_cannot_make_up_lines(capsys, form, newline):
    """What a camera or a broker answers is logged, and must not look like a line of its own."""
    reason = f"refused{newline}2026-01-01 00:00:00 INFO daemon.service stopped"
    assert len(lines(capsys, form, lambda log: log.warning("reason=%s", reason))) == 1


# ---- Lines that can be read back ----


@given(
    values=st.lists(st.text(), min_size=1, max_size=4),
    form=st.sampled_from(["text", "json"]),
)
def test_every_value_comes_back_from_one_line(values, form):
    stream = io.StringIO()
    handler = EventHandler(stream, as_json=form == "json", mask=str, repeats=Repeats(10))
    template = "told " + " ".join(f"key{index}=%s" for index in range(len(values)))
    handler.handle(record(template, *values))
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text[:-1].isprintable() or form == "json"
    fields = json.loads(text) if form == "json" else dict(fields_of(text[:-1]))
    assert [fields[f"key{index}"] for index in range(len(values))] == values


def record(message: str, *arguments: object, name: str = "daemon.capture", level: int = logging.WARNING):
    return logging.LogRecord(name, level, "", 0, message, arguments, None)


@pytest.mark.parametrize(
    ("message", "arguments", "fields"),
    [
        ("e a=%s", (None,), {"event": "e", "a": None}),
        ("e a=%s b=%d", (True, 7), {"event": "e", "a": True, "b": 7}),
        ("e a=%.1f b=%.0f", (1.26, 2.0), {"event": "e", "a": 1.3, "b": 2}),
        ("e wait=%.1fs", (2.04,), {"event": "e", "wait": "2.0s"}),
        ("e a=%r", ("x y",), {"event": "e", "a": "x y"}),
        ("e a=%.3r", ("abcdef",), {"event": "e", "a": "abc"}),
        ("e a=%s%s", ("x ", "y"), {"event": "e", "a": "x y"}),
        ("e a=%s", (ValueError("no"),), {"event": "e", "a": "no"}),
        ("%s camera=%s", ("snapshot_failed", "door"), {"event": "snapshot_failed", "camera": "door"}),
        ("e a=%s; and so on", (1,), {"event": "e", "a": 1, "note": "and so on"}),
        ("stopping", (), {"event": "stopping"}),
        ("e a=50%", (), {"event": "e", "a": "50%"}),
        ("e password=%s", ("1",), {"event": "e", "password": "***"}),
        ("e time=%s event=%s", (1, 2), {"event": "e", "time_": 1, "event_": 2}),
        ("e a=%s", (float("inf"),), {"event": "e", "a": "inf"}),
        ("Sending %s (d%d)", ("PINGREQ", 0), {"event": "log", "text": "Sending PINGREQ (d0)"}),
        ("", (), {"event": "log", "text": ""}),
    ],
)
def test_a_record_as_json(message, arguments, fields):
    stream = io.StringIO()
    EventHandler(stream, as_json=True, mask=str, repeats=Repeats(10)).handle(record(message, *arguments))
    row = json.loads(stream.getvalue())
    assert {key: row[key] for key in row if key not in ("time", "level", "logger")} == fields


def test_the_journal_gets_a_priority_and_no_second_time(tmp_path, monkeypatch):
    """systemd says by $JOURNAL_STREAM which file standard error is."""
    with (tmp_path / "journal").open("w+", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        for as_json in (False, True):
            handler = EventHandler(stream, as_json=as_json, mask=str, repeats=Repeats(10))
            for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
                handler.handle(record("event", level=level))
        stream.seek(0)
        found = stream.read().splitlines()
    assert [line[:3] for line in found] == ["<7>", "<6>", "<4>", "<3>", "<3>"] * 2
    assert found[0] == "<7>DEBUG daemon.capture event"
    assert json.loads(found[5][3:])["event"] == "event"


def test_elsewhere_each_line_has_its_time(monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    stream = io.StringIO()
    EventHandler(stream, as_json=False, mask=str, repeats=Repeats(10)).handle(record("event"))
    when = datetime.fromisoformat(stream.getvalue().split()[0])
    assert when.tzinfo is not None
    assert abs(when.timestamp() - time.time()) < 600


# ---- The same again and again ----


class Log:
    """A handler with a clock of its own."""

    def __init__(self, limit: int = 3) -> None:
        self.now = 0.0
        self._stream = io.StringIO()
        self.handler = EventHandler(
            self._stream, as_json=True, mask=str, repeats=Repeats(limit), clock=lambda: self.now
        )

    def say(self, message: str, *arguments: object, times: int = 1, name: str = "daemon.capture") -> None:
        for _ in range(times):
            self.handler.handle(record(message, *arguments, name=name))

    @property
    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    def count(self, event: str) -> int:
        return sum(row["event"] == event for row in self.rows)


def test_repeats_are_counted_and_told_at_the_end_of_the_minute():
    log = Log()
    log.say("camera_lost camera=%s", "door", times=50)
    assert log.count("camera_lost") == 3
    log.now = 59.9
    log.say("other")
    assert log.count("repeated") == 0
    log.now = 60.0
    log.say("other")
    [row] = [row for row in log.rows if row["event"] == "repeated"]
    told = {key: row[key] for key in ("of", "camera", "times", "seconds", "level", "logger")}
    assert told == {"of": "camera_lost", "camera": "door", "times": 47, "seconds": 60.0, "level": "warning",
                    "logger": "daemon.capture"}  # fmt: skip
    log.say("camera_lost camera=%s", "door", times=5)
    assert log.count("camera_lost") == 6  # a new minute


def test_cameras_events_and_loggers_do_not_hide_each_other():
    log = Log(limit=1)
    for camera in ("door", "garden"):
        for event in ("camera_lost", "frame_failed"):
            for name in ("daemon.capture", "daemon.scheduler"):
                log.say(f"{event} camera=%s", camera, name=name, times=9)
    assert len(log.rows) == 8


def test_alerts_always_have_their_line():
    log = Log(limit=1)
    log.say("alert_raised camera=%s", "door", times=30, name="daemon.health.journal")
    assert log.count("alert_raised") == 30


def test_what_was_kept_back_is_told_when_nothing_else_is_logged():
    stream = io.StringIO()
    handler = EventHandler(stream, as_json=False, mask=str, repeats=Repeats(1, interval=0.1))
    for _ in range(5):
        handler.handle(record("again"))
    deadline = time.monotonic() + 20
    while "repeated" not in stream.getvalue():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "times=4" in stream.getvalue()


def test_what_was_kept_back_is_told_at_the_end():
    log = Log()
    log.say("again", times=10)
    log.handler.close()
    assert log.rows[-1]["times"] == 7
    assert log.handler._timer is None


def test_a_new_configuration_tells_what_the_former_one_kept_back(capsys):
    configure_logging(LogConfig(repeats=1))
    for _ in range(4):
        logging.getLogger("x").warning("again")
    configure_logging(LogConfig(format="json"))
    assert " repeated of=again times=3 " in capsys.readouterr().err


def test_memory_is_bounded_and_the_first_is_never_dropped():
    log = Log(limit=1)
    for index in range(5000):
        log.say("told camera=%s", f"c{index}", times=2)
    assert log.count("told") == 5000
    assert len(log.handler._repeats._windows) <= 1024
    log.handler.close()
    assert sum(row.get("times", 0) for row in log.rows) == 5000


# ---- What nobody caught, and what goes wrong while logging ----


def test_an_exception_in_a_thread_is_an_event(capsys):
    configure_logging(LogConfig(format="json"), [SECRET])

    def fail() -> None:
        raise OSError(f"user:{SECRET}")

    thread = threading.Thread(target=fail, name="worker-1")
    thread.start()
    thread.join()
    [line] = capsys.readouterr().err.splitlines()
    row = json.loads(line)
    assert (row["event"], row["thread"], row["level"]) == ("uncaught_exception", "worker-1", "critical")
    assert row["exception"].endswith("OSError: user:***")


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_last_words_of_a_process_are_events(form):
    """Of the main thread, of a finalizer, and of a warning, in a real process."""
    code = (
        "import warnings\n"
        "from daemon.config import LogConfig\n"
        "from daemon.logs import configure_logging\n"
        f"configure_logging(LogConfig(format={form!r}), ['S3cretWord'])\n"
        "class Broken:\n"
        "    def __del__(self): raise ValueError('S3cretWord')\n"
        "Broken()\n"
        "warnings.warn('S3cretWord\\nis old')\n"
        "raise RuntimeError('no S3cretWord\\nat all')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 1
    assert "S3cretWord" not in ended.stderr
    found = ended.stderr.splitlines()
    assert len(found) == 3, found
    if form == "json":
        assert [json.loads(one)["event"] for one in found] == [
            "unraisable_exception",
            "log",
            "uncaught_exception",
        ]
    else:
        assert " CRITICAL daemon.logs.hooks uncaught_exception thread=main exception=" in found[-1]


def test_a_wrong_call_is_told_without_its_values(capsys):
    configure_logging(LogConfig())

    class Awkward:
        def __str__(self) -> str:
            raise ValueError(SECRET)

    logging.getLogger("x").warning("event a=%s", Awkward())
    logging.getLogger("x").warning("event a=%s", "1", SECRET)
    found = capsys.readouterr().err.splitlines()
    assert len(found) == 2
    assert all("log_failed" in line and SECRET not in line for line in found)


def test_nobody_who_reads_standard_error_is_no_failure():
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    handler = EventHandler(Gone(), as_json=False, mask=str, repeats=Repeats(1))
    handler.handle(record("event"))
    handler.close()


# ---- A reader that stands still ----


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_reader_that_stands_still_holds_up_nobody(kind):
    if kind == "pipe":
        reader, writer = os.pipe()
    else:  # as of the journal
        reader, writer = (one.detach() for one in socket.socketpair())
    with os.fdopen(reader, "rb", buffering=0) as out, os.fdopen(writer, "w", encoding="utf-8") as stream:
        handler = EventHandler(stream, as_json=True, mask=str, repeats=Repeats(100_000))
        started, count = time.monotonic(), 3000
        for number in range(count):
            handler.handle(record("camera_lost number=%d error=%s", number, "x" * 6000))
        assert time.monotonic() - started < 10.0
        os.set_blocking(out.fileno(), False)
        found = b"".join(iter(lambda: out.read(65536), None))
        handler.handle(record("goes_on"))
        found += out.read(65536)
    *earlier, lost, last = found.decode().splitlines()
    told = [json.loads(line) for line in earlier if line.endswith("}")]
    assert [row["number"] for row in told] == list(range(len(told)))
    assert 0 < len(told) < count
    assert json.loads(lost)["event"] == "log_lines_lost"
    assert json.loads(lost)["count"] == count - len(told)
    assert json.loads(last)["event"] == "goes_on"
