"""Tampering drawn into real footage, and what looks like it: found, how soon, and what is said wrongly.

    python tests/accuracy/tamper.py [--split report|tune|all] [--only NAME] [--out tamper.json]

Every source of the evaluation data (a scene of a camera) is played there and back, at ten frames a second,
for ten seconds; then it is tampered with, or something harmless happens, and then it is as before. Every
second source was used to choose thresholds, the others are reported. All footage is watched as it is, each
clip for a minute.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from daemon.capture import Frame
from daemon.config.tamper import TamperConfig
from daemon.tamper import TamperWatch
from daemon.topics import Topics

sys.path.insert(0, str(Path(__file__).parent))
from footage import DATA
from tamper_scenes import HARMLESS, TAMPERINGS, Scene, Setting, resize

Image = NDArray[np.uint8]

RATE = 10.0  # frames a second
BEFORE, AFTER = 10.0, 8.0  # seconds
LONGEST, WIDEST = 200, 400  # frames of a clip in memory, px


@dataclass
class Outcome:
    """What was said of a scene at a source: states while it lasted, and seconds to the first right one."""

    scene: str
    source: str
    said: list[str]
    right: bool
    delay: float | None
    ended: bool


def sources() -> dict[str, list[Path]]:
    """Clips by the scene that they show."""
    found: dict[str, list[Path]] = defaultdict(list)
    with (DATA / "video/surv_fight/labels.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            found[f"cctv {int(row['source']):02}"].append(DATA / "video/surv_fight" / row["clip"])
    for clip in sorted((DATA / "video").glob("people/*.mp4")) + sorted((DATA / "mot").glob("*/video.*")):
        found[clip.parent.name + " " + clip.stem[:10]].append(clip)
    found["urfd"] = sorted((DATA / "video/urfd_fall").glob("*.mp4"))
    for subject in ("subject1", "subject2"):
        found[f"gmdcsa {subject}"] = sorted((DATA / "video/gmdcsa24" / subject).rglob("*.mp4"))
    return dict(sorted(found.items()))


def load(clip: Path, longest: int = LONGEST) -> list[Image]:
    """Frames of a clip at the common rate, there and back."""
    video = cv2.VideoCapture(str(clip))
    rate = video.get(cv2.CAP_PROP_FPS) or 25.0
    frames: list[Image] = []
    index, due = 0, 0.0
    while len(frames) < longest:
        good, image = video.read()
        if not good:
            break
        if index >= due:
            width = min(WIDEST, image.shape[1])
            frames.append(resize(image, width, round(image.shape[0] * width / image.shape[1])))
            due += rate / RATE
        index += 1
    return frames + frames[-2:0:-1]


def play(
    frames: list[Image], scene: Scene | None, setting: Setting, seconds: float
) -> Iterator[tuple[float, Image]]:
    for index in range(int(seconds * RATE)):
        t = index / RATE
        image = frames[index % len(frames)]
        if scene is not None and BEFORE <= t < BEFORE + scene.seconds:
            image = scene.change(image, t - BEFORE, setting)
        yield t, image


def watch(stream: Iterator[tuple[float, Image]]) -> list[tuple[float, str]]:
    """Times and states of the messages."""
    watcher = TamperWatch("camera", TamperConfig(), Topics())
    said = []
    for index, (t, image) in enumerate(stream):
        for message in watcher.update(Frame("camera", index, np.ascontiguousarray(image), 1e9 + t, 1e3 + t)):
            assert isinstance(message.payload, dict)
            said.append((t, str(message.payload["state"])))
    return said


def run(name: str, scene: Scene, source: str, frames: list[Image], setting: Setting) -> Outcome:
    end = BEFORE + scene.seconds
    said = watch(play(frames, scene, setting, end + AFTER))
    before = [state for t, state in said if t < BEFORE]
    during = [(t - BEFORE, state) for t, state in said if t >= BEFORE]
    states = ([] if before == ["ok"] else [f"before:{'+'.join(before) or 'unknown'}"]) + [
        state for _, state in during if state != "ok"
    ]
    delays = [t for t, state in during if state in scene.states]
    fine = all(state in scene.allowed for state in states) if not scene.states else bool(delays)
    return Outcome(
        name,
        source,
        states,
        fine,
        round(delays[0], 2) if delays else None,
        bool(said) and said[-1][1] == "ok",
    )


def at_source(work: tuple[str, Path, Path, int, list[str]]) -> list[Outcome]:
    name, clip, neighbour, index, titles = work
    frames, setting = load(clip), Setting(index, load(neighbour, 60))
    scenes = {**TAMPERINGS, **HARMLESS}
    return [run(title, scenes[title], name, frames, setting) for title in titles]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--split", choices=("report", "tune", "all"), default="report")
    parser.add_argument("--only", action="append", default=[], help="scenes whose name begins so")
    parser.add_argument("--step", type=int, default=1, help="only every so many sources")
    parser.add_argument("--list", action="store_true", help="every mistake")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if not DATA.is_dir():
        print(f"no evaluation data at {DATA}: set POSEWATCH_DATA", file=sys.stderr)
        return 2
    everything = sources()
    names = list(everything)
    chosen = {"all": names, "tune": names[::2], "report": names[1::2]}[options.split][:: options.step]
    scenes = {
        name: scene
        for name, scene in {**TAMPERINGS, **HARMLESS}.items()
        if not options.only or any(name.startswith(start) for start in options.only)
    }
    outcomes: list[Outcome] = []
    started = time.monotonic()
    work = [
        (name, everything[name][0], everything[names[(index + 7) % len(names)]][0], index, list(scenes))
        for index, name in enumerate(names)
        if name in chosen
    ]
    with ProcessPoolExecutor(initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        for number, own in enumerate(pool.map(at_source, work)):
            outcomes += own
            print(f"{number + 1}/{len(work)} {time.monotonic() - started:.0f} s", file=sys.stderr)
    result: dict[str, Any] = {"sources": len(chosen), "scenes": report(outcomes, options.list)}
    if not options.only:
        result["untouched"] = untouched(everything)
        print(untouched_table(result["untouched"]))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def report(outcomes: list[Outcome], list_all: bool) -> list[dict[str, Any]]:
    """Prints the tables; returns their rows."""
    rows = []
    print("| scene | right | median s | worst s | ended by itself | said otherwise |\n" + "| --- " * 6 + "|")
    for scene in dict.fromkeys(outcome.scene for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.scene == scene]
        delays = [outcome.delay for outcome in own if outcome.delay is not None]
        wanted = {**TAMPERINGS, **HARMLESS}[scene]
        otherwise = Counter(
            state for outcome in own for state in dict.fromkeys(outcome.said) if state not in wanted.states
        )
        row = {
            "scene": scene,
            "right": sum(outcome.right for outcome in own),
            "of": len(own),
            "median": float(np.median(delays)) if delays else None,
            "worst": max(delays) if delays else None,
            "ended": sum(outcome.ended for outcome in own),
            "otherwise": dict(otherwise),
        }
        rows.append(row)
        text = ", ".join(f"{state} {count}" for state, count in otherwise.most_common()) or "-"
        times = f"{row['median']:.1f} | {row['worst']:.1f}" if delays else "- | -"
        print(f"| {scene} | {row['right']} of {row['of']} | {times} | {row['ended']} | {text} |")
    if list_all:
        for outcome in outcomes:
            if not outcome.right or not outcome.ended:
                print(outcome)
    return rows


def untouched(everything: dict[str, list[Path]]) -> dict[str, Any]:
    """What is said of footage as it is."""
    said: Counter[str] = Counter()
    seconds = shown = 0.0
    where = []
    clips = [clip for own in everything.values() for clip in own]
    with ProcessPoolExecutor(initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        for clip, (length, lasts, states) in zip(clips, pool.map(as_it_is, clips), strict=True):
            shown, seconds = shown + length, seconds + lasts
            said.update(states)
            if states:
                where.append(f"{clip.parent.name}/{clip.stem}: {states}")
    return {"hours": seconds / 3600, "different_minutes": shown / 60, "said": dict(said), "where": where}


def as_it_is(clip: Path) -> tuple[float, float, list[str]]:
    """Length of a clip, for how long it was played, in seconds, and what was said besides ok."""
    frames = load(clip, 3000)
    lasts = max(60.0, len(frames) / RATE)
    states = [state for _, state in watch(play(frames, None, Setting(0, []), lasts)) if state != "ok"]
    return (len(frames) + 2) / 2 / RATE, lasts, states


def untouched_table(found: dict[str, Any]) -> str:
    count = sum(found["said"].values())
    lines = [
        f"Untouched: {found['hours']:.2f} h, of which {found['different_minutes']:.1f} minutes differ; "
        f"false states: {count} ({count / found['hours']:.2f} an hour)",
        *found["where"],
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
