"""Hostile input for as long as you like: configurations, model files, archives, videos and recordings.

    POSEWATCH_FUZZ=30 python tests/benchmarks/fuzz.py        minutes; 1 without the variable
    python tests/benchmarks/fuzz.py --only videos --seed 7

Every run is a process of its own that is watched. What hangs, ends in a traceback, crashes, takes more than
its memory or says what is secret is kept in --out, and the exit status is 1. A run's number is its seed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests" / "unit" / "daemon")]

import yaml  # noqa: E402
from hostile import Forker, Ran  # noqa: E402
from hostile_configs import CONFIGS, SECRET  # noqa: E402
from hostile_models import BUNDLED, damaged  # noqa: E402
from hostile_videos import damaged_video, write_video  # noqa: E402
from test_config_fuzz import PATHS, put, whole  # noqa: E402

_ODD: tuple[object, ...] = (
    None, True, -1, 0, 1, 10**400, 1e308, float("nan"), float("inf"), "", " ", "x" * 3000, "1h", "-1s",
    "1e9GB", "${HOSTILE_SECRET}", "\u202e", "é", [], {}, [[]], [{}], {"": None}, [0.5, 0.5],
    [[0, 0], [1, 1]], "fall", "a/b/#",
)  # fmt: skip
_SUFFIXES = (".mp4", ".avi", ".mkv", ".ts", ".webm")
Attempt = Callable[[Forker, Path, Random], tuple[Ran, str, Path]]
"""Runs one; returns what came of it, what is wrong, and the file."""


def config(forker: Forker, folder: Path, random: Random) -> tuple[Ran, str, Path]:
    """Odd values in the place of others, or damaged text."""
    data = whole()
    for _ in range(random.choice([1, 1, 2, 5])):
        try:
            data = put(data, random.choice(PATHS), random.choice(_ODD))
        except (KeyError, TypeError, IndexError):  # a change before took the place away
            continue
    text = yaml.dump(data, allow_unicode=True).encode("utf-8", "surrogatepass")
    if random.random() < 0.4:
        text = damaged_video(text, random)
    if random.random() < 0.1:
        made = random.choice([one for one in CONFIGS.values() if isinstance(one, (str, bytes))])
        text = damaged_video(made if isinstance(made, bytes) else made.encode(), random)
    path = folder / "posewatch.yaml"
    path.write_bytes(text)
    ran = forker.run("check", "-c", path, HOSTILE_SECRET=SECRET)
    wrong = ran.complaint(statuses=(0, 2))
    if SECRET in ran.err + ran.out:
        wrong = "says the secret"
    return ran, wrong, path


def models(forker: Forker, folder: Path, random: Random) -> tuple[Ran, str, Path]:
    """A bundled model with damage."""
    section = random.choice(list(BUNDLED))
    path = folder / "model.onnx"
    path.write_bytes(damaged(BUNDLED[section].read_bytes(), random))
    ran = forker.run("trial", section, path, "")
    return ran, ran.complaint(statuses=(0, 2), length=3000), path


def videos(forker: Forker, folder: Path, random: Random) -> tuple[Ran, str, Path]:
    """A small clip with damage."""
    suffix = random.choice(_SUFFIXES)
    good = folder / f"good{suffix}"
    content = good.read_bytes() if good.exists() else write_video(good).read_bytes()
    path, settings = folder / f"video{random.choice(_SUFFIXES)}", folder / "replay.yaml"
    path.write_bytes(damaged_video(content, random))
    settings.write_text("rules: {}\ncameras: {door: {url: a.mp4}}\n")
    ran = forker.run("replay", path, "-c", settings, "--quiet")
    return ran, ran.complaint(statuses=(0, 1)), path


def recordings(forker: Forker, folder: Path, random: Random) -> tuple[Ran, str, Path]:
    """A folder of takes, one of which is damaged, or arrays."""
    takes = folder / "takes"
    takes.mkdir(exist_ok=True)
    header = "," + ",".join(map(str, range(132)))
    row = ",".join(f"{n % 10 / 10:.3f}" for n in range(132))
    text = "\n".join([header, *(f"{n},{row}" for n in range(60))]).encode()
    path = takes / random.choice(["WALKING.txt", "WALKING.csv", "WALKING.npz"])
    if path.suffix == ".npz":
        import numpy as np

        np.savez(path, poses=np.zeros((60, 33, 4), np.float32), odd=np.array([[1], "x", None], object))
        text = path.read_bytes()
    path.write_bytes(damaged_video(text, random))
    ran = forker.run("evaluate", takes, "--model", BUNDLED["actions"])
    wrong = ran.complaint(statuses=(0, 1, 2))
    if not wrong:
        path.unlink()
    return ran, wrong, path


ATTEMPTS: dict[str, Attempt] = {
    "configurations": config,
    "models": models,
    "videos": videos,
    "recordings": recordings,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=ATTEMPTS, help="one kind")
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"), help="for what was found")
    options = parser.parse_args()
    minutes = float(os.environ.get("POSEWATCH_FUZZ", "1"))
    kinds = {options.only: ATTEMPTS[options.only]} if options.only else ATTEMPTS
    found = 0
    print("| input | tried | refused | taken | hangs, tracebacks, crashes | longest, s | peak, MB |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for name, attempt in kinds.items():
        with tempfile.TemporaryDirectory() as place:
            statuses, bad, forker = _fuzz(name, attempt, Path(place), 60.0 * minutes / len(kinds), options)
        found += bad
        refused = statuses.total() - statuses[0]
        print(
            f"| {name} | {statuses.total()} | {refused} | {statuses[0]} | {bad} "
            f"| {forker.longest:.1f} | {forker.peak / 1e6:.0f} |",
            flush=True,
        )
    return int(found > 0)


def _fuzz(
    name: str, attempt: Attempt, folder: Path, seconds: float, options: argparse.Namespace
) -> tuple[Counter[int], int, Forker]:
    """Runs for so long; returns how often each status came, and how much was found."""
    statuses: Counter[int] = Counter()
    bad = 0
    deadline = time.monotonic() + seconds
    with Forker(folder, timeout=60.0, memory=5_000_000_000) as forker:
        for seed in count(options.seed):
            if time.monotonic() > deadline:
                return statuses, bad, forker
            ran, wrong, path = attempt(forker, folder, Random(f"{name} {seed}"))
            statuses[ran.status] += 1
            if wrong:
                bad += 1
                options.out.mkdir(parents=True, exist_ok=True)
                kept = options.out / f"{name}-{seed}{path.suffix}"
                kept.write_bytes(path.read_bytes())
                kept.with_suffix(".txt").write_text(f"{wrong}\n\n{ran.err[-20_000:]}")
                print(f"{name} {seed}: {wrong}; kept as {kept}", file=sys.stderr, flush=True)
    raise AssertionError("counts without an end")


if __name__ == "__main__":
    sys.exit(main())
