"""What is shown while a take is recorded: skeletons of characters, lines of progress, a window."""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_scenes import HEIGHT, WIDTH, landmarks, person, scene

from daemon.capture import Frame
from daemon.errors import UsageError
from daemon.recording.braille import LEFT, OTHERS, RIGHT, Canvas, draw_pose
from daemon.recording.session import Phase, TakeSession, TakeSettings
from daemon.recording.terminal import LineProgress, TerminalPreview, has_colors, make_terminal_preview
from daemon.recording.view import TypedNumber, View
from daemon.recording.window import WindowPreview, has_screen


def view(time: float = 4.0, phase: Phase = Phase.RECORDING, **changes) -> View:
    values = {
        "label": "walking", "take": 1, "takes": 1, "phase": phase, "remaining": 16.0, "recorded": time,
        "track": 2, "wanted": None, "joints": 29, "rate": 14.9,
        "frame": Frame("record", 0, np.full((HEIGHT, WIDTH, 3), 90, np.uint8), 0.0, time),
        "scene": scene(time, person(1, time, (40, 100, 140, 400)), person(2, time, (300, 100, 420, 440))),
    }  # fmt: skip
    return View(**{**values, **changes})


# --- what it says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "recording walking: track 2, 29 of 33 joints, 16.0 s left, 15 frames/s"),
        ({"takes": 3}, "take 1 of 3, recording walking: track 2, 29 of 33 joints, 16.0 s left, 15 frames/s"),
        ({"remaining": None}, "recording walking: track 2, 29 of 33 joints, 4.0 s, 15 frames/s"),
        ({"track": None}, "recording walking: everyone, 16.0 s left, 15 frames/s"),
        ({"track": None, "rate": 0.0}, "recording walking: everyone, 16.0 s left"),
        ({"phase": Phase.COUNTDOWN, "remaining": 2.6}, "walking starts in 3 s; in the picture: 1, 2"),
        ({"phase": Phase.WAITING}, "waiting for the person; in the picture: 1, 2"),
        ({"phase": Phase.WAITING, "scene": scene(4.0)}, "waiting for the person"),
        (
            {"phase": Phase.COUNTDOWN, "remaining": 9, "wanted": 2, "scene": scene(4.0)},
            "walking of track 2 starts in 9 s",
        ),
        ({"phase": Phase.WAITING, "wanted": 7}, "waiting for track 7; in the picture: 1, 2"),
    ],
)
def test_the_status_is_one_line(changes, text):
    assert view(**changes).status() == text


def test_a_view_counts_the_joints_of_the_person_who_is_recorded():
    session = TakeSession(TakeSettings(seconds=5))
    for n in range(12):
        now = scene(
            n / 10, person(1, n / 10, (0, 240, 100, 2 * HEIGHT - 240)), person(2, n / 10, (9, 9, 20, 20))
        )
        session.add(n, now)
    frame = Frame("record", 0, np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0.0, 1.1)
    shown = View.of(session, frame, now, label="a", take=1, takes=1, rate=10.0)
    assert shown.track == 1
    # Two thirds of the body's height are below the picture, which begins at its top.
    assert shown.joints == 17
    assert shown.remaining == pytest.approx(3.9)


# --- skeletons of characters ----------------------------------------------------------------------------


def dots(lines: list[str]) -> np.ndarray:
    """(4 rows, 2 columns) of the picture inside its frame."""
    cells = [
        [ord(c) - 0x2800 if 0x2800 <= ord(c) < 0x2900 else 0 for c in line[1:-1]] for line in lines[1:-1]
    ]
    table = np.array(cells)
    bits = [[0, 3], [1, 4], [2, 5], [6, 7]]
    result = np.zeros((4 * table.shape[0], 2 * table.shape[1]), bool)
    for row, column in np.ndindex(4, 2):
        result[row::4, column::2] = table >> bits[row][column] & 1
    return result


def test_a_line_goes_through_its_points():
    canvas = Canvas(42, 22, 160, 160)
    canvas.line(np.array([0, 0]), np.array([159, 159]), 39)
    picture = dots(canvas.lines(color=False))
    assert picture.shape == (80, 80)
    np.testing.assert_array_equal(
        np.argwhere(picture), np.stack([np.arange(80)] * 2, axis=1)[: picture.sum()]
    )
    assert picture.sum() >= 79


@settings(max_examples=100)
@given(
    st.integers(10, 120), st.integers(6, 60), st.integers(16, 4000), st.integers(16, 4000),
    st.lists(st.floats(width=32), min_size=4, max_size=4),
)  # fmt: skip
def test_any_line_stays_inside(columns, rows, width, height, ends):
    canvas = Canvas(columns, rows, width, height)
    canvas.line(np.array(ends[:2]), np.array(ends[2:]), 39, thick=True)
    canvas.text(np.nan_to_num(np.array(ends[:2], np.float64)), "[12]")
    lines = canvas.lines(color=False)
    assert len(lines) <= rows
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) <= columns


def test_left_and_right_have_colours_and_others_are_grey():
    def codes(chosen: bool) -> set[int]:
        canvas = Canvas(60, 30, WIDTH, HEIGHT)
        draw_pose(canvas, landmarks((100, 50, 500, 450)), chosen=chosen)
        return {int(code) for code in re.findall(r"\x1b\[(\d+)m", "".join(canvas.lines(color=True)))}

    assert {LEFT, RIGHT} <= codes(True)
    assert codes(False) - {0} == {OTHERS}


def test_joints_that_are_not_visible_are_not_drawn():
    canvas = Canvas(60, 30, WIDTH, HEIGHT)
    draw_pose(canvas, landmarks((100, 50, 500, 450), visibility=0.2), chosen=True)
    assert not dots(canvas.lines(color=False)).any()


# --- on a terminal, and elsewhere -----------------------------------------------------------------------


def test_a_file_gets_a_line_at_each_beginning_and_every_five_seconds():
    stream = io.StringIO()
    progress = LineProgress(stream)
    for n in range(30):
        progress.show(view(phase=Phase.COUNTDOWN, remaining=3 - n / 10))
    for n in range(121):
        progress.show(view(recorded=n / 10, remaining=12 - n / 10))
    progress.show(view(phase=Phase.DONE))
    progress.close()
    assert [line.split("joints, ")[-1] for line in stream.getvalue().splitlines()] == [
        "walking starts in 3 s; in the picture: 1, 2",
        "12.0 s left, 15 frames/s",
        "7.0 s left, 15 frames/s",
        "2.0 s left, 15 frames/s",
    ]
    assert not progress.wants_to_end()


@pytest.mark.parametrize(
    ("environment", "colors"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "linux"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "vt100"}, False),
        ({"TERM": "xterm-m"}, False),
    ],
)
def test_colours_where_the_terminal_has_them(environment, colors):
    assert has_colors(environment) is colors


class Terminal:
    """A pseudo terminal: what a program writes to it, and keys."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        self.stream = os.fdopen(os.dup(self.slave), "w", encoding="utf-8")

    def written(self) -> str:
        self.stream.flush()
        os.set_blocking(self.master, False)
        text = b""
        while True:
            try:
                text += os.read(self.master, 65536)
            except BlockingIOError:
                return text.decode()

    def close(self) -> None:
        self.stream.close()
        os.close(self.slave)
        os.close(self.master)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    one = Terminal()
    yield one
    one.close()


def test_a_terminal_gets_skeletons_drawn_in_place(terminal):
    preview = TerminalPreview(terminal.stream, color=False, keys=False)
    preview.show(view())
    first = terminal.written()
    assert first.startswith("\x1b[?25l")
    lines = first.splitlines()
    assert "recording walking: track 2, 29 of 33 joints, 16.0 s left" in lines[-2]
    assert any("[1]" in line and "[2]" in line for line in lines)
    assert sum(character > "\u2800" for character in first) > 40
    assert "\x1b[36m" not in first
    preview.show(view(4.01))  # at once: nothing new
    assert terminal.written() == ""
    preview.show(view(phase=Phase.DONE))
    again = terminal.written()
    assert again.startswith(f"\r\x1b[{first.count(chr(10))}A")  # over the first one
    preview.release()  # the report of a take follows, which must stay
    preview.show(view(phase=Phase.DONE))
    assert terminal.written().startswith("\r\u250c")
    preview.close()
    assert terminal.written() == "\x1b[?25h"


def test_what_is_no_terminal_or_cannot_show_it_gets_lines(terminal, tmp_path):
    with (tmp_path / "log").open("w", encoding="utf-8") as file:
        assert isinstance(make_terminal_preview(file, {"TERM": "xterm"}), LineProgress)
    assert isinstance(make_terminal_preview(terminal.stream, {"TERM": "dumb"}), LineProgress)
    assert isinstance(make_terminal_preview(terminal.stream, {}), LineProgress)
    with os.fdopen(os.dup(terminal.slave), "w", encoding="latin-1") as stream:
        assert isinstance(make_terminal_preview(stream, {"TERM": "xterm"}), LineProgress)
    preview = make_terminal_preview(terminal.stream, {"TERM": "xterm"})
    assert isinstance(preview, TerminalPreview)
    preview.close()


def test_a_terminal_that_was_closed_ends_nothing(terminal):
    preview = TerminalPreview(terminal.stream, color=True, keys=False)
    terminal.stream.close()
    preview.show(view())
    preview.close()


# --- in a window ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """A screen that nobody sees; skips where there is no Xvfb or no tkinter."""
    pytest.importorskip("tkinter", reason="tkinter is not installed")
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("Xvfb is not installed")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(writer), "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
        pass_fds=(writer,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as numbers:
        yield f":{numbers.readline().strip()}"
    server.terminate()
    server.wait(10)


@pytest.fixture
def window(screen, monkeypatch) -> Iterator[WindowPreview]:
    monkeypatch.setenv("DISPLAY", screen)
    preview = WindowPreview("posewatch record: walking")
    yield preview
    preview.close()


def test_a_window_shows_the_picture_with_its_skeletons(window):
    window.show(view())
    image = window._image
    assert (image.width(), image.height()) == (WIDTH, HEIGHT)
    background = (90, 90, 90)
    assert tuple(image.get(5, 5)) == background
    drawn = {tuple(image.get(x, y)) for x in range(300, 420, 3) for y in range(100, 440, 3)}
    assert len(drawn - {background}) > 10
    assert "recording walking: track 2" in window._text.cget("text")
    assert not window.wants_to_end()


def test_a_large_picture_is_made_smaller(window):
    window.show(view(frame=Frame("record", 0, np.zeros((2160, 3840, 3), np.uint8), 0.0, 4.0)))
    assert (window._image.width(), window._image.height()) == (960, 540)


@pytest.mark.parametrize("key", ["<q>", "<Escape>"])
def test_a_key_in_the_window_ends(window, key):
    window.show(view())
    window._root.focus_force()
    window._root.update()
    window._root.event_generate(key)
    assert window.wants_to_end()


def test_a_number_typed_in_the_window_chooses(window):
    assert window.wanted_track() is None
    window.show(view(phase=Phase.COUNTDOWN, remaining=3))
    window._root.focus_force()
    window._root.update()
    for digit in "12":
        window._root.event_generate(f"<Key-{digit}>")
    window._root.update()
    assert window.wanted_track() == 12
    assert "type a number" in window._text.cget("text")


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        (["7"], 7),
        (["1", "2"], 12),
        (["12"], 12),
        (["x3y"], 3),
        (["0"], None),
        ([""], None),
        (["9" * 50], 9999),
    ],
)
def test_digits_make_a_number(typed, number):
    one = TypedNumber()
    for keys in typed:
        one.type(keys)
    assert one.number == number


def test_digits_that_are_far_apart_are_two_numbers(monkeypatch):
    one = TypedNumber()
    one.type("1")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1.5)
    one.type("2")
    assert one.number == 2


def test_closing_the_window_ends(window):
    window.show(view())
    window._root.tk.call(*window._root.tk.splitlist(window._root.protocol("WM_DELETE_WINDOW")))
    assert window.wants_to_end()


def test_a_window_that_is_gone_ends_without_an_error(window):
    window.show(view())
    window._root.destroy()
    window.show(view(5.0))
    assert window.wants_to_end()


def test_without_a_screen_there_is_no_window(monkeypatch):
    pytest.importorskip("tkinter", reason="tkinter is not installed")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    assert not has_screen({})
    assert has_screen({"DISPLAY": ":0"})
    with pytest.raises(UsageError, match="no screen"):
        WindowPreview("x")
    monkeypatch.setenv("DISPLAY", ":4711")
    started = time.monotonic()
    with pytest.raises(UsageError, match="no screen"):
        WindowPreview("x")
    assert time.monotonic() - started < 10
