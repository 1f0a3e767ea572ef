"""`posewatch run` in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["Daemon"]


class Daemon:
    """`posewatch run` in a process of its own, with its state beside its configuration; killed at the end."""

    def __init__(self, config: Path) -> None:
        self.log = config.with_suffix(".log")
        surroundings = {**os.environ, "XDG_STATE_HOME": str(config.parent / "state")}
        surroundings.pop("STATE_DIRECTORY", None)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daemon.cli", "run", "-c", str(config)],
                stderr=output,
                env=surroundings,
            )

    def ask_to_stop(self) -> tuple[int, float]:
        """Exit status after SIGTERM, and the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60), time.monotonic() - started

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        print(self.log.read_text(errors="replace")[-4000:])  # pytest shows it where the test fails
