"""What a step of action recognition costs by number of people, on one thread, against the plain way.

    python tests/benchmarks/window_cost.py [--people 1 10 100] [--fps 15] [--model actions.onnx]

A step is everything from the poses of 200 ms to the scores: taking the poses in, resampling, features,
network. "streamed" is what the daemon does (`ActionModel.stream`, `classify`); "plain" makes every window
anew (`resample`, `features`, network), as training does. Prints the median of many steps in ms.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.model import ActionModel
from classifier.window import resample

EVERY = 0.2  # seconds of a step
_Frame = dict[str, npt.NDArray[np.float32]]


def people(count: int, frames: int, fps: float, random: np.random.Generator) -> list[_Frame]:
    """Poses of people who move at random, like tracked ones in size and noise."""
    base = random.uniform(0, 1000, (count, 1, 1, 2)) + random.normal(0, 40, (count, 1, 33, 2))
    steps = random.normal(0, 30 / fps, (count, frames, 33, 2)).cumsum(axis=1)
    landmarks = np.zeros((count, frames, 33, 4), np.float32)
    landmarks[..., :2] = base + steps
    landmarks[..., 3] = random.uniform(0, 1, (count, 1, 33))
    return [{str(who): landmarks[who, frame] for who in range(count)} for frame in range(frames)]


def streamed(model: ActionModel, frames: list[_Frame], fps: float) -> Callable[[int, int], dict[str, float]]:
    """A step that takes frames and answers; returns the ms of its parts."""
    stream = model.stream()
    tracks = list(frames[0])

    def step(first: int, last: int) -> dict[str, float]:
        start = time.perf_counter()
        for frame in range(first, last):
            stream.push_all(frames[frame], frame / fps)
        pushed = time.perf_counter()
        windows = stream.windows(tracks)
        ready = time.perf_counter()
        model.scores(windows)
        end = time.perf_counter()
        return {"push": pushed - start, "features": ready - pushed, "network": end - ready}

    return step


def plain(model: ActionModel, frames: list[_Frame], fps: float) -> Callable[[int, int], dict[str, float]]:
    """The same answer the simple way."""
    kept = {track: deque[npt.NDArray[np.float32]](maxlen=int(model.seconds * fps) + 2) for track in frames[0]}
    times: deque[float] = deque(maxlen=int(model.seconds * fps) + 2)

    def step(first: int, last: int) -> dict[str, float]:
        start = time.perf_counter()
        for frame in range(first, last):
            times.append(frame / fps)
            for track, pose in frames[frame].items():
                kept[track].append(pose)
        end = np.floor((times[-1] + 1e-6) * model.rate) / model.rate
        pairs = [
            resample(np.array(times), np.stack(poses), end, rate=model.rate, samples=model.samples)
            for poses in kept.values()
        ]
        model.probabilities(np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs]))
        return {"plain": time.perf_counter() - start}

    return step


def measure(step: Callable[[int, int], dict[str, float]], frames: int, fps: float) -> dict[str, float]:
    """Median ms of each part over the steps in which windows are full."""
    found: dict[str, list[float]] = {}
    per_step = max(1, round(EVERY * fps))
    for first in range(0, frames - per_step + 1, per_step):
        parts = step(first, first + per_step)
        if first / fps > 2.5:
            for name, seconds in parts.items():
                found.setdefault(name, []).append(seconds * 1e3)
    return {name: float(np.median(values)) for name, values in found.items()}


def main() -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, nargs="+", default=[1, 10, 25, 50, 100, 200])
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--seconds", type=float, default=12.0, help="of poses (default 12)")
    parser.add_argument("--model", type=Path, help="default: the bundled one")
    given = parser.parse_args()
    if min(given.people) < 1 or given.fps < 5 or given.seconds < 4:
        print("window_cost: people from 1, fps from 5, seconds from 4", file=sys.stderr)
        return 2
    model, count = ActionModel(given.model, threads=1), round(given.seconds * given.fps)
    print(f"ms a step of {EVERY:g} s at {given.fps:g} fps, one thread, median\n")
    print("| people | push | features | network | streamed | plain |\n" + "| --- " * 6 + "|")
    for number in given.people:
        frames = people(number, count, given.fps, np.random.default_rng(number))
        parts = measure(streamed(model, frames, given.fps), count, given.fps)
        simple = measure(plain(model, frames, given.fps), count, given.fps)
        cells = [*parts.values(), sum(parts.values()), simple["plain"]]
        print(f"| {number} | " + " | ".join(f"{value:.2f}" for value in cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
