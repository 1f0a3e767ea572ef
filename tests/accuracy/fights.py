"""Fights, end to end: alerts of `replay` on clips of sources that the model has not seen, five folds.

    python tests/accuracy/fights.py [--folds DIR] [--unhurried]

Trains the model of each fold (about ten minutes; with --folds they are there already, written by
`python -m classifier.training.fights --fold-models DIR`), replays every clip of the Surveillance Camera Fight
Dataset with the model of its fold and the default rules, and all other footage with the bundled model;
--unhurried switches off every economy of the defaults, to see what they cost. Prints
tables, writes JSON with --out.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from alerts import Clip, fight_table, jobs, run
from footage import DATA, ROOT, unhurried


def trained(folder: Path, data: Path) -> None:
    command = [sys.executable, "-m", "classifier.training.fights", "--fights", str(data / "video/surv_fight")]
    command += ["--harmless", str(data / "video/gmdcsa24"), "--out", str(folder / "fights.onnx")]
    subprocess.run([*command, "--fold-models", str(folder)], check=True, cwd=ROOT)


def report(clips: list[Clip], sources: dict[str, str]) -> str:
    fights = [clip for clip in clips if clip.kind == "surv_fight"]
    raised = {clip.name: any(rule == "fight" for _, rule in clip.alerts) for clip in fights}
    lines = [
        *fight_table(fights),
        "\n| source | fights missed | false alerts |",
        "| --- | --- | --- |",
    ]
    wrong: dict[str, list[list[str]]] = defaultdict(lambda: [[], []])
    for clip in fights:
        name = Path(clip.name).stem
        if raised[clip.name] != bool(clip.truth["fight"]):
            wrong[sources[name]][int(raised[clip.name])].append(name)
    for source, (missed, wrongly) in sorted(wrong.items(), key=lambda item: int(item[0])):
        lines.append(f"| {source} | {' '.join(missed) or '-'} | {' '.join(wrongly) or '-'} |")
    lines += ["\n| other footage | clips | minutes | fight alerts |", "| --- | --- | --- | --- |"]
    for kind in ("walking", "urfd_fall", "gmdcsa24"):
        own = [clip for clip in clips if clip.kind == kind]
        alerts = [clip.name for clip in own for _, rule in clip.alerts if rule == "fight"]
        minutes = sum(clip.seconds for clip in own) / 60
        lines.append(f"| {kind} | {len(own)} | {minutes:.1f} | {', '.join(alerts) or 'none'} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folds", type=Path, help="folder with the models of the folds")
    parser.add_argument("--unhurried", action="store_true", help="everybody found and read in every frame")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"{given.data}: no evaluation data: set POSEWATCH_DATA or --data", file=sys.stderr)
        return 2
    folder = given.folds or ROOT / "out" / "accuracy" / "fights"
    if given.folds is None:
        trained(folder, given.data)
    fold = json.loads((folder / "folds.json").read_text(encoding="utf-8"))
    with (given.data / "video/surv_fight/labels.csv").open(encoding="utf-8") as stream:
        sources = {Path(row["clip"]).stem: row["source"] for row in csv.DictReader(stream)}
    todo = []
    for path, kind, truth in jobs(given.data):
        camera = {}
        if kind == "surv_fight":
            camera = {"fights": {"model": str((folder / f"fold{fold[path.stem]}.onnx").resolve())}}
        todo.append((path, kind, truth, unhurried(camera) if given.unhurried else camera))
    clips = []
    with ProcessPoolExecutor(given.workers) as pool:
        for number, clip in enumerate(pool.map(run, todo), start=1):
            clips.append(clip)
            print(f"\r{number}/{len(todo)} {clip.name}          ", end="", file=sys.stderr)
    print(file=sys.stderr)
    print(report(clips, sources))
    if given.out:
        given.out.write_text(json.dumps([clip.__dict__ for clip in clips], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
