"""Videos from strangers: `posewatch replay` ends soon and small, and opens nothing but the file."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hostile import Forker
from hostile_videos import MADE, PLAYLISTS, damaged_video, write_video

from daemon.opening import MAX_PIXELS
from daemon.sources import CaptureError, EndOfStream, Reason, open_source

SLOW = 60.0
CONFIG = "rules: {}\ncameras: {door: {url: a.mp4}}\n"


@contextmanager
def web_server(content: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Gives the same to whoever asks; yields its port and the first words of who called."""
    calls: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                calls.append(client.recv(1000))
                head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(content)}\r\n\r\n"
                client.sendall(head.encode() + content)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield int(listener.getsockname()[1]), calls
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pose_model: Path) -> Path:
    assert pose_model.is_file()
    folder = tmp_path_factory.mktemp("videos")
    (folder / "posewatch.yaml").write_text(CONFIG)
    for name in ("other.mp4", "clip.ts"):
        write_video(folder / name)
    return folder


@pytest.fixture(scope="module")
def forker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    with Forker(tmp_path_factory.mktemp("said"), timeout=SLOW, memory=1_000_000_000) as forker:
        yield forker


@pytest.mark.parametrize("name", PLAYLISTS)
def test_no_file_makes_another_one_opened_or_calls_anybody(folder: Path, name: str) -> None:
    suffix, text = PLAYLISTS[name]
    path = folder / f"hostile{suffix}"
    with web_server((folder / "other.mp4").read_bytes()) as (port, calls):
        here = f"127.0.0.1:{port}"
        for url in (
            f"http://{here}/a.mp4", f"tcp://{here}", f"rtsp://{here}/a",
            "other.mp4", "clip.ts", "/etc/passwd",
            str(folder / "other.mp4"), f"file://{folder}/other.mp4", "subfile,,start,0,end,0,,:x",
        ):  # fmt: skip
            path.write_text(text.format(url=url, host="127.0.0.1", port=port))
            with pytest.raises(CaptureError) as refused:
                open_source(str(path))
            assert refused.value.reason is Reason.CODEC
            assert "\n" not in str(refused.value)
        assert not calls


@pytest.mark.parametrize("name", MADE)
def test_what_is_no_video(forker: Forker, folder: Path, name: str) -> None:
    suffix, make = MADE[name]
    path = folder / f"made{suffix}"
    path.write_bytes(make())
    ran = forker.run("replay", path, "-c", folder / "posewatch.yaml", "--quiet")
    assert not ran.complaint(statuses=(0, 1))
    assert ran.status == 1 or "rate" in name
    assert len(ran.err.splitlines()) <= 1


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".ts", ".webm"])
def test_damaged_videos(forker: Forker, folder: Path, suffix: str) -> None:
    content = write_video(folder / f"good{suffix}").read_bytes()
    path = folder / f"damaged{suffix}"
    for seed in range(6):
        path.write_bytes(damaged_video(content, Random(seed)))
        ran = forker.run("replay", path, "-c", folder / "posewatch.yaml", "--quiet")
        assert not ran.complaint(statuses=(0, 1)), seed


def test_a_frame_that_claims_gigabytes_is_refused(folder: Path) -> None:
    head = b"YUV4MPEG2 W16000 H16000 F5:1 C420\nFRAME\n"
    path = folder / "large.y4m"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + 16_000 * 16_000 * 3 // 2)  # takes no room on the disk
    assert MAX_PIXELS < 16_000 * 16_000
    with pytest.raises(CaptureError) as refused:
        open_source(str(path)).grab()
    assert refused.value.reason is Reason.CODEC


def test_what_a_camera_sends_over_http_opens_no_file(folder: Path) -> None:
    for text in (PLAYLISTS["playlist"][1], PLAYLISTS["concat"][1], PLAYLISTS["playlist with a key"][1]):
        content = text.format(url=f"file://{folder}/other.mp4").encode()
        with web_server(content) as (port, calls):
            with pytest.raises(CaptureError):
                open_source(f"http://127.0.0.1:{port}/live.m3u8", open_timeout=5.0, read_timeout=5.0).grab()
            assert calls
    with web_server((folder / "clip.ts").read_bytes()) as (port, _):
        source = open_source(f"http://127.0.0.1:{port}/live.ts", open_timeout=5.0, read_timeout=5.0)
        assert source.grab().image().shape == (96, 128, 3)  # an honest one is read
        source.close()


def test_good_videos_are_read_to_their_end(folder: Path) -> None:
    for suffix in (".mp4", ".avi", ".mkv", ".ts", ".webm"):
        source, count = open_source(str(write_video(folder / f"whole{suffix}"))), 0
        with contextlib.suppress(EndOfStream):
            while source.grab():
                count += 1
        assert count == 20, suffix
