"""`posewatch check` on configurations that nobody should write: it ends soon, and says why in a line."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import Forker
from hostile_configs import CAMERA, CONFIGS, PLACES, SECRET, SECRETS

SLOW = 30.0  # seconds on a machine that has no time; a second on an idle one
SMALL = 300_000_000  # bytes, of which Python with everything imported has a third


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that is no file."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "good").write_text(SECRET)
    (folder / "binary").write_bytes(bytes(range(256)) * 4)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "zero").symlink_to("/dev/zero")
    for name in ("big", "huge"):
        with (folder / name).open("wb") as file:
            file.truncate(10 << 30)  # takes no room
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    return folder


@pytest.fixture(scope="module")
def forker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    with Forker(tmp_path_factory.mktemp("said"), timeout=SLOW) as forker:
        yield forker


def check(forker: Forker, folder: Path, path: Path | str) -> str:
    ran = forker.run("check", "-c", path, HOSTILE_SECRET=SECRET, CREDENTIALS_DIRECTORY=str(folder))
    assert not ran.complaint(statuses=(0, 2))
    assert ran.peak < SMALL
    assert SECRET not in ran.err
    assert SECRET not in ran.out
    assert (ran.status == 0) == (not ran.err)
    return ran.err


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations(forker: Forker, folder: Path, name: str) -> None:
    content = CONFIGS[name]
    text = content() if callable(content) else content
    path = folder / "posewatch.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    for line in check(forker, folder, path).splitlines():
        assert line.removeprefix("posewatch: ").startswith(str(path))
        assert line.isprintable()


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_that_are_no_files(forker: Forker, folder: Path, name: str) -> None:
    path = folder / "posewatch.yaml"
    path.write_text(f"mqtt: {{password: !secret {name}}}\n{CAMERA}")
    assert f"mqtt.password: secret '{name}'" in check(forker, folder, path)


@pytest.mark.parametrize("name", PLACES)
def test_configurations_that_are_no_files(forker: Forker, folder: Path, name: str) -> None:
    path = folder / name  # an absolute name stays as it is
    assert check(forker, folder, path).startswith(f"posewatch: {path}: ")


def test_the_watch_itself_sees_what_hangs_and_what_grows(forker: Forker, folder: Path) -> None:
    """A pipe without a writer as the video of a replay hangs; the test of that must not pass for it."""
    ran = forker.run("events", "--state", folder / "folder", "--follow", timeout=0.5)
    assert ran.hung or ran.status == 2
