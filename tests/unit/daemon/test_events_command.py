"""`posewatch events`: what it lists, for people and for programs, while a daemon writes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from reports import action, alert, event

from daemon.cli import main
from daemon.storage import Store

pytestmark = pytest.mark.made_up_payloads

Run = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    config = tmp_path / "posewatch.yaml"
    config.write_text("storage: {path: state}\ncameras: {door: {url: rtsp://h/x}}\n")

    def run(*arguments: str) -> tuple[int, list[str], str]:
        try:
            status = main(["events", "-c", str(config), *arguments])
        except SystemExit as error:
            status = int(error.code or 0)
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err

    return run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "state")
    store.append([event("new"), action("start"), alert("raised"), alert("updated", seq=1)])
    store.settle(store.take(10))
    store.append([alert("raised", 2, rule="lying"), alert("cleared", 2, seq=1, rule="lying")])
    return store


def test_a_line_a_message_with_what_waits_marked(run, store):
    assert store.queued == 2  # the daemon runs: its database is open
    status, lines, _ = run()
    assert status == 0
    assert lines[0].split() == ["TIME", "KIND", "CAMERA", "WHAT", "TYPE", "SCORE", "SECONDS", "ID"]
    rows = [line.split() for line in lines[1:]]
    assert [row[2:6] for row in rows] == [
        ["event", "door", "person", "new"],
        ["action", "door", "walking", "start"],
        ["alert", "door", "fall", "raised"],
        ["alert", "door", "lying", "raised"],
        ["alert", "door", "lying", "cleared"],
    ]
    assert [row[1].endswith("*") for row in rows] == [False, False, False, True, True]
    assert rows[2][-2:] == ["0.80", "1-door-1"]


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--kind", "alerts"], 3),
        (["--rule", "lying"], 2),
        (["--camera", "garden"], 0),
        (["--id", "1-door-2"], 2),
        (["--since", "1h"], 5),
        (["--since", "2000-01-01T00:00Z", "--until", "1h"], 0),
        (["--until", "2100-01-01"], 5),
    ],
)
def test_filters(run, store, arguments, count):
    assert store
    _, lines, _ = run("--json", *arguments)
    assert len(lines) == count


def test_json_lines_hold_the_whole_message(run, store):
    assert store
    _, lines, _ = run("--json", "--rule", "fall")
    row = json.loads(lines[0])
    assert row["topic"] == "posewatch/door/alerts"
    assert row["payload"] == alert("raised").payload
    assert row["time"] == pytest.approx(time.time(), abs=60)
    assert row["waiting"] is False


@pytest.mark.usefixtures("store")
def test_nothing_but_where_the_state_is_need_be_right_in_the_file(run, tmp_path):
    """Who looks back has not the daemon's secrets."""
    config, cameras = (
        tmp_path / "posewatch.yaml",
        "cameras: {door: {url: rtsp://h/x, password: !secret no}}\n",
    )
    config.write_text("storage: {path: state}\n" + cameras)
    assert run("--kind", "alerts")[0] == 0
    config.write_text("storage: {path: !secret no}\n" + cameras)
    status, _, error = run()
    assert status == 2
    assert "storage: is not valid" in error


def test_without_a_database_it_says_where_it_looked(run, tmp_path):
    status, lines, error = run()
    assert (status, lines) == (2, [])
    assert error == (
        f"posewatch: no history in {tmp_path / 'state'}: start `posewatch run` once, "
        "or name its state directory with --state\n"
    )


def test_what_is_no_database(run, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "posewatch.db").write_bytes(b"nonsense " * 1000)
    status, _, error = run()
    assert status == 2
    assert error.endswith("cannot be read: file is not a database\n")


def test_a_wrong_time_is_named(run):
    status, _, error = run("--since", "yesterday")
    assert status == 2
    assert "yesterday: must be how long ago (90s, 5m, 1h, 7d) or a time such as 2026-01-31T08:00" in error


def test_a_copy_of_the_database_can_be_read(run, store, tmp_path):
    store.close()
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "state" / "posewatch.db", tmp_path / "copy")
    assert len(run("--json", "--state", str(tmp_path / "copy"))[1]) == 5


def test_follow_goes_on_with_what_comes(tmp_path):
    config = tmp_path / "posewatch.yaml"
    config.write_text("storage: {path: state}\ncameras: {door: {url: rtsp://h/x}}\n")
    store = Store(tmp_path / "state")
    store.append([alert("raised", 1)])
    command = [
        sys.executable,
        "-m",
        "daemon.cli",
        "events",
        "-c",
        str(config),
        "--json",
        "--follow",
        "--since",
        "1h",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["payload"]["id"] == "1-door-1"
            store.append([alert("raised", 2)])
            assert json.loads(process.stdout.readline())["payload"]["id"] == "1-door-2"
            store.settle(store.take(2))  # moves to the history: not said again
            store.append([alert("raised", 3)])
            assert json.loads(process.stdout.readline())["payload"]["id"] == "1-door-3"
        finally:
            process.kill()


@pytest.mark.usefixtures("store")
def test_it_needs_no_configuration_where_the_state_directory_is_usual(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    assert main(["events", "--since", "1h", "--rule", "lying"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("TIME")
    assert [row.split()[5] for row in rows] == ["raised", "cleared"]
