"""`posewatch run` in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["Daemon"]


class Daemon:
    """`posewatch run` in a process of its own; killed at the end of the block."""

    def __init__(self, config: Path) -> None:
        self.log = config.with_suffix(".log")
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daemon.cli", "run", "-c", str(config)], stderr=output
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
