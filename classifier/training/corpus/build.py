"""Plans and writes the corpus: which part of which motion counts as which action, seen how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from classifier.recording import Recording, write_recording
from classifier.training.corpus.activities import Scene, daily_activity, made_fall, scenes_of
from classifier.training.corpus.body import RATE, Body
from classifier.training.corpus.camera import close_camera, random_camera, see, steep_camera
from classifier.training.corpus.gait import stride
from classifier.training.corpus.motions import fall, hands_before, hold, seat, swing_arms
from classifier.training.corpus.sources import Motion, read_motions

__all__ = ["Scene", "build", "scenes", "stands"]

_VIEWS = {  # cameras a scene, so that each class gets about as many windows
    "standing": 1,
    "walking": 5,
    "running": 6,
    "sitting": 1,
    "bending": 5,
    "falling": 1,
    "lying": 1,
    "waving": 3,
    "changing_posture": 1,
    "punching_kicking": 4,
    "other": 1,
}
_SPEEDS = {  # of the sources, whose actors are slow; the one set that sneaks would look like running
    ("utkinect", "walking"): (0.9, 1.6),
    ("hdm05", "walking"): (0.8, 1.2),
    ("hdm05", "running"): (1.0, 1.5),
    ("msr", "running"): (1.0, 1.3),
}
_CLOSE = {"waving": 0.3, "sitting": 0.2, "standing": 0.15, "other": 0.1}  # webcams, counters
_STEEP = 0.15  # of cameras look down from a ceiling
_SYNTHETIC = 380  # made-up scenes of each kind: falls, idle standing, seated people
_LEAD = 45  # frames before the part that counts


def build(
    skeletons: Path, out: Path, *, seed: int = 7, progress: Callable[[str], None] = lambda _: None
) -> Counter[str]:
    """Writes the corpus into a folder as recordings `GROUP/NAME/LABEL.txt`; returns takes per label.

    Args:
        skeletons: folder with hdm05_30hz.npz, utkinect.npz and msraction3d.npz.
        out: folder to write into.
        seed: the same seed makes the same corpus.
        progress: called with a line from time to time.

    Raises:
        OSError: an archive is missing or a recording cannot be written.
    """
    motions = read_motions(skeletons)
    progress(f"{len(motions)} motions")
    random, written = np.random.default_rng(seed), Counter[str]()
    for scene in scenes(motions, random):
        for view in range(2 if scene.name.startswith("made") else _VIEWS[scene.label]):
            recording = _view(scene, random)
            if recording is not None:
                name = f"{scene.name}-{view}"
                write_recording(out / scene.group / name / f"{scene.label.upper()}.txt", recording)
                written[scene.label] += 1
                if sum(written.values()) % 500 == 0:
                    progress(f"{sum(written.values())} takes")
    return written


def scenes(motions: Sequence[Motion], random: np.random.Generator) -> Iterator[Scene]:
    """Everything that is to be seen by cameras."""
    for motion in motions:
        yield from _parts(motion, random)
    uprights = [motion for motion in motions if motion.label in {"walking", "running", "other", "waving"}]
    poses = [motion for motion in motions if stands(motion.body[0])]
    for number in range(_SYNTHETIC):
        yield from _fall_scenes(uprights[random.integers(len(uprights))], number, random)
        motion = poses[random.integers(len(poses))]
        idle = hold(motion.body[0], random.uniform(4, 7), random, sway=random.choice([0.01, 0.02, 0.04]))
        yield Scene(f"idle{number}", "standing", motion.group, idle)
        if number % 2:
            busy = swing_arms(hands_before(idle, random), random, strength=0.15, sigma=12.0)
            yield Scene(f"busy{number}", "standing", motion.group, busy)
        motion = poses[random.integers(len(poses))]
        sitting = seat(hold(motion.body[0], random.uniform(4, 7), random, sway=0.01), random)
        busy = swing_arms(sitting, random, strength=float(random.choice([0.1, 0.2])), sigma=15.0)
        yield Scene(f"seated{number}", "sitting", motion.group, busy)
        for label in ("walking", "running")[: 2 - number % 2]:
            motion = poses[random.integers(len(poses))]
            gait = stride(motion.body[0], random.uniform(2.5, 4.5), random, running=label == "running")
            yield Scene(f"made-{label}{number}", label, motion.group, gait, 12)
        motion = poses[random.integers(len(poses))]
        yield from scenes_of(daily_activity(motion.body[0], random), motion.group, number)
        if number % 2:
            motion = poses[random.integers(len(poses))]
            yield from scenes_of(made_fall(motion.body[0], random), motion.group, number)


def _parts(motion: Motion, random: np.random.Generator) -> Iterator[Scene]:
    body, name, group = motion.body, motion.key, motion.group
    count = len(body)
    if motion.label == "lie_down":
        down = _first(body[:, [11, 12, 23, 24], 1].max(axis=1) < 0.38, count)
        yield Scene(f"{name}-down", "changing_posture", group, body[:down], min(20, down - 1))
        rest = hold(body[-1], random.uniform(3, 6), random, sway=0.005)
        yield Scene(name, "lying", group, np.concatenate([body[max(0, down - _LEAD) :], rest]), _LEAD)
        up = np.concatenate([rest[-60:], body[::-1]])
        yield Scene(f"{name}-up", "changing_posture", group, up, 80)
    elif motion.label in {"sit_down", "stand_up"}:
        forward = body if motion.label == "sit_down" else body[::-1]
        height = forward[:, 23:25, 1].mean(axis=1)
        low, high = np.percentile(height, 5), np.percentile(height, 95)
        going = _first(height < high - 0.2 * (high - low), count)
        seated = _first(height < low + 0.2 * (high - low), count)
        rest = hold(forward[-1], random.uniform(3, 5), random, sway=0.01)
        sitting = np.concatenate([forward[max(0, seated - _LEAD) :], rest])
        yield Scene(name, "sitting", group, sitting, min(_LEAD, seated))
        if going > 25:
            yield Scene(f"{name}-before", "standing", group, forward[:going])
        moving = np.concatenate([forward[max(0, going - 25) : seated]])
        yield Scene(f"{name}-down", "changing_posture", group, moving, 15)
        yield Scene(
            f"{name}-up",
            "changing_posture",
            group,
            np.concatenate([rest[-30:], forward[: seated + 1][::-1]]),
            40,
        )
    elif motion.label == "bending":
        low = body[:, [0, 11, 12], 1].mean(axis=1)
        bent = low < np.percentile(low, 95) - 0.22
        first, last = _first(bent, 0), count - _first(bent[::-1], 0)
        if last - first > 10:
            held = np.repeat(
                body[[first + int(np.argmin(low[first:last]))]], int(random.integers(1, 40)), axis=0
            )
            low_point = first + int(np.argmin(low[first:last]))
            whole = np.concatenate([body[max(0, first - 30) : low_point], held, body[low_point:last]])
            yield Scene(name, "bending", group, whole, min(30, first))
    else:
        first, last = _doing(motion)
        yield Scene(name, motion.label, group, body[:last], first)
        if motion.label == "waving":
            yield Scene(f"{name}-seated", "waving", group, seat(body[:last], random), first)
        if motion.label == "other" and random.random() < 0.25:
            yield Scene(f"{name}-seated", "sitting", group, seat(body, random))


def _doing(motion: Motion) -> tuple[int, int]:
    """Frames from which and up to which the action is seen: takes begin and end with standing still."""
    body, count = motion.body, len(motion.body)
    if motion.label not in {"waving", "punching_kicking", "other"}:
        return min(12, count - 1), count
    ends = body[:, [15, 16, 27, 28]] - body[:, 23:25].mean(axis=1, keepdims=True)
    speeds = np.linalg.norm(np.gradient(ends, 1 / RATE, axis=0), axis=-1).max(axis=1)
    busy = speeds > 0.35 * np.percentile(speeds, 90)
    if motion.label == "waving":  # also where a raised hand rests between two swings
        busy |= (body[:, 15:17, 1] > body[:, 13:15, 1] + 0.05).any(axis=1)
    first, last = _first(busy, 0), count - _first(busy[::-1], 0)
    return min(first + 8, count - 1), max(min(last + 5, count), min(first + 20, count))


def _fall_scenes(motion: Motion, number: int, random: np.random.Generator) -> Iterator[Scene]:
    """A fall with its lead-in, the lying after it, and at times the getting up."""
    length = min(len(motion.body), int(random.integers(20, 60)))
    last = int(random.integers(length, len(motion.body) + 1))
    lead = motion.body[last - length : last]
    if random.random() < 0.25:
        lead = seat(lead, random)
    made = fall(lead, random, lying_seconds=random.uniform(2.5, 6))
    name, group = f"fall{number}", motion.group
    through = min(len(made.body), made.lands + 18)
    yield Scene(name, "falling", group, made.body[:through], made.begins + 3)
    start = max(0, made.lands - 30)
    yield Scene(name, "lying", group, made.body[start:], made.lands + 22 - start)
    if random.random() < 0.35:
        rest, back = made.body[made.lands + 30 :], made.body[made.begins : made.lands + 1][::-1]
        slow = np.repeat(back, 2, axis=0)[: 2 * len(back) - 1]
        slow[1::2] = (back[:-1] + back[1:]) / 2
        yield Scene(
            f"{name}-up",
            "changing_posture",
            group,
            np.concatenate([rest[-45:], slow]),
            min(45, len(rest)) + 12,
        )


def _view(scene: Scene, random: np.random.Generator) -> Recording | None:
    speed = random.uniform(*_SPEEDS.get((scene.group.split("/")[0], scene.label), (1.0, 1.0)))
    if scene.name.startswith("made"):
        speed = 1.0
    body = _faster(scene.body, speed) * random.uniform(0.9, 1.1)
    labelled_from = round(scene.labelled_from / speed)
    if len(body) < 20:
        return None
    chance, make = random.random(), random_camera
    if chance < _STEEP:
        make = steep_camera
    elif chance < _STEEP + _CLOSE.get(scene.label, 0.0):
        make = close_camera
    for _ in range(4):
        camera = make(body, random)
        landmarks, seen = see(body, camera, random)
        if seen[labelled_from:].mean() > 0.75 and seen.sum() > 20:
            frames = np.flatnonzero(seen)
            return Recording(
                label=scene.label,
                frames=frames,
                landmarks=landmarks[frames],
                rate=RATE,
                width=camera.width,
                height=camera.height,
                source=scene.group.split("/")[0],
                track=scene.name,
                group=scene.group,
                labelled_from=labelled_from,
            )
    return None


def _faster(body: Body, speed: float) -> Body:
    """The motion played `speed` times as fast, at the same rate."""
    if speed == 1.0:
        return body
    places = np.arange(0, len(body) - 1, speed)
    before = places.astype(np.int64)
    share = (places - before)[:, None, None]
    return np.asarray(body[before] * (1 - share) + body[before + 1] * share)


def stands(pose: Body) -> bool:
    """Whether a pose (33, 3) is upright on its legs."""
    hips, knees, shoulders = (pose[[place, place + 1], 1].mean() for place in (23, 25, 11))
    return bool(hips > 0.75 and shoulders > hips + 0.3 and knees < hips - 0.3)


def _first(condition: np.typing.NDArray[np.bool_], default: int) -> int:
    return int(np.argmax(condition)) if condition.any() else default
