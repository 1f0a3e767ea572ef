"""`posewatch record` as a user runs it: on files, on a real RTSP server, on a terminal, and interrupted."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from servers import RtspServer, free_port, silent_server, wait_for, write_clip

from classifier.recording import Recording, read_folder, read_recording
from daemon.capture import EndOfStream
from daemon.config import CameraConfig
from daemon.recording.frames import open_feed

pytestmark = pytest.mark.usefixtures("pose_model")
RATE = 10.0  # of the footage


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "daemon.cli", "record", *map(str, arguments)]


def record(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def _no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


# --- files ----------------------------------------------------------------------------------------------


def test_a_take_of_a_file_is_what_replay_reads(street: Path, tmp_path: Path) -> None:
    """The same detector, tracker and pose; read by training; nothing but landmarks."""
    done = record("--source", street, "--label", "Walking", "--seconds", 4, "--out", tmp_path / "takes")
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "takes") == {"WALKING.txt", "WALKING.json"}
    (take,) = read_folder(tmp_path / "takes")
    assert (take.label, take.rate, take.group, take.source) == ("walking", RATE, "street", "street.mp4")
    assert take.times[-1] - take.times[0] == pytest.approx(4.0, abs=0.11)
    config = tmp_path / "posewatch.yaml"
    config.write_text(
        "mqtt: {host: broker.invalid}\ncameras: {street: {url: rtsp://camera.invalid/street}}\n"
        "pose: {steady_rate: 0}\n"  # a recording has every frame
    )
    replay = [sys.executable, "-m", "daemon.cli", "replay", street, "-c", config, "--seconds", "6"]
    subprocess.run([*replay, "--landmarks", tmp_path / "all", "--quiet"], check=True, timeout=120)
    whole = read_recording(tmp_path / "all" / f"street-{take.track}" / "UNLABELLED.txt")
    frames = take.frames + whole.frames[0]
    kept = np.isin(whole.frames, frames)
    np.testing.assert_array_equal(whole.frames[kept], frames)
    np.testing.assert_allclose(whole.landmarks[kept], take.landmarks, atol=1e-4)
    # Everybody in the picture was there; the largest was taken.
    heights = {
        one.track: np.ptp(one.pixels[:10, :, 1], axis=1).mean()
        for one in read_folder(tmp_path / "all")
        if one.frames[0] < 10 and len(one.frames) > 20
    }
    assert heights[take.track] > np.median(list(heights.values()))


def test_takes_follow_each_other_and_nothing_is_replaced(street: Path, tmp_path: Path) -> None:
    arguments = ["--source", street, "--label", "WALKING", "--person", "ann", "--out", tmp_path]
    done = record(*arguments, "--seconds", 2, "--takes", 2)
    assert done.returncode == 0, done.stderr
    first = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert set(first) == {f"ann/{take}WALKING.{kind}" for take in ("", "take-2/") for kind in ("txt", "json")}
    one, two = (read_recording(tmp_path / "ann" / f"{take}WALKING.txt") for take in ("", "take-2/"))
    assert not np.array_equal(one.landmarks[:5], two.landmarks[:5])
    assert record(*arguments, "--frames", 9, "--quiet").returncode == 0
    assert files(tmp_path) - set(first) == {"ann/take-3/WALKING.txt", "ann/take-3/WALKING.json"}
    assert {name: (tmp_path / name).read_bytes() for name in first} == first
    assert len(read_recording(tmp_path / "ann" / "take-3" / "WALKING.txt").frames) == 9
    assert {take.group for take in read_folder(tmp_path)} == {"ann"}


def test_everyone_gets_a_take(street: Path, tmp_path: Path) -> None:
    done = record("--source", street, "--label", "WALKING", "--all", "--seconds", 3, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    takes = read_folder(tmp_path)
    assert len(takes) >= 3
    assert len({take.track for take in takes}) == len(takes)
    assert {take.group for take in takes} == {"street"}
    assert done.stdout.count("verdict") + done.stdout.count("advice") == len(takes)


def test_a_chosen_track_and_the_report(street: Path, tmp_path: Path) -> None:
    done = record("--source", street, "--label", "WALKING", "--track", 2, "--seconds", 3, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    take = read_recording(tmp_path / "WALKING.txt")
    assert take.track == "2"
    assert done.stdout.startswith(f"{tmp_path / 'WALKING.txt'}: track 2\n")
    assert "early" not in done.stdout
    for word in ("frames", "missed", "body", "joints", "jitter"):
        assert re.search(rf"^  {word} ", done.stdout, re.MULTILINE), done.stdout
    side = json.loads((tmp_path / "WALKING.json").read_text())
    assert side["quality"]["frames"] == len(take.frames)
    assert side["quality"]["rate"] == pytest.approx(RATE, abs=1.5)
    # Elsewhere than on a terminal there are lines of progress and no drawings.
    assert "\x1b" not in done.stderr
    assert "recording walking: track 2" in done.stderr


@pytest.fixture(scope="module")
def uneven(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty seconds of the footage with its frames at uneven times."""
    path = tmp_path_factory.mktemp("uneven") / "uneven.mp4"
    times = np.cumsum(np.random.default_rng(3).choice([70, 100, 190, 260], 200)).tolist()
    with av.open(str(footage)) as reader, av.open(str(path), "w") as writer:
        stream = writer.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 768, 576, "yuv420p"
        stream.options = {"preset": "veryfast", "bf": "0", "g": "10"}
        stream.codec_context.time_base = Fraction(1, 1000)
        for frame, when in zip(reader.decode(video=0), times, strict=False):
            picture = frame.reformat(768, 576, "yuv420p")
            picture.pts, picture.time_base = when, Fraction(1, 1000)
            picture.pict_type = av.video.frame.PictureType.NONE
            writer.mux(stream.encode(picture))
        writer.mux(stream.encode())
    return path


@pytest.mark.parametrize("live", [False, True])
def test_a_variable_rate_gives_true_times(uneven: Path, tmp_path: Path, live: bool) -> None:
    arguments = ["--label", "WALKING", "--seconds", 4, "--all", "--out", tmp_path]
    if live:
        with RtspServer(uneven.parent) as server:
            done = record("--source", server.url(uneven.name), "--countdown", 1, *arguments)
    else:
        done = record("--source", uneven, *arguments)
    assert done.returncode == 0, done.stderr
    with av.open(str(uneven)) as container:
        real = np.array([float(frame.time) for frame in container.decode(video=0)])
    assert len(np.unique(np.round(np.diff(real), 2))) >= 4
    takes = read_folder(tmp_path)
    for take in takes:
        # A take begins with one of the frames: its times are those of the frames from there on.
        starts = take.times[None] + real[:, None]
        errors = np.abs(real[None, None] - starts[:, :, None]).min(axis=2).max(axis=1)
        assert errors.min() <= 0.0101
    assert max(len(take.frames) for take in takes) > 12


def test_a_window_where_there_is_a_screen(
    street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tkinter", reason="tkinter is not installed")
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    reader, writer = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1024x768x24"],
        pass_fds=(writer,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as number:
            monkeypatch.setenv("DISPLAY", f":{number.readline().strip()}")
        done = record("--source", street, "--label", "WALKING", "--window", "--seconds", 2, "--out", tmp_path)
        assert done.returncode == 0, done.stderr
        assert files(tmp_path) == {"WALKING.txt", "WALKING.json"}
    finally:
        screen.kill()
        screen.wait(10)


# --- nothing to record ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "what"),
    [
        (
            ["--track", "99"],
            1,
            "nothing was recorded: track 99 was not seen (the source ended): seen were 1, 2",
        ),
        (["--countdown", "60"], 1, "nothing was recorded: the take did not begin (the source ended)"),
        (["--label", "!!"], 2, "--label '!!': needs letters"),
        (["--person", "../ann"], 2, "--person '../ann': must be"),
        (["--track", "0"], 2, "must be a whole number above 0"),
        (["--track", "1", "--all"], 2, "not allowed with argument"),
        (["--seconds", "-1"], 2, "must be a number above 0"),
        (["--camera", "hall"], 2, "--camera needs -c FILE"),
        (["--window"], 2, "--window"),
    ],
)
def test_nothing_is_written_and_one_line_says_why(
    street: Path, tmp_path: Path, arguments: list[str], status: int, what: str
) -> None:
    out = tmp_path / "takes"
    done = record("--source", street, "--label", "WALKING", "--out", out, *arguments)
    assert done.returncode == status
    assert what in done.stderr.splitlines()[-1]
    assert not out.exists()


def test_a_source_without_people_or_without_a_picture(tmp_path: Path) -> None:
    write_clip(tmp_path / "square.mp4", seconds=2.0)
    (tmp_path / "text.mp4").write_text("no video")
    with silent_server() as port:
        sources = {
            str(tmp_path / "square.mp4"): (1, "nobody was seen (the source ended)"),
            str(tmp_path / "text.mp4"): (1, "not a video that can be decoded"),
            str(tmp_path / "nowhere.mp4"): (1, "no such file"),
            f"rtsp://viewer:s3cret@127.0.0.1:{free_port()}/hall": (1, "rtsp://***@127.0.0.1"),
            f"http://viewer:s3cret@127.0.0.1:{port}": (1, "http://***@127.0.0.1"),
            "ftp://viewer:s3cret@127.0.0.1/x": (2, "ftp:// is not supported"),
            "/dev/video77": (1, "is the webcam plugged in?"),
        }
        for source, (status, what) in sources.items():
            done = record("--source", source, "--label", "WALKING", "--out", tmp_path / "takes")
            assert (done.returncode, what in done.stderr) == (status, True), (source, done.stderr)
            assert done.stderr.splitlines()[-1].startswith("posewatch: ")
            assert "s3cret" not in done.stdout + done.stderr
            assert "Traceback" not in done.stderr
    assert not (tmp_path / "takes").exists()


# --- cameras --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clips(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of the footage, as a camera would send it."""
    from daemon.demo.servers import transcode

    folder = tmp_path_factory.mktemp("camera")
    transcode(footage, folder / "street.mp4", seconds=60.0)
    return folder


@pytest.fixture
def server(clips: Path) -> Iterator[RtspServer]:
    with RtspServer(clips) as running:
        yield running


def true_times(take: Recording) -> bool:
    """Whether every step is a whole number of the camera's frames, give or take a hundredth of a second."""
    frames = np.diff(take.times) * RATE
    return bool(np.abs(frames - np.round(frames)).max() <= 0.25)


def test_a_camera_is_recorded_after_the_countdown(server: RtspServer, tmp_path: Path) -> None:
    url = server.url("street.mp4", "viewer:s3cret")
    started = time.monotonic()
    # Everyone, because on a busy machine who is lost in the crowd differs from run to run.
    done = record("--source", url, "--label", "WALKING", "--countdown", 2, "--seconds", 4, "--all",
                  "--out", tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started > 6
    assert "walking starts in 2 s" in done.stderr
    takes = read_folder(tmp_path)
    assert max(take.times[-1] - take.times[0] for take in takes) == pytest.approx(4.0, abs=0.5)
    assert all(true_times(take) for take in takes)
    assert {take.source for take in takes} == {server.url("street.mp4", "***")}
    assert {take.group for take in takes} == {"somebody"}
    written = done.stdout + done.stderr + "".join((tmp_path / name).read_text() for name in files(tmp_path))
    assert "s3cret" not in written


def test_frames_that_come_while_the_machine_is_busy_have_a_number(server: RtspServer) -> None:
    with open_feed("door", CameraConfig(url=server.url("street.mp4"))) as feed:
        frames = []
        while len(frames) < 4:
            frame = feed.read()
            if frame is not None:
                frames.append(frame)
                wait_for(lambda: feed._newest is not None and feed._newest[0] >= frames[-1].index + 3)
    steps = np.diff([frame.index for frame in frames])
    assert (steps >= 3).all()
    np.testing.assert_allclose(np.diff([frame.monotonic for frame in frames]), steps / RATE, atol=0.01)


class Live:
    """A recording that runs; what it says is read as it comes."""

    def __init__(self, *arguments: object) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_interruptible,
        )

    def wait_for(self, text: str) -> None:
        """Reads what it says from now on until then."""
        assert self.process.stderr is not None
        self.lines.append("")
        while text not in self.lines[-1]:
            assert select.select([self.process.stderr], [], [], 60.0)[0], self.lines
            line = self.process.stderr.readline().decode()
            assert line, (self.lines, self.process.wait(10))
            self.lines.append(line)

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out.decode(), "".join(self.lines) + err.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_was_recorded_until_an_interrupt_is_kept(
    server: RtspServer, tmp_path: Path, number: signal.Signals
) -> None:
    """Everyone is recorded: on a busy machine one person may be lost in the crowd before that."""
    url = server.url("street.mp4")
    live = Live("--source", url, "--label", "WALKING", "--seconds", 50, "--countdown", 0, "--takes", 3,
                "--all", "--out", tmp_path)  # fmt: skip
    live.wait_for("recording walking")
    live.wait_for("recording walking")  # five seconds later
    live.process.send_signal(number)
    status, out, err = live.end()
    assert status == 0, err
    assert "ended early: stopped" in out
    assert {Path(name).name for name in files(tmp_path)} == {"WALKING.txt", "WALKING.json"}
    assert 2 < max(take.times[-1] - take.times[0] for take in read_folder(tmp_path)) < 30


def test_an_interrupt_before_the_take_leaves_nothing(server: RtspServer, tmp_path: Path) -> None:
    live = Live("--source", server.url("street.mp4"), "--label", "A", "--countdown", 50, "--out", tmp_path)
    live.wait_for("starts in")
    live.process.send_signal(signal.SIGINT)
    status, out, err = live.end()
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == "posewatch: nothing was recorded: the take did not begin (stopped)"
    assert files(tmp_path) == set()


def test_a_camera_that_dies_leaves_what_was_recorded(server: RtspServer, tmp_path: Path) -> None:
    live = Live("--source", server.url("street.mp4"), "--label", "WALKING", "--seconds", 50, "--countdown", 0,
                "--all", "--out", tmp_path)  # fmt: skip
    live.wait_for("recording walking")
    live.wait_for("recording walking")
    server.kill()
    status, out, err = live.end()
    assert status == 0, err
    assert "ended early: " in out
    assert max(take.times[-1] - take.times[0] for take in read_folder(tmp_path)) > 2


class OnTerminal:
    """A recording on a terminal of its own."""

    def __init__(self, *arguments: object) -> None:
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.text = b""
        self.process = subprocess.Popen(
            command(*arguments),
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"},
            preexec_fn=_own_terminal,
        )

    def wait_for(self, pattern: bytes, count: int = 1) -> None:
        while len(re.findall(pattern, self.text)) < count:
            assert select.select([self.master], [], [], 60.0)[0], self.text
            self.text += os.read(self.master, 65536)

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> str:
        while self.process.poll() is None:
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 65536)
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 65536)
        assert termios.tcgetattr(self.slave) == self.before
        os.close(self.master)
        os.close(self.slave)
        return self.text.decode()


def test_a_key_on_the_terminal_ends_and_the_terminal_is_as_before(server: RtspServer, tmp_path: Path) -> None:
    terminal = OnTerminal("--source", server.url("street.mp4"), "--label", "WALKING", "--seconds", 50,
                          "--countdown", 0, "--all", "--out", tmp_path)  # fmt: skip
    terminal.wait_for(rb"recording walking: everyone, [\d.]+ s left", 15)
    terminal.press(b"q")
    shown = terminal.end()
    assert terminal.process.returncode == 0, shown
    assert sum("\u2800" < character <= "\u28ff" for character in shown) > 200
    assert "(q ends)" in shown
    assert re.search(r"\x1b\[3[36]m", shown)
    assert {take.label for take in read_folder(tmp_path)} == {"walking"}


def test_a_number_typed_during_the_countdown_chooses_the_person(server: RtspServer, tmp_path: Path) -> None:
    terminal = OnTerminal("--source", server.url("street.mp4"), "--label", "WALKING", "--seconds", 50,
                          "--countdown", 12, "--out", tmp_path)  # fmt: skip
    terminal.wait_for(rb"starts in \d+ s; in the picture: ")
    terminal.press(b"77")
    terminal.wait_for(rb"walking of track 77 starts in \d+ s")
    terminal.wait_for(rb"waiting for track 77; in the picture: ")
    terminal.press(b"q")
    shown = terminal.end()
    assert terminal.process.returncode == 1, shown
    assert "nothing was recorded: track 77 was not seen (stopped): seen were " in shown
    assert files(tmp_path) == set()


def _interruptible() -> None:
    """Tests that run in the background of a shell inherit that interrupts are ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _own_terminal() -> None:
    """Makes standard input the terminal of the new session, as a shell's is."""
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_the_settings_and_the_login_of_a_configured_camera(server: RtspServer, tmp_path: Path) -> None:
    config = tmp_path / "posewatch.yaml"
    config.write_text(
        "mqtt: {host: broker.invalid}\n"
        f"cameras: {{hall: {{url: '{server.url('street.mp4')}', username: viewer, password: s3cret}}}}\n"
    )
    out = tmp_path / "takes"
    done = record("-c", config, "--label", "WALKING", "--countdown", 0, "--seconds", 2, "--all", "--out", out)
    assert done.returncode == 0, done.stderr
    assert {take.source for take in read_folder(out)} == {server.url("street.mp4")}
    written = "".join(path.read_text() for path in out.rglob("*.json"))
    assert "s3cret" not in done.stdout + done.stderr + written


def test_a_file_ends(tmp_path: Path) -> None:
    write_clip(tmp_path / "square.mp4", seconds=0.2)
    with open_feed("door", CameraConfig(url=str(tmp_path / "square.mp4"))) as feed:
        for number in range(3):
            frame = feed.read()
            assert frame is not None
            assert frame.index == number
        with pytest.raises(EndOfStream):
            feed.read()
