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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import av
import numpy as np

__all__ = [
    "MOSQUITTO",
    "Broker",
    "Gate",
    "RtspServer",
    "free_port",
    "silent_server",
    "wait_for",
    "write_clip",
]

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

    def __init__(self, port: int | None, log: Path, host: str = _HOST) -> None:
        self.port = port or free_port()
        self._host = host
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
        with contextlib.suppress(OSError), socket.create_connection((self._host, self.port), 1.0):
            return True
        return False

    def kill(self) -> None:
        """Ends the server without any goodbye, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def signal(self, number: int) -> None:
        """Sends a signal to the server."""
        assert self._process is not None
        self._process.send_signal(number)

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


MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
"""The broker's program; None where it is not installed."""


class Broker(_Process):
    """An MQTT broker without logins: mosquitto where it is installed, else the embedded one of iotcore.

    `settings` are lines of mosquitto.conf, which the embedded one does not know. `within` goes before the
    command, for example to run it elsewhere; then it has `host`.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        settings: str = "",
        host: str = _HOST,
        within: Sequence[str] = (),
    ) -> None:
        super().__init__(port, folder / "broker.log", host)
        self._folder, self._settings, self._within = folder, settings, list(within)
        self._mosquitto = MOSQUITTO
        assert self._mosquitto or not settings, "settings are for mosquitto"

    @property
    def name(self) -> str:
        """Which broker runs."""
        return "mosquitto" if self._mosquitto else "iotcore"

    def command(self) -> list[str]:
        if self._mosquitto:
            configuration = self._folder / "mosquitto.conf"
            lines = [f"listener {self.port} {self._host}", "user root", *self._settings.splitlines()]
            defaults = ("allow_anonymous true", "persistence false")
            lines += [one for one in defaults if one.split()[0] not in self._settings]
            configuration.write_text("\n".join(lines) + "\n")
            return [*self._within, self._mosquitto, "-c", str(configuration)]
        options = f"listen={_HOST!r}, port={self.port}, max_payload_size=10_000_000"
        run = f"IotCoreBroker({options}).run_forever()"
        return [sys.executable, "-c", f"from iotcore import IotCoreBroker; {run}"]


@contextmanager
def silent_server() -> Iterator[int]:
    """A TCP server that accepts and never says a word; yields its port."""
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        listener.listen(16)
        yield int(listener.getsockname()[1])


class Gate:
    """A TCP relay to a local port.

    It can be shut: connections end, and new ones end at once. It can be frozen: connections stay, and nothing
    passes any more, as when a router drops every packet. It can be narrow.

    Args:
        target: the port.
        rate: bytes a second that pass on the way to it; None for all.
    """

    def __init__(self, target: int, rate: float | None = None) -> None:
        self._target, self._rate = target, rate
        self._open, self._flowing = threading.Event(), threading.Event()
        self._open.set()
        self._flowing.set()
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server((_HOST, 0))
        if rate is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
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

    def freeze(self) -> None:
        """Lets nothing through, and tells nobody."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Lets everything through again, what was held back included."""
        self._flowing.set()

    def __enter__(self) -> Gate:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()
        self._flowing.set()
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
            for source, target, rate in ((client, upstream, self._rate), (upstream, client, None)):
                threading.Thread(target=self._pump, args=(source, target, rate), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, rate: float | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536 if rate is None else 1024):
                self._flowing.wait()
                if rate is not None:
                    time.sleep(len(data) / rate)
                target.sendall(data)
        self._flowing.wait()
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
