"""Capture against a real RTSP server that is killed, restarted and silent."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import RtspServer, free_port, silent_server, wait_for, write_clip

from daemon.capture import Camera, CameraState, CameraStatus, CaptureError, EndOfStream, FrameReader, Reason
from daemon.config import CameraConfig

RATE, SECONDS = 15, 4


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "door.mp4", seconds=SECONDS, rate=RATE)
    return folder


@pytest.fixture
def server(clips: Path) -> Iterator[RtspServer]:
    with RtspServer(clips) as running:
        yield running


def settings(url: str, **changes: Any) -> CameraConfig:
    quick = {
        "open_timeout": "3s",
        "read_timeout": "1s",
        "reconnect": {"min": "100ms", "max": "300ms"},
        "fps": 60,
    }
    return CameraConfig.model_validate({"url": url, **quick, **changes})


class Watched:
    """A camera whose states are noted, and that is stopped at the end of the block."""

    def __init__(self, config: CameraConfig) -> None:
        self.camera = Camera("door", config)
        self.states: list[CameraStatus] = []
        self.camera.on_status = lambda _, status: self.states.append(status)

    def __enter__(self) -> Watched:
        self.camera.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.camera.stop()

    def saw(self, state: CameraState, reason: Reason | None = None) -> bool:
        return any(s.state is state and (reason is None or s.reason is reason) for s in self.states)

    def streaming(self) -> bool:
        return self.camera.status.state is CameraState.STREAMING


def frame_number(image: np.ndarray) -> int:
    """The number that write_clip drew into the bottom rows."""
    return round(float(image[-20:].mean())) - 28


def test_streams_frames_with_growing_times(server: RtspServer) -> None:
    with Watched(settings(server.url("door.mp4"))) as watched:
        frames = []
        wait_for(lambda: ((frame := watched.camera.take()) and frames.append(frame)) or len(frames) >= 20)
    assert frames[0].image.shape == (240, 320, 3)
    assert frames[0].image.dtype == np.uint8
    assert frames[0].camera == "door"
    steps = np.diff([frame.monotonic for frame in frames])
    numbers = np.diff([frame.index for frame in frames])
    assert (steps > 0).all()
    # The server's own spacing, not the network's: one frame period a frame.
    assert float(np.median(steps / numbers)) == pytest.approx(1 / RATE, abs=0.01)
    assert abs(frames[-1].captured_at - time.time()) < 5
    assert abs(frames[-1].monotonic - time.monotonic()) < 5


def test_the_rate_is_told_once_it_is_known(clips: Path) -> None:
    """By a clock that runs a hundred times as fast: the file is not played in its own time."""
    start = time.monotonic()
    camera = Camera(
        "door",
        settings(str(clips / "door.mp4"), realtime=False, loop=True),
        monotonic=lambda: start + 100 * (time.monotonic() - start),
    )
    told: list[CameraStatus] = []
    camera.on_status = lambda _, status: told.append(status)
    camera.start()
    wait_for(lambda: any(status.fps > 0 for status in told), what="the rate")
    camera.stop()
    states = [status.state for status in told]
    assert states[:2] == [CameraState.CONNECTING, CameraState.STREAMING]
    rated = next(status for status in told if status.fps > 0)
    assert rated.state is CameraState.STREAMING
    assert rated.since == told[1].since  # since when it streams, not since when the rate is known
    assert told[-1].state is CameraState.DISABLED


def test_comes_back_after_the_server_was_killed(server: RtspServer) -> None:
    with Watched(settings(server.url("door.mp4"))) as watched:
        wait_for(watched.streaming)
        server.kill()
        wait_for(lambda: not watched.streaming(), what="noticing the loss")
        wait_for(lambda: watched.saw(CameraState.CONNECTING, Reason.NETWORK), what="the reason")
        server.start()
        wait_for(watched.streaming, what="streaming again")
        watched.camera.take()
        wait_for(watched.camera.take, what="a fresh frame")


def test_only_the_newest_frame_is_kept(server: RtspServer) -> None:
    with Watched(settings(server.url("door.mp4"))) as watched:
        camera = watched.camera
        wait_for(lambda: camera.frames_in >= 20)
        frame = camera.take()
        assert frame is not None
        assert frame.index >= 19  # not the first one, which waited
        assert camera.frames_dropped >= 19
        assert frame_number(frame.image) == pytest.approx(frame.index, abs=3)


def test_a_silent_server_is_a_timeout_in_time() -> None:
    with (
        silent_server() as port,
        Watched(settings(f"rtsp://127.0.0.1:{port}/x", open_timeout="500ms")) as watched,
    ):
        started = time.monotonic()
        wait_for(lambda: watched.saw(CameraState.CONNECTING, Reason.TIMEOUT))
        assert 0.3 < time.monotonic() - started < 5.0


def test_a_stream_that_freezes_is_stalled(server: RtspServer) -> None:
    """The connection stays open and nothing comes any more: a relay that stops forwarding."""
    with Relay(server.port) as relay:
        url = f"rtsp://127.0.0.1:{relay.port}/door.mp4"
        with Watched(settings(url)) as watched:
            wait_for(lambda: watched.camera.frames_in > 5)
            relay.frozen.set()
            frozen_at = time.monotonic()
            wait_for(lambda: watched.saw(CameraState.STALLED, Reason.TIMEOUT), what="the stall")
            assert time.monotonic() - frozen_at < 4.0  # read_timeout is 1 s
            assert watched.camera.status.fps == 0.0
            relay.frozen.clear()
            wait_for(watched.streaming, what="streaming after the stall")


@pytest.mark.parametrize(
    ("make_url", "reason"),
    [
        (lambda server: server.url("nowhere.mp4"), Reason.NOT_FOUND),
        (lambda server: f"rtsp://127.0.0.1:{free_port()}/x", Reason.NETWORK),  # noqa: ARG005
    ],
)
def test_reasons(server: RtspServer, make_url: Any, reason: Reason) -> None:
    with Watched(settings(make_url(server))) as watched:
        wait_for(lambda: watched.saw(CameraState.CONNECTING, reason))
    assert not watched.saw(CameraState.STREAMING)


def test_credentials_reach_neither_errors_nor_logs(
    server: RtspServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.url("nowhere.mp4", login="admin:s3cret")
    with pytest.raises(CaptureError) as caught:
        FrameReader("door", url)
    assert "s3cret" not in str(caught.value)
    assert "nowhere.mp4" in str(caught.value)
    with caplog.at_level(logging.DEBUG), Watched(settings(url)) as watched:
        wait_for(lambda: watched.saw(CameraState.CONNECTING, Reason.NOT_FOUND))
    assert "camera_lost" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_camera_that_stays_away_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    url = f"rtsp://127.0.0.1:{free_port()}/x"
    reconnect = {"min": "50ms", "max": "50ms"}
    with caplog.at_level(logging.DEBUG), Watched(settings(url, reconnect=reconnect)):
        wait_for(lambda: sum("camera_lost" in line for line in caplog.messages) > 5)
    said = [one for one in caplog.records if "camera_lost" in one.message]
    assert [one.levelno for one in said[:5]] == [logging.WARNING] + 4 * [logging.DEBUG]
    assert "reason=network attempt=1 retry_in=0.0s error=" in said[0].message


def test_stop_returns_while_the_camera_is_silent() -> None:
    with silent_server() as port:
        camera = Camera("door", settings(f"rtsp://127.0.0.1:{port}/x", open_timeout="5s"))
        camera.start()
        wait_for(lambda: camera.status.state is CameraState.CONNECTING)
        started = time.monotonic()
        camera.stop(timeout=0.5)
        assert time.monotonic() - started < 1.5
        assert camera.status.state is CameraState.DISABLED
        assert camera.take() is None


def test_fps_limit_holds_and_wakes_only_for_kept_frames(clips: Path) -> None:
    woken: list[float] = []
    watched = Watched(settings(str(clips / "door.mp4"), fps=5, realtime=False))
    watched.camera.on_frame = lambda: woken.append(time.monotonic())
    with watched:
        wait_for(lambda: watched.saw(CameraState.DISABLED, Reason.ENDED))
    assert watched.camera.frames_in == SECONDS * RATE
    assert len(woken) == pytest.approx(SECONDS * 5, abs=1)


def test_a_looped_file_never_ends_and_its_time_goes_on(clips: Path) -> None:
    with Watched(settings(str(clips / "door.mp4"), loop=True, realtime=False)) as watched:
        wait_for(lambda: watched.camera.frames_in > 3 * SECONDS * RATE)
        frame = watched.camera.take()
    assert frame is not None
    assert frame.index >= 2 * SECONDS * RATE
    assert not watched.saw(CameraState.DISABLED, Reason.ENDED)


def test_a_file_in_real_time_takes_its_time(clips: Path) -> None:
    with Watched(settings(str(clips / "door.mp4"))) as watched:
        started = time.monotonic()
        wait_for(lambda: watched.camera.frames_in >= 2 * RATE)
        assert time.monotonic() - started >= 1.8


def test_reader_gives_every_frame_at_the_same_times_every_run(clips: Path) -> None:
    def read() -> list[tuple[int, float, float, int]]:
        rows = []
        with FrameReader("door", str(clips / "door.mp4"), start_time=1000.0) as reader:
            assert reader.rate == pytest.approx(RATE)
            while True:
                try:
                    frame = reader.read()
                except EndOfStream:
                    return rows
                rows.append((frame.index, frame.captured_at, frame.monotonic, hash(frame.image.tobytes())))

    first, second = read(), read()
    assert first == second
    assert [row[0] for row in first] == list(range(SECONDS * RATE))
    assert first[0][1:3] == (1000.0, 0.0)
    np.testing.assert_allclose([row[2] for row in first], np.arange(SECONDS * RATE) / RATE, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, Reason.NOT_FOUND), (b"", Reason.CODEC), (b"not a video" * 100, Reason.CODEC)],
)
def test_bad_files_say_why(tmp_path: Path, content: bytes | None, reason: Reason) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CaptureError, match=r"clip\.mp4") as caught:
        FrameReader("door", str(path))
    assert caught.value.reason is reason
    assert "\n" not in str(caught.value)


class Relay:
    """A TCP relay to a local port that can stop forwarding while it keeps its connections."""

    def __init__(self, target: int) -> None:
        import socket

        self._socket = socket
        self._target = target
        self.frozen = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for item in (self._listener, *self._open):
            item.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                upstream = self._socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._open += [client, upstream]
            for a, b in ((client, upstream), (upstream, client)):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _pump(self, source: Any, target: Any) -> None:
        try:
            while data := source.recv(65536):
                if self.frozen.is_set():
                    # This connection is dead for good; those made after the thaw work.
                    while source.recv(65536):
                        pass
                    return
                target.sendall(data)
        except OSError:
            return
        target.close()
