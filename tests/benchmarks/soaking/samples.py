"""What the daemon uses, every few seconds, and whether it grows."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import psutil
from scipy import stats

from soaking.world import World

__all__ = ["Sample", "Sampler", "Slope", "slope_of"]


@dataclass(frozen=True)
class Sample:
    """One look at the daemon.

    Attributes:
        at: monotonic seconds.
        pid: of the daemon: a new one begins a new segment.
        rss: resident MB.
        pss: proportional MB.
        threads: how many.
        fds: open file descriptors.
        sockets: of them.
        cpu: cores in use since the last look.
        queue: messages that wait for the broker, as the daemon said last.
        database: MB of the database and its log.
        pictures: MB of snapshots and clips.
        files: how many of them.
    """

    at: float
    pid: int
    rss: float
    pss: float
    threads: int
    fds: int
    sockets: int
    cpu: float
    queue: int
    database: float
    pictures: float
    files: int


@dataclass(frozen=True)
class Slope:
    """Growth in a segment.

    Attributes:
        per_hour: by least squares over the means of minutes.
        low: end of its 95 % confidence interval.
        high: the other end.
        first: mean of the first minutes.
        last: of the last.
        minutes: how long it was watched.
    """

    per_hour: float
    low: float
    high: float
    first: float
    last: float
    minutes: float


def slope_of(times: Iterable[float], values: Iterable[float]) -> Slope | None:
    """Growth an hour; None for less than four minutes.

    Samples seconds apart are not independent, means of minutes nearly are.
    """
    at, what = np.asarray(list(times)), np.asarray(list(values))
    if len(at) < 8 or at[-1] - at[0] < 240.0:
        return None
    minute = ((at - at[0]) // 60.0).astype(int)
    x = np.asarray([at[minute == one].mean() for one in np.unique(minute)]) / 3600.0
    y = np.asarray([what[minute == one].mean() for one in np.unique(minute)])
    fit = stats.linregress(x, y)
    width = float(stats.t.ppf(0.975, max(1, len(x) - 2)) * (0.0 if math.isnan(fit.stderr) else fit.stderr))
    slope = float(fit.slope)
    edge = max(1, len(y) // 5)
    first, last = float(y[:edge].mean()), float(y[-edge:].mean())
    return Slope(slope, slope - width, slope + width, first, last, (at[-1] - at[0]) / 60.0)


class Sampler:
    """Looks at the daemon and writes every look to a CSV file at once."""

    def __init__(self, world: World, path: Path) -> None:
        self.samples: list[Sample] = []
        self._world = world
        self._file = path.open("w", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow([one.name for one in fields(Sample)])
        self._cpu: tuple[int, float, float] | None = None

    def look(self) -> Sample | None:
        """Takes a sample; None while the daemon is down."""
        process = self._world.process()
        if process is None:
            return None
        try:
            sample = self._read(process)
        except (psutil.Error, OSError):
            return None
        self.samples.append(sample)
        self._rows.writerow(asdict(sample).values())
        self._file.flush()
        return sample

    def _read(self, process: psutil.Process) -> Sample:
        now, pid = time.monotonic(), process.pid
        times, memory = process.cpu_times(), process.memory_full_info()
        used = times.user + times.system
        cpu = 0.0
        if self._cpu is not None and self._cpu[0] == pid:
            cpu = (used - self._cpu[2]) / max(now - self._cpu[1], 1e-3)
        self._cpu = pid, now, used
        fds = [self._target(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
        state = self._world.state
        database = sum(path.stat().st_size for path in state.glob("posewatch.db*"))
        pictures = [
            one.stat().st_size for kind in ("snapshots", "clips") for one in (state / kind).rglob("*.*")
        ]
        said = self._world.witness.stats
        return Sample(
            now, pid, memory.rss / 1e6, memory.pss / 1e6, process.num_threads(), len(fds),
            sum(one.startswith("socket:") for one in fds), round(cpu, 3), said[-1][1]["queue"] if said else 0,
            database / 1e6, sum(pictures) / 1e6, len(pictures),
        )  # fmt: skip

    @staticmethod
    def _target(path: Path) -> str:
        try:
            return os.readlink(path)  # noqa: PTH115 - of a socket it is no path
        except OSError:
            return ""

    def segments(self, warm_up: float) -> list[tuple[int, list[Sample]]]:
        """Samples of each process, without the first `warm_up` seconds of it."""
        found: dict[int, list[Sample]] = {}
        for sample in self.samples:
            found.setdefault(sample.pid, []).append(sample)
        return [
            (number, [one for one in samples if one.at >= samples[0].at + warm_up])
            for number, samples in enumerate(found.values(), 1)
        ]

    def close(self) -> None:
        self._file.close()
