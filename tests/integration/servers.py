"""Real servers for the tests, each in its own process: an RTSP server and an MQTT broker."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import av
import numpy as np

__all__ = ["Broker", "Gate", "RtspServer", "free_port", "silent_server", "wait_for", "write_clip"]

_HOST = "127.0.0.1"


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], object], timeout: float = 20.0, what: str = "the condition") -> None:
    """Returns as soon as the condition is true; fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} was not met within {timeout:g} s")
        time.sleep(0.02)


def write_clip(
    path: Path, *, seconds: float = 4.0, rate: int = 15, width: int = 320, height: int = 240
) -> Path:
    """An H.264 clip of a bright square that moves over a dark ground; its bottom rows tell the frame.

    The bottom rows hold the frame number modulo 200, plus 28, as a grey level.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": str(rate), "bf": "0", "crf": "20"}
        for number in range(round(seconds * rate)):
            image = np.full((height, width, 3), 40, np.uint8)
            left = number * 4 % (width - 60)
            image[60:120, left : left + 60] = (60, 200, 240)
            image[-40:] = number % 200 + 28
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


class _Process:
    """A server process that can be killed and started again on the same port."""

    def __init__(self, port: int | None, log: Path) -> None:
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = log

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        assert self._process is None, "is running"
        command = self.command()  # once: it may write the configuration that the server reads
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        wait_for(self._answers, what=f"{command[0]} on port {self.port}")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            log = self._log.read_text(errors="replace")[-2000:]
            raise AssertionError(f"{self.command()[0]} ended with status {self._process.returncode}: {log}")
        with contextlib.suppress(OSError), socket.create_connection((_HOST, self.port), 1.0):
            return True
        return False

    def kill(self) -> None:
        """Ends the server without any goodbye, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def restart(self) -> None:
        """Kills and starts on the same port."""
        self.kill()
        self.start()

    def __enter__(self):
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class RtspServer(_Process):
    """Serves the video files of a folder as rtsp://127.0.0.1:PORT/NAME (aio-rtsp-toolkit)."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        super().__init__(port, folder / "rtsp-server.log")
        self._folder = folder
        self._control_port = free_port()

    def url(self, name: str, login: str = "") -> str:
        """The address of a file; `login` is `user:password`."""
        return f"rtsp://{login + '@' if login else ''}{_HOST}:{self.port}/{name}"

    def command(self) -> list[str]:
        program = Path(sys.executable).with_name("rtsp-server")
        return [str(program), "-d", str(self._folder), "-H", _HOST, "-p", str(self.port),
                "-cp", str(self._control_port)]  # fmt: skip


class Broker(_Process):
    """An MQTT broker without logins: mosquitto where it is installed, else the embedded one of iotcore."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        super().__init__(port, folder / "broker.log")
        self._folder = folder
        self._mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

    @property
    def name(self) -> str:
        """Which broker runs."""
        return "mosquitto" if self._mosquitto else "iotcore"

    def command(self) -> list[str]:
        if self._mosquitto:
            configuration = self._folder / "mosquitto.conf"
            configuration.write_text(
                f"listener {self.port} {_HOST}\nallow_anonymous true\npersistence false\n"
            )
            return [self._mosquitto, "-c", str(configuration)]
        run = f"IotCoreBroker(listen={_HOST!r}, port={self.port}).run_forever()"
        return [sys.executable, "-c", f"from iotcore import IotCoreBroker; {run}"]


@contextmanager
def silent_server() -> Iterator[int]:
    """A TCP server that accepts and never says a word; yields its port."""
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        listener.listen(16)
        yield int(listener.getsockname()[1])


class Gate:
    """A TCP relay to a local port that can be shut: connections end, and new ones end at once."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open = threading.Event()
        self._open.set()
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server((_HOST, 0))
        self.port = int(self._listener.getsockname()[1])

    def shut(self) -> None:
        """Ends every connection and lets nobody in."""
        self._open.clear()
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def open(self) -> None:
        """Lets connections in again."""
        self._open.set()

    def __enter__(self) -> Gate:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                upstream = socket.create_connection((_HOST, self._target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._connections += [client, upstream]
            if not self._open.is_set():
                self.shut()
                continue
            for source, target in ((client, upstream), (upstream, client)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
