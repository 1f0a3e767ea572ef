"""Alerts on real footage: are falls and fights raised, how soon, and what is raised where nothing happens.

    python tests/accuracy/alerts.py [--unhurried] [--camera '{detect: {size: 640}}'] [--only urfd_fall]

Runs the whole pipeline with its default rules over every clip of the evaluation data, as `posewatch replay`
does; --unhurried switches off every economy of the defaults, to see what they cost. A fall counts as found
when it is raised no earlier than 0.5 s before the first frame labelled as falling; what is raised before is a
false alarm. Delays count from that frame. Prints a table, writes JSON with --out.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from footage import DATA, unhurried

from daemon.config import Config
from daemon.replay import ReplayOutputs, replay

EARLY = 0.5  # seconds
LIMIT = 2.0  # seconds from the first frame of a fall to its alert


@dataclass
class Clip:
    """What was raised in one clip, (seconds, rule) each, and what should have been."""

    name: str
    kind: str
    seconds: float = 0.0
    alerts: list[tuple[float, str]] = field(default_factory=list)
    truth: dict[str, Any] = field(default_factory=dict)


def run(job: tuple[Path, str, dict[str, Any], dict[str, Any]]) -> Clip:
    path, kind, truth, camera = job
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    settings = {"cameras": {"clip": {"url": str(path)} | camera}, "mqtt": {"enabled": False}}
    config = Config.model_validate(settings)
    summary = replay([path], config, ReplayOutputs())
    return Clip(
        "/".join(path.parts[-2:]),
        kind,
        _seconds(path),
        [(alert.at, alert.rule) for alert in summary.alerts],
        truth,
    )


def _seconds(path: Path) -> float:
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return float(stream.frames / (stream.average_rate or 25)) if stream.frames else 0.0


def jobs(data: Path) -> Iterable[tuple[Path, str, dict[str, Any]]]:
    """Every clip with its kind and truth."""
    labels: dict[str, dict[int, int]] = defaultdict(dict)
    with (data / "video/urfd_fall/labels.csv").open() as stream:
        for sequence, frame, label in csv.reader(stream):
            if frame.isdigit():
                labels[sequence][int(frame)] = int(label)
    for path in sorted((data / "video/urfd_fall").glob("*.mp4")):
        frames = labels[path.stem[:7]]
        begin = min(number for number, label in frames.items() if label >= 0)
        lies = min((number for number, label in frames.items() if label == 1), default=begin)
        yield path, "urfd_fall", {"fall": begin / 30, "lies": lies / 30}
    for subject in sorted((data / "video/gmdcsa24").glob("subject*")):
        begins = dict(_falls(subject / "Fall.csv"))
        for path in sorted(subject.glob("*/*.mp4")):
            fall = begins.get(path.name) if path.parent.name == "Fall" else None
            yield path, "gmdcsa24", {} if fall is None else {"fall": fall, "lies": fall + 1.0}
    with (data / "video/surv_fight/labels.csv").open() as stream:
        for row in csv.DictReader(stream):
            yield data / "video/surv_fight" / row["clip"], "surv_fight", {"fight": row["label"] == "fight"}
    yield data / "mot/PETS09-S2L1/video.avi", "walking", {}
    yield data / "mot/TUD-Campus/video.mp4", "walking", {}
    yield data / "video/people/one-by-one-person-detection.mp4", "walking", {}
    yield data / "video/people/mall_crowd.mp4", "walking", {}


def _falls(path: Path) -> Iterable[tuple[str, float]]:
    for line in path.read_text().splitlines()[1:]:
        found = re.search(r"Falling \(?\w+\)?\s*\[\s*([\d.]+)", line)
        if found:
            yield line.split(",")[0], float(found[1])


def report(clips: list[Clip]) -> str:
    """Tables of all kinds."""
    lines = [
        "| footage | clips | minutes | falls found | within 2 s | delay: median / max (s) | false | an hour |"
    ]
    lines.append("| --- " * 8 + "|")
    for kind in ("urfd_fall", "gmdcsa24"):
        own = [clip for clip in clips if clip.kind == kind]
        falls = [clip for clip in own if "fall" in clip.truth]
        delays, false = [], 0
        for clip in own:
            raised = [at for at, rule in clip.alerts if rule == "fall"]
            good = [at for at in raised if "fall" in clip.truth and at >= clip.truth["fall"] - EARLY]
            false += len(raised) - len(good)
            if good:
                delays.append(good[0] - clip.truth["fall"])
        if own:
            times = f"{np.median(delays):.1f} / {max(delays):.1f}" if delays else "-"
            minutes = sum(clip.seconds for clip in own) / 60
            soon = sum(delay <= LIMIT for delay in delays)
            lines.append(
                f"| {kind} | {len(own)} | {minutes:.1f} | {len(delays)} of {len(falls)} "
                f"| {soon} of {len(falls)} | {times} | {false} | {60 * false / minutes:.1f} |"
            )
    quiet = [clip for clip in clips if "fall" not in clip.truth and "fight" not in clip.truth]
    if quiet:
        false = sum(rule == "fall" for clip in quiet for _, rule in clip.alerts)
        minutes = sum(clip.seconds for clip in quiet) / 60
        lines.append(
            f"| daily activity and walking | {len(quiet)} | {minutes:.1f} | - | - | - | {false} "
            f"| {60 * false / minutes:.1f} |"
        )
    missed = [
        clip.name
        for clip in clips
        if "fall" in clip.truth
        and not any(rule == "fall" and -EARLY <= at - clip.truth["fall"] <= LIMIT for at, rule in clip.alerts)
    ]
    if missed:
        lines.append("\nNot raised within 2 s: " + ", ".join(missed))
    fights = [clip for clip in clips if clip.kind == "surv_fight"]
    if fights:
        lines += ["", *fight_table(fights)]
    lines += ["", "| footage without a fall or a fight | minutes | alerts |", "| --- | --- | --- |"]
    for clip in clips:
        if clip.kind == "walking" or (clip.kind == "gmdcsa24" and not clip.truth):
            counts = Counter(rule for _, rule in clip.alerts)
            text = ", ".join(f"{rule} {count}" for rule, count in sorted(counts.items())) or "none"
            lines.append(f"| {clip.name} | {clip.seconds / 60:.1f} | {text} |")
    return "\n".join(lines)


def fight_table(clips: list[Clip]) -> list[str]:
    """Confusion matrix and scores of the rule `fight`, as lines of Markdown."""
    table = Counter(
        (bool(clip.truth["fight"]), any(rule == "fight" for _, rule in clip.alerts)) for clip in clips
    )
    found, false, missed = table[True, True], table[False, True], table[True, False]
    right = found + table[False, False]
    return [
        "| surv_fight, clips | alert `fight` | none |",
        "| --- | --- | --- |",
        f"| fight | {found} | {missed} |",
        f"| no fight | {false} | {table[False, False]} |",
        f"\naccuracy {right / len(clips):.3f}, precision {found / max(1, found + false):.3f}, "
        f"recall {found / max(1, found + missed):.3f}",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--camera", default="{}", help="YAML of other settings than the defaults")
    parser.add_argument("--unhurried", action="store_true", help="everybody found and read in every frame")
    parser.add_argument("--only", help="one kind: urfd_fall, gmdcsa24, surv_fight or walking")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--verbose", action="store_true", help="every clip's alerts")
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"{given.data}: no evaluation data: set POSEWATCH_DATA or --data", file=sys.stderr)
        return 2
    camera = yaml.safe_load(given.camera)
    if given.unhurried:
        camera = unhurried(camera)
    todo = [(*job, camera) for job in jobs(given.data) if given.only in (None, job[1])]
    clips = []
    with ProcessPoolExecutor(given.workers) as pool:
        for number, clip in enumerate(pool.map(run, todo), start=1):
            clips.append(clip)
            print(f"\r{number}/{len(todo)} {clip.name}          ", end="", file=sys.stderr)
            if given.verbose:
                print(f"\n{clip.name} {clip.truth} {clip.alerts}", file=sys.stderr)
    print(file=sys.stderr)
    print(report(clips))
    if given.out:
        given.out.write_text(json.dumps([asdict(clip) for clip in clips], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
