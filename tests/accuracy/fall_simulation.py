"""Falls and daily activity of held-out actors, seen by made-up cameras: sensitivity against false alarms.

    posewatch train corpus --out out/held_out.onnx     (not --final: the file names the groups of its test)
    python tests/accuracy/fall_simulation.py --model out/held_out.onnx [--scenes 300]

Motion capture and Kinect takes (lying down, squatting, picking up, sitting down, carrying, waving, ...) and
made-up activities (to bed and up again, sitting on the floor, kneeling, push-ups) and falls, of actors that
the model has not seen, become tracks with boxes and noisy poses as a random CCTV camera would give them, and
go through windows, model, posture and alert rules as in the daemon. Prints for some values of the rule's
`min_score` the falls found within 2 s, and the false alarms by kind of activity. Writes JSON with --out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from footage import DATA

from classifier.model import ActionModel, ActionScores
from classifier.training.corpus.activities import daily_activity, made_fall
from classifier.training.corpus.body import RATE, Body
from classifier.training.corpus.build import stands
from classifier.training.corpus.camera import random_camera, see
from classifier.training.corpus.motions import fall, hold, seat
from classifier.training.corpus.poses import lie
from classifier.training.corpus.sources import Motion, read_motions
from daemon.actions import ActionHysteresis
from daemon.alerts import AlertEngine
from daemon.config.actions import ActionsConfig
from daemon.config.rules import FallRule, LyingRule
from daemon.posture import Postures, plausible
from daemon.scene import Person, Scene
from daemon.topics import Topics
from tracker.pose import Pose
from tracker.tracks import Track, TrackState

LIMIT = 2.0  # seconds from the beginning of a fall
SCORES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
FPS = 15.0
TRACK = "1"


@dataclass(frozen=True, slots=True)
class Story:
    """A motion at 30 Hz; `falls` is the second at which a fall begins, None for daily activity."""

    kind: str
    body: Body
    falls: float | None = None


def stories(motions: Sequence[Motion], count: int, random: np.random.Generator) -> Iterator[Story]:
    """`count` falls, and as many activities of each of the two kinds."""
    uprights = [one for one in motions if one.label in {"walking", "running", "other", "waving"}]
    standing = [one for one in motions if stands(one.body[0])]
    for number in range(count):
        motion = uprights[random.integers(len(uprights))]
        if number % 2:
            lead = motion.body[-60:]
            if number % 4 == 1:
                lead = seat(lead, random)
            lead = np.concatenate([hold(lead[0], random.uniform(1.0, 2.5), random), lead])
            made = fall(lead, random, lying_seconds=4.0)
            yield Story("fall tips over", made.body, made.begins / RATE)
        else:
            motion = standing[random.integers(len(standing))]
            made_up = made_fall(motion.body[0], random)
            yield Story(made_up.name, made_up.body, made_up.actions[0][1] / RATE)
        motion = motions[random.integers(len(motions))]
        parts = [
            hold(motion.body[0], random.uniform(1.5, 3.0), random),
            motion.body,
            hold(motion.body[-1], random.uniform(2.0, 4.0), random),
        ]
        yield Story(motion.label, np.concatenate(parts))
        motion = standing[random.integers(len(standing))]
        activity = daily_activity(motion.body[0], random)
        yield Story(activity.name, activity.body)


def long_lies(motions: Sequence[Motion], count: int, random: np.random.Generator) -> Iterator[Story]:
    """People who stay down for 14 s: after a fall, and from the beginning; `falls` is when they lie."""
    standing = [one for one in motions if stands(one.body[0])]
    for number in range(count):
        pose = standing[random.integers(len(standing))].body[0]
        if number % 2:
            made = fall(hold(pose, 1.5, random), random, lying_seconds=14.0)
            yield Story("after a fall", made.body, made.lands / RATE)
        else:
            yield Story("found down", hold(lie(pose, random), 14.0, random, sway=0.004), 0.0)


def filmed(story: Story, random: np.random.Generator) -> Iterator[tuple[float, Track, Pose | None, int, int]]:
    """The story's track and pose in each frame of a camera; nothing of a story that is mostly outside."""
    body = story.body * random.uniform(0.9, 1.1)
    for _ in range(5):
        camera = random_camera(body, random)
        landmarks, seen = see(body, camera, random)
        if seen.mean() > 0.8:
            break
    else:
        return
    size = np.array([camera.width, camera.height])
    true, _ = camera.project(body)
    inside = np.clip(true, 0, size)
    low, high = inside.min(axis=1), inside.max(axis=1)
    margin = 0.06 * np.linalg.norm(high - low, axis=1, keepdims=True)
    low, high = np.clip(low - margin, 0, size), np.clip(high + margin, 0, size)
    jitter = random.normal(0, 0.012, (len(body), 4)) * np.tile(high - low, 2).max(axis=1, keepdims=True)
    boxes = np.concatenate([low, high], axis=1) + jitter
    blind = _blind(len(body), random)
    anchor, since = np.zeros(2), 0.0
    for number in range(0, len(body), round(RATE / FPS)):
        time = number / RATE
        box = boxes[number].astype(np.float32)
        middle, height = (box[:2] + box[2:]) / 2, float(box[3] - box[1])
        if number == 0 or np.linalg.norm(middle - anchor) > 0.25 * height:
            anchor, since = middle, time
        visible = bool(seen[number]) and not blind[number]
        track = Track(
            TRACK, 1, TrackState.CONFIRMED if visible else TrackState.LOST, box, None,
            np.zeros(2, np.float32), 0.8, 0.0, 0.0, time if visible else time - 1 / FPS, 5,
            time - since >= 1.0, 0.0,
        )  # fmt: skip
        pixels = landmarks[number] * np.array([*size, size[0], 1.0], np.float32)
        pose = Pose(pixels, np.zeros((33, 3), np.float32), 0.9) if visible else None
        yield time, track, pose, camera.width, camera.height


def _blind(count: int, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Frames in which the detector and the pose have lost the person: of every third one, up to 0.7 s."""
    lost = np.zeros(count, np.bool_)
    if random.random() < 0.33:
        start = int(random.integers(count))
        lost[start : start + int(random.uniform(0.1, 0.7) * RATE)] = True
    return lost


def scenes(frames: Sequence[tuple[float, Track, Pose | None, int, int]], model: ActionModel) -> list[Scene]:
    """What the daemon makes of it, up to the rules."""
    stream, actions, postures = model.stream(), ActionHysteresis(ActionsConfig()), Postures()
    scores: ActionScores | None = None
    seen, last, found = {}, -1.0, []
    for time, track, pose, width, height in frames:
        if pose is not None:
            stream.push_all({TRACK: pose.landmarks}, time)
        if time - last >= 0.18:
            last = time
            for scores in model.classify(stream, [TRACK] if pose is not None else []):
                actions.update(plausible(scores, seen.get(TRACK)))
        action, score = actions.current(TRACK, time)
        person = Person(track, pose, scores, action, score, ())
        scene = Scene("simulated", width, height, time, time, (person,))
        seen = postures.update(scene)
        found.append(scene)
    return found


def raised(told: Sequence[Scene], min_score: float) -> list[tuple[float, str]]:
    """Seconds and rule of the alerts."""
    rules = {"fall": FallRule(type="fall", min_score=min_score), "lying": LyingRule(type="lying")}
    engine = AlertEngine("simulated", rules, Topics("p"))
    return [
        (scene.monotonic, str(message.payload["rule"]))
        for scene in told
        for message in engine.evaluate(scene)
        if isinstance(message.payload, dict) and message.payload.get("type") == "raised"
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", type=Path, help="trained without --final (default: the bundled one, whose "
                        "training has seen all the actors)")  # fmt: skip
    parser.add_argument("--scenes", type=int, default=300, help="falls, and activities of each kind")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    if not (given.data / "skeleton").is_dir():
        print(f"{given.data}: no evaluation data: set POSEWATCH_DATA or --data", file=sys.stderr)
        return 2
    model = ActionModel(given.model)
    motions = read_motions(given.data / "skeleton")
    own = [one for one in motions if one.group in model.held_out]
    print(
        f"actors: {', '.join(sorted({one.group for one in own})) or 'all, seen in training'}", file=sys.stderr
    )
    report(own or motions, model, given.scenes, given.seed, given.out)
    return 0


def report(motions: Sequence[Motion], model: ActionModel, count: int, seed: int, out: Path | None) -> None:
    random = np.random.default_rng(seed)
    told = []
    for story in stories(motions, count, random):
        frames = list(filmed(story, random))
        if frames:
            told.append((story, scenes(frames, model)))
    falls = sum(story.falls is not None for story, _ in told)
    hours = sum(s[-1].monotonic for story, s in told if story.falls is None) / 3600
    print(f"{falls} falls, {hours:.2f} h of daily activity\n")
    print("| min_score | falls within 2 s | found | median delay (s) | before | false alarms | per hour |")
    print("| --- " * 7 + "|")
    table = []
    for score in SCORES:
        delays, early, false, missed = [], 0, Counter[str](), Counter[str]()
        for story, seen in told:
            times = [at for at, rule in raised(seen, score) if rule == "fall"]
            if story.falls is None:
                false[story.kind] += len(times)
            else:
                good = [at - story.falls for at in times if at >= story.falls - 0.5]
                early += len(times) - len(good)
                delays += good[:1]
                missed[story.kind] += not good
        soon = sum(delay <= LIMIT for delay in delays)
        total = sum(false.values())
        print(
            f"| {score} | {soon / falls:.3f} | {len(delays) / falls:.3f} | {np.median(delays):.2f} | {early} "
            f"| {total} | {total / hours:.1f} |"
        )
        table.append(
            {"min_score": score, "within": soon / falls, "found": len(delays) / falls, "false": dict(false),
             "missed": dict(missed), "hours": hours}
        )  # fmt: skip
    for row in table:
        kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(row["false"].items()) if number)
        lost = ", ".join(f"{kind} {number}" for kind, number in sorted(row["missed"].items()) if number)
        print(f"\n{row['min_score']}: false: {kinds or 'none'}; missed: {lost or 'none'}")
    lain = report_long_lies(motions, model, count // 3, random)
    if out:
        out.write_text(json.dumps({"falls": table, "long_lies": lain}, indent=1))


def report_long_lies(
    motions: Sequence[Motion], model: ActionModel, count: int, random: np.random.Generator
) -> dict[str, float]:
    """Prints how many of those who stay down for 14 s raise `lying` (10 s by default), and when."""
    print("\n| down for 14 s | people | rule lying | median seconds after the beginning |")
    print("| --- " * 4 + "|")
    found: dict[str, list[float]] = {}
    for story in long_lies(motions, count, random):
        frames = list(filmed(story, random))
        if frames:
            assert story.falls is not None
            times = [at for at, rule in raised(scenes(frames, model), 0.5) if rule == "lying"]
            found.setdefault(story.kind, []).append(times[0] - story.falls if times else np.inf)
    shares = {}
    for kind, delays in found.items():
        shares[kind] = float(np.isfinite(delays).mean())
        print(f"| {kind} | {len(delays)} | {shares[kind]:.2f} | {np.median(delays):.1f} |")
    return shares


if __name__ == "__main__":
    sys.exit(main())
