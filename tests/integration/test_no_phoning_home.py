"""Nothing is reached but the configured camera and broker: every attempt of every thread is recorded."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from connections import UNAVAILABLE, contacts, traced
from listening import Listener
from servers import Broker, RtspServer, wait_for

from daemon.demo.servers import transcode
from tracker.store import cache_folder

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason=str(UNAVAILABLE))

CONFIG = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: posewatch-test}}
storage: {{path: state}}
stats_interval: 1s
pose: {{backend: {backend}}}
cameras:
  street: {{url: "{url}", fps: 5}}
"""
SLOW = 90.0  # seconds to wait for what takes a few on an idle machine; strace makes a start slower


def needs(module: str, extra: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        find_spec(module) is None, reason=f"{module} is not installed: pip install 'posewatch[{extra}]'"
    )


backends = pytest.mark.parametrize(
    "backend", ["onnx", pytest.param("mediapipe", marks=needs("mediapipe", "mediapipe"))]
)


def posewatch(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "daemon.cli", *map(str, arguments)]


def write_config(
    folder: Path, backend: str = "onnx", port: int = 1, url: str = "rtsp://127.0.0.1:1/x"
) -> Path:
    path = folder / "posewatch.yaml"
    path.write_text(CONFIG.format(port=port, backend=backend, url=url))
    return path


def surroundings(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a service: libraries keep quiet where they see CI or a switch of a developer's.

    The home and the folder of temporary files are new ones in `folder`, so that what is left there is seen.
    """
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    places = {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "CACHE_DIRECTORY": str(cache_folder()),
    }
    return {**kept, **places, **more}


def left_behind(folder: Path) -> list[str]:
    """Files in the home and the folder of temporary files."""
    found = (path for name in ("home", "tmp") for path in (folder / name).rglob("*") if path.is_file())
    return sorted(str(path.relative_to(folder)) for path in found)


def run_traced(
    folder: Path, command: list[str], **environment: str
) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Runs a command to its end; what came of it and whom it tried to reach."""
    record = folder / "record"
    done = subprocess.run(
        traced(record, command),
        env=surroundings(folder, **environment),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
    )
    return done, contacts(record)


ATTEMPTS = {
    "tcp": "s = socket.socket(); s.setblocking(False); s.connect_ex(('192.0.2.1', 443))",
    "udp": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'usage', ('192.0.2.2', 123))",
    "udp by message": "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('192.0.2.3', 1))",
    "ipv6": "s = socket.socket(socket.AF_INET6); s.setblocking(False); s.connect_ex(('2001:db8::1', 443))",
    "local service": "socket.socket(socket.AF_UNIX).connect_ex('/run/reporter')",
    "listening": "socket.create_server(('0.0.0.0', 0))",
    "listening to packets": "socket.socket(type=socket.SOCK_DGRAM).bind(('0.0.0.0', 0))",
}
SEEN = {
    "tcp": "192.0.2.1:443",
    "udp": "192.0.2.2:123",
    "udp by message": "192.0.2.3:1",
    "ipv6": "[2001:db8::1]:443",
    "local service": "unix /run/reporter",
    "listening": "listen 0.0.0.0:",
    "listening to packets": "listen 0.0.0.0:",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_an_attempt_is_recorded_even_of_a_thread_of_a_child_process(attempt: str, tmp_path: Path) -> None:
    if attempt == "ipv6":
        try:
            socket.socket(socket.AF_INET6).close()
        except OSError:
            pytest.skip("this kernel has no IPv6")
    work = f"import socket, threading\ndef work():\n    {ATTEMPTS[attempt]}\n"
    child = f"{work}thread = threading.Thread(target=work)\nthread.start()\nthread.join()\n"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}], check=True)"

    done, reached = run_traced(tmp_path, [sys.executable, "-c", parent])

    assert done.returncode == 0, done.stderr
    (contact,) = reached
    assert contact.startswith(SEEN[attempt])


def test_what_stays_within_a_process_is_no_contact(tmp_path: Path) -> None:
    program = (
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname())"
    )

    done, reached = run_traced(tmp_path, [sys.executable, "-c", program])

    assert done.returncode == 0, done.stderr
    assert reached == set()


def test_looking_up_a_name_is_recorded(tmp_path: Path) -> None:
    program = (
        "import contextlib, socket\nwith contextlib.suppress(OSError):\n    socket.getaddrinfo('{}', 443)"
    )

    _, named = run_traced(tmp_path, [sys.executable, "-c", program.format("posewatch.example")])
    (tmp_path / "record").rename(tmp_path / "first")
    _, numeric = run_traced(tmp_path, [sys.executable, "-c", program.format("127.0.0.1")])

    # A name server, or the local service that asks one.
    assert any(peer.endswith(":53") or peer.startswith("unix ") for peer in named)
    assert numeric == set()


def test_an_intruder_in_posewatch_itself_is_recorded(pose_model: Path, street: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    (tmp_path / "sitecustomize.py").write_text(f"import socket\n{ATTEMPTS['tcp']}\n")
    command = posewatch("replay", street, "-c", write_config(tmp_path), "--seconds", 1, "--quiet")

    done, reached = run_traced(tmp_path, command, PYTHONPATH=str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert reached == {SEEN["tcp"]}


@backends
def test_replay_reaches_nobody(backend: str, pose_model: Path, street: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    events = tmp_path / "events.jsonl"
    config = write_config(tmp_path, backend)

    done, reached = run_traced(
        tmp_path, posewatch("replay", street, "-c", config, "--events", events, "--quiet")
    )

    assert done.returncode == 0, done.stderr
    assert "/actions" in events.read_text()  # all networks have run
    assert reached == set()
    if backend == "onnx":  # mediapipe's plotting library keeps a list of fonts
        assert left_behind(tmp_path) == []


@contextmanager
def daemon(folder: Path, config: Path, **environment: str) -> Iterator[tuple[psutil.Process, Path]]:
    """`posewatch run` under strace: its process and log, once it is there; killed where it does not end."""
    log = folder / "daemon.log"
    with log.open("wb") as output:
        tracer = subprocess.Popen(
            traced(folder / "record", posewatch("run", "-c", config)),
            env=surroundings(folder, **environment),
            stderr=output,
        )
    children = psutil.Process(tracer.pid).children
    try:
        wait_for(lambda: tracer.poll() is not None or b"loading" in log.read_bytes(), SLOW, "the start")
        assert tracer.poll() is None, log.read_text()
        (process,) = children()
        yield process, log
        assert tracer.wait(60) == 0, log.read_text()
    finally:
        if tracer.poll() is None:
            for one in children(recursive=True):
                one.kill()
            tracer.wait(10)


@backends
def test_run_reaches_the_camera_and_the_broker_and_nobody_else(
    backend: str, footage: Path, pose_model: Path, tmp_path: Path
) -> None:
    assert pose_model.is_file()
    videos = tmp_path / "videos"
    videos.mkdir()
    transcode(footage, videos / "street.mp4", seconds=60.0)
    notify = tmp_path / "notify"
    with (
        RtspServer(videos) as camera,
        Broker(tmp_path) as broker,
        Listener(broker.port) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        systemd.bind(str(notify))
        config = write_config(tmp_path, backend, broker.port, camera.url("street.mp4"))
        with daemon(tmp_path, config, NOTIFY_SOCKET=str(notify)) as (process, log):
            wanted = {f"posewatch/street/{kind}" for kind in ("people", "events", "actions")}
            wait_for(
                lambda: wanted <= {one.topic for one in list(listener.received)},
                SLOW,
                f"people and actions ({log.read_text()[-500:]})",
            )
            process.terminate()
        reached = contacts(tmp_path / "record")

    assert reached == {f"127.0.0.1:{camera.port}", f"127.0.0.1:{broker.port}", f"unix {notify}"}
    if backend == "onnx":
        assert left_behind(tmp_path) == []


def test_run_without_the_pose_network_says_so_and_fetches_nothing(tmp_path: Path) -> None:
    command = posewatch("run", "-c", write_config(tmp_path))

    done, reached = run_traced(tmp_path, command, CACHE_DIRECTORY=str(tmp_path / "cache"))

    assert done.returncode == 1  # systemd tries again: it may come
    assert "posewatch models fetch pose_full" in done.stderr
    assert reached == set()


@pytest.mark.parametrize("arguments", ["check -c {config}", "models list", "models verify"])
def test_a_command_on_what_is_here_reaches_nobody(arguments: str, tmp_path: Path) -> None:
    words = arguments.format(config=write_config(tmp_path)).split()

    done, reached = run_traced(tmp_path, posewatch(*words))

    assert done.returncode == 0, done.stderr
    assert reached == set()


@needs("ultralytics", "ultralytics")
def test_exporting_weights_of_ultralytics_reaches_nobody(tmp_path: Path) -> None:
    """ultralytics would report usage, look for updates and ask well-known servers whether it is online."""
    make = "from ultralytics import YOLO\nYOLO('yolo11n.yaml').save('user.pt')"
    quiet = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": str(tmp_path / "quiet")}
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, env={**os.environ, **quiet}, check=True)

    done, reached = run_traced(tmp_path, posewatch("models", "export", "user.pt", "--imgsz", 160))

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "user.onnx").is_file()
    assert reached <= {"unix /run/uuidd/request"}  # the machine's own source of unique numbers
    assert left_behind(tmp_path) == []  # neither settings of ultralytics nor a cache


@pytest.mark.slow
def test_the_demo_stays_on_this_machine(footage: Path, pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    out = tmp_path / "demo.mp4"
    command = posewatch("demo", "--source", footage, "--seconds", 16, "--out", out)

    done, reached = run_traced(tmp_path, command)

    assert done.returncode == 0, done.stderr
    assert reached == set()  # camera, broker, daemon and reader are all its own processes
    assert left_behind(tmp_path) == []
