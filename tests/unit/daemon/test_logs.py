"""Log lines: one event a line, in both formats, and never a credential."""

from __future__ import annotations

import json
import logging
import sys
import threading

import pytest

from daemon.config import LogConfig
from daemon.logs import configure_logging
from daemon.logs.logfmt import fields_of

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
