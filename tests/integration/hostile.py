"""Runs commands on hostile input, each in a process of its own that is watched: time, memory, output.

A process that has imported everything forks one for each run, so that a run costs milliseconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Forker", "Ran"]

MEMORY_LIMIT = 1_500_000_000  # bytes resident; beyond it a run is ended and counts as unbounded


@dataclass(frozen=True)
class Ran:
    """What came of a run.

    Attributes:
        status: exit status; negative: the signal that ended it.
        seconds: how long it took.
        peak: most resident memory, in bytes.
        out: what it said on stdout.
        err: what it said on stderr.
        hung: whether it had to be ended because of its time.
        grew: whether it had to be ended because of its memory.
    """

    status: int
    seconds: float
    peak: int
    out: str
    err: str
    hung: bool
    grew: bool

    def complaint(self, statuses: tuple[int, ...] = (0, 1, 2), lines: int = 60, length: int = 1000) -> str:
        """What is wrong with the way it ended; empty where nothing is.

        Args:
            statuses: that are right.
            lines: most lines that it may say.
            length: most characters in a line.
        """
        said = self.err.splitlines()
        if self.hung:
            return f"hung for {self.seconds:.0f} s"
        if self.grew:
            return f"took {self.peak / 1e6:.0f} MB"
        if "Traceback (most recent" in self.err:
            return f"traceback: {said[-1][:200]}"
        if self.status not in statuses:
            return f"status {self.status}: {self.err[-200:]}"
        if self.status and not said:
            return f"status {self.status}, and said nothing"
        if len(said) > lines:
            return f"{len(said)} lines"
        if said and max(map(len, said)) > length:
            return f"a line of {max(map(len, said))} characters"
        return ""


class Forker:
    """The process that forks.

    Args:
        folder: for what the runs say.
        timeout: seconds that a run may take.
        memory: bytes that it may take.
    """

    def __init__(self, folder: Path, timeout: float = 30.0, memory: int = MEMORY_LIMIT) -> None:
        self._folder, self._timeout, self._memory = folder, timeout, memory
        self.runs, self.peak, self.longest = 0, 0, 0.0

    def run(self, *arguments: str | Path, timeout: float | None = None, **environment: str) -> Ran:
        """Runs `posewatch ARGUMENTS` and waits for its end."""
        request = {
            "arguments": [str(one) for one in arguments],
            "environment": environment,
            "timeout": timeout or self._timeout,
            "memory": self._memory,
        }
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        answer = json.loads(stdout.readline())
        out, err = (
            (self._folder / name).read_bytes().decode(errors="replace") for name in ("stdout", "stderr")
        )
        ran = Ran(**answer, out=out, err=err)
        self.runs, self.peak = self.runs + 1, max(self.peak, ran.peak)
        self.longest = max(self.longest, ran.seconds)
        return ran

    def __enter__(self) -> Forker:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("hostile_forks.py")), str(self._folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
