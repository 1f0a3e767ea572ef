"""Rules of what a person does (`waving`, `running`) on people and footage that the action model has not seen.

    python tests/accuracy/doing.py [--seconds 5] [--steady-rate 4]

1. Takes that strangers have published (webcams, phones; MediaPipe's landmarks), in pieces of some seconds,
   each a person who appears, does one thing, and is gone: through windows, model, labels and rules as in the
   daemon. A piece is right when the rule of what is done in it is raised, and no other. Poses are left out
   as the daemon leaves out those of steady people; --steady-rate 0 takes all.
2. Footage in which everybody walks, stands, sits or falls (PETS, TUD, people, UR Fall, GMDCSA24), through the
   whole pipeline: what is raised is false, or must be looked at (--list). GMDCSA24 was trained on.

Prints tables, writes JSON with --out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from alerts import Clip, jobs, run
from fall_simulation import TRACK, scenes
from footage import DATA

from classifier.model import ActionModel
from classifier.recording import Recording, read_recording, usable
from daemon.alerts import AlertEngine
from daemon.config import PoseConfig
from daemon.config.rules import RunningRule, WavingRule
from daemon.topics import Topics
from tracker.pose import Pose
from tracker.pose_pacing import PosePacing
from tracker.tracks import Track, TrackState

WIDTH, HEIGHT = 640, 480  # of a webcam; the takes do not say
Piece: TypeAlias = tuple[float, Track, Pose | None, int, int]
RULES = {"waving": WavingRule(type="waving"), "running": RunningRule(type="running")}
TAKES = {  # what is done in them, of which rules know waving and running
    "HQC408/HANDSWING": "waving",
    "phungdx/HANDSWING": "waving",
    "Spidartist/HANDSWING": "waving",
    "ThangPetros/HANDSWING": "waving",
    "RyanPham/HANDSWING": "waving",
    "HQC408/RUNNING": "running",
    "HQC408/WALKING": "walking",
    "HQC408/SITTING": "sitting",
    "HQC408/STANDING": "standing",
    "MyCrabs/NONE": "standing",
    "MyCrabs/JUMPING_JACKS": "jumping jacks",
    "RyanPham/NOTHING": "sitting",
    "RyanPham/CLAPPING": "clapping",
    "RyanPham/SHAKING HEAD": "shaking the head",
    "Spidartist/HEADSWING": "moving the head",
}


def pieces(take: Recording, seconds: float) -> Iterator[list[Piece]]:
    """Frames as `scenes` takes them; what is left over at the end is left out."""
    step = max(1, round(take.rate / 15.0))
    length = round(seconds * take.rate)
    good = usable(take.landmarks)
    for start in range(0, len(take.landmarks) - length + 1, length):
        frames = []
        since = 0.0
        for number in range(start, start + length, step):
            time = (number - start) / take.rate
            pixels = take.landmarks[number] * np.array([WIDTH, HEIGHT, WIDTH, 1.0], np.float32)
            visible = bool(good[number])
            shown = pixels[pixels[:, 3] > 0.5, :2] if visible else np.empty((0, 2), np.float32)
            visible = len(shown) > 4
            box = np.array([0, 0, WIDTH, HEIGHT], np.float32)
            if visible:
                low, high = (
                    np.clip(shown.min(0), 0, (WIDTH, HEIGHT)),
                    np.clip(shown.max(0), 0, (WIDTH, HEIGHT)),
                )
                box = np.concatenate([low, high]).astype(np.float32)
            track = Track(
                TRACK, 1, TrackState.CONFIRMED if visible else TrackState.LOST, box, None,
                np.zeros(2, np.float32), 0.8, 0.0, 0.0, time if visible else time - 1 / 15, 5,
                time - since >= 1.0, 0.0,
            )  # fmt: skip
            pose = Pose(pixels, np.zeros((33, 3), np.float32), 0.9) if visible else None
            frames.append((time, track, pose, WIDTH, HEIGHT))
        yield frames


def paced(frames: list[Piece], rate: float) -> tuple[list[Piece], int]:
    """The frames without the poses that are not read at this rate of steady people, and how many are."""
    pacing, kept, read = PosePacing(rate), list[Piece](), 0
    for time, track, pose, width, height in frames:
        rests = pose is not None and track.id in pacing.resting([track.id], time)
        if pose is not None and not (rests and pacing.fits(track.id, track.box, time)):
            pacing.see(track.id, pose.landmarks, pose.score, track.box, time)
            kept.append((time, track, pose, width, height))
            read += 1
        else:
            kept.append((time, track, None, width, height))
    return kept, read


def raised(frames: list[Piece], model: ActionModel) -> dict[str, float]:
    """Seconds of the first alert of each rule."""
    engine, found = AlertEngine("door", RULES, Topics("p")), dict[str, float]()
    for scene in scenes(frames, model):
        for message in engine.evaluate(scene):
            if isinstance(message.payload, dict) and message.payload["type"] == "raised":
                found.setdefault(str(message.payload["rule"]), scene.monotonic)
    return found


def on_takes(data: Path, seconds: float, steady_rate: float) -> list[dict[str, Any]]:
    """A row for each take."""
    model = ActionModel(None)
    rows: list[dict[str, Any]] = []
    for name, label in TAKES.items():
        count, alerts, delays, poses, read = 0, Counter[str](), list[float](), 0, 0
        for frames in pieces(read_recording(data / "landmarks" / f"{name}.txt"), seconds):
            poses += sum(pose is not None for _, _, pose, *_ in frames)
            frames, taken = paced(frames, steady_rate)
            read += taken
            found = raised(frames, model)
            count += 1
            alerts.update(list(found))
            delays += [at for rule, at in found.items() if rule == label]
        delay = round(float(np.median(delays)), 1) if delays else None
        counts = {rule: alerts[rule] for rule in RULES}
        rows.append(
            {
                "take": name,
                "is": label,
                "pieces": count,
                **counts,
                "delay": delay,
                "read": round(read / max(poses, 1), 2),
            }
        )
    return rows


def on_footage(data: Path, workers: int) -> list[Clip]:
    camera = {
        "rules": {name: rule.model_dump(mode="json", exclude_unset=True) for name, rule in RULES.items()}
    }
    todo = [(*job, camera) for job in jobs(data) if job[1] != "surv_fight"]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(run, todo))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a piece")
    parser.add_argument("--steady-rate", type=float, default=PoseConfig().steady_rate, help="in Hz")
    parser.add_argument("--no-footage", action="store_true", help="takes only")
    parser.add_argument("--list", action="store_true", help="every alert on footage")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    if not (given.data / "landmarks").is_dir():
        print(f"{given.data}: no evaluation data: set POSEWATCH_DATA or --data", file=sys.stderr)
        return 2
    rows = on_takes(given.data, given.seconds, given.steady_rate)
    print(f"| take | is | pieces of {given.seconds:g} s | waving | running | median delay (s) | poses read |")
    print("| --- " * 7 + "|")
    for row in rows:
        print("| " + " | ".join("-" if value is None else str(value) for value in row.values()) + " |")
    for rule in RULES:
        own = sum(row["pieces"] for row in rows if row["is"] == rule)
        right = sum(row[rule] for row in rows if row["is"] == rule)
        false = sum(row[rule] for row in rows if row["is"] != rule)
        others = sum(row["pieces"] for row in rows if row["is"] != rule)
        print(f"\n{rule}: found in {right} of {own}, false in {false} of {others}")
    clips = [] if given.no_footage else on_footage(given.data, given.workers)
    if clips:
        print("\n| footage | clips | minutes | waving | running |\n| --- | --- | --- | --- | --- |")
    for kind in dict.fromkeys(clip.kind for clip in clips):
        own_clips = [clip for clip in clips if clip.kind == kind]
        counts = Counter(rule for clip in own_clips for _, rule in clip.alerts)
        minutes = sum(clip.seconds for clip in own_clips) / 60
        print(f"| {kind} | {len(own_clips)} | {minutes:.1f} | {counts['waving']} | {counts['running']} |")
    if given.list:
        for clip in clips:
            for at, rule in clip.alerts:
                if rule in RULES:
                    print(f"{clip.name} {rule} at {at:.1f} s")
    if given.out:
        given.out.write_text(
            json.dumps({"takes": rows, "footage": [clip.__dict__ for clip in clips]}, indent=1)
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
