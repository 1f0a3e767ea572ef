"""An RTSP camera and an MQTT broker on the loopback interface, each a process that ends with its block."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av

from daemon.demo.errors import DemoError

__all__ = ["Broker", "ManagedProcess", "RtspServer", "free_port", "transcode"]

_HOST = "127.0.0.1"
_START_TIMEOUT = 20.0
_MAX_PAYLOAD = 10_000_000  # bytes: at its own 20 kB the broker ends the connection at pictures


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        return int(listener.getsockname()[1])


def transcode(source: Path, target: Path, *, seconds: float | None = None) -> Path:
    """Writes H.264 with a key frame a second at the source's own rate, as a camera would send.

    Raises:
        DemoError: the source is no video that can be read.
    """
    try:
        with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
            video = reader.streams.video[0]
            rate = Fraction(video.average_rate or 10).limit_denominator(1000)
            stream = writer.add_stream("libx264", rate=rate)
            stream.width, stream.height = video.width // 2 * 2, video.height // 2 * 2
            stream.pix_fmt = "yuv420p"
            stream.options = {"preset": "veryfast", "crf": "20", "bf": "0", "g": str(max(1, round(rate)))}
            for number, frame in enumerate(reader.decode(video)):
                if seconds is not None and number >= seconds * rate:
                    break
                picture = frame.reformat(stream.width, stream.height, "yuv420p")
                picture.pts, picture.time_base = number, 1 / rate
                picture.pict_type = av.video.frame.PictureType.NONE
                writer.mux(stream.encode(picture))
            writer.mux(stream.encode())
    except (av.error.FFmpegError, IndexError, OSError) as error:
        raise DemoError(
            f"{source.name}: not a video that can be read ({error}): give another --source"
        ) from error
    return target


class ManagedProcess:
    """A child process in its own process group, ended with everything it started.

    Args:
        name: for messages.
        command: program and arguments.
        log: file that takes its output.
        port: TCP port on which it answers when ready; None where there is nothing to wait for.
    """

    def __init__(self, name: str, command: list[str], log: Path, port: int | None = None) -> None:
        self.name, self.log, self.port = name, log, port
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id; None before the start."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Starts it and waits until it answers.

        Raises:
            DemoError: it ended at once, or does not answer.
        """
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _START_TIMEOUT
        while self.port is not None and not self._answers():
            if not self.running or time.monotonic() > deadline:
                self.stop()
                raise DemoError(f"{self.name} did not start: {self.last_line()}")
            time.sleep(0.05)

    def stop(self, timeout: float = 10.0) -> int | None:
        """Ends it and returns its exit status; kills it where it does not end within `timeout` seconds."""
        process = self._process
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # whatever it left behind
        return process.returncode

    def last_line(self) -> str:
        """The last line it wrote."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.is_file() else []
        return lines[-1] if lines else "it wrote nothing"

    def _answers(self) -> bool:
        try:
            with socket.create_connection((_HOST, self.port or 0), 1.0):
                return True
        except OSError:
            return False

    def __enter__(self) -> ManagedProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class RtspServer(ManagedProcess):
    """Serves the videos of a folder as rtsp://127.0.0.1:PORT/NAME (aio-rtsp-toolkit, no logins)."""

    def __init__(self, folder: Path, log: Path) -> None:
        program = Path(sys.executable).with_name("rtsp-server")
        if not program.is_file():
            raise DemoError("aio-rtsp-toolkit is not installed: pip install 'posewatch[demo]'")
        port = free_port()
        super().__init__(
            "the RTSP server",
            [str(program), "-d", str(folder), "-H", _HOST, "-p", str(port), "-cp", str(free_port())],
            log, port,
        )  # fmt: skip

    def url(self, name: str) -> str:
        """The address of a file."""
        return f"rtsp://{_HOST}:{self.port}/{name}"


class Broker(ManagedProcess):
    """The embedded MQTT broker (iotcore), no logins."""

    def __init__(self, log: Path) -> None:
        if importlib.util.find_spec("iotcore") is None:
            raise DemoError("iotcore is not installed: pip install 'posewatch[demo]'")
        port = free_port()
        options = f"listen={_HOST!r}, port={port}, max_payload_size={_MAX_PAYLOAD}"
        run = f"from iotcore import IotCoreBroker; IotCoreBroker({options}).run_forever()"
        super().__init__("the MQTT broker", [sys.executable, "-c", run], log, port)
