"""`posewatch run` in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Daemon", "NotifySocket"]


class Daemon:
    """`posewatch run` in a process of its own, with its state beside its configuration; killed at the end.

    `program` is what Python runs in its place; `surroundings` are further variables.
    """

    def __init__(
        self, config: Path, program: Sequence[str] = ("-m", "daemon.cli"), **surroundings: str
    ) -> None:
        self.log = config.with_suffix(".log")
        everything = {**os.environ, "XDG_STATE_HOME": str(config.parent / "state"), **surroundings}
        everything.pop("STATE_DIRECTORY", None)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *program, "run", "-c", str(config)],
                stderr=output,
                env=everything,
            )

    def ask_to_stop(self) -> tuple[int, float]:
        """Exit status after SIGTERM, and the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60), time.monotonic() - started

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        print(self.log.read_text(errors="replace")[-4000:])  # pytest shows it where the test fails


class NotifySocket:
    """What systemd would be told: a real datagram socket for $NOTIFY_SOCKET.

    Attributes:
        received: each with its time in monotonic seconds.
    """

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "notify")
        self.received: list[tuple[float, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        threading.Thread(target=self._take, daemon=True).start()

    def count(self, state: str) -> int:
        """How often a state that begins so was told."""
        return sum(text.startswith(state) for _, text in list(self.received))

    def last(self, state: str) -> tuple[float, str] | None:
        """The last one that begins so."""
        return next((one for one in reversed(list(self.received)) if one[1].startswith(state)), None)

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                self.received.append((time.monotonic(), data.decode()))

    def __enter__(self) -> NotifySocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
