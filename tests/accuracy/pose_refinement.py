"""Poses steadied over time: as they are, by One-Euro, by the bundled refiner, and by both.

    python tests/accuracy/pose_refinement.py [--out out.json] [--recordings DIR]

Three kinds of data, all unseen in training:
(a) motion of held-out actors seen by made-up cameras, corrupted;
(b) real BlazePose takes (landmarks/), whose sure landmarks (visibility > 0.9, smoothed both ways in time by
    one frame) are the truth, corrupted alike;
(c) the same takes as they are, and recordings of `posewatch replay --landmarks DIR`: no truth, so jitter
    only, and how far sure landmarks are moved.
The corruption is the one of training (tracker.training.refiner.corruption) with other random numbers:
what it leaves out, this report does not see. One-Euro's cutoff and beta are the best of a grid on
validation actors, by the mean error plus half the mean difference of second differences; a lower cutoff
would be steadier and less exact.

Occluded: in a burst of occlusion. PCK: share of landmarks within 0.2 of a length: the longer side of
the box around the person's landmarks (as LSTM Pose Machines report on Penn Action), or the torso
(median of the sequence). Of nose, shoulders, elbows, wrists, hips, knees and ankles. Errors in % of the
body height, "visible" where nothing but jitter is wrong. Jitter: mean acceleration in body heights/s^2.
Swapped: share of frames in which knees and ankles, or elbows and wrists, are nearer to the truth of the
other side. Lag: the delay at which poses of falls fit the truth best, ms; falls have jitter only.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from footage import DATA, ROOT
from scipy.ndimage import gaussian_filter1d

from classifier.recording import Recording, read_folder
from classifier.training.corpus.clean import projected_takes, write_clean
from tracker.landmarks import MIRROR
from tracker.pose import Pose
from tracker.refinement import PoseRefiner
from tracker.smoothing import OneEuro, PoseSmoother
from tracker.training.refiner.corruption import Corruption, Observed, corrupt
from tracker.training.refiner.takes import Takes, read_takes, split

JOINTS = np.array([0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28])
PAIRS = ((25, 26, 27, 28), (13, 14, 15, 16))
PIXELS = 250.0  # body height of the poses that are fed in
FRAMES, RATE = 60, 30.0
STEPS = (1, 2, 4)  # 30, 15 and 7.5 frames a second
MISSING = 0.05  # share of frames without a pose
JITTER_ONLY = Corruption(hidden=0.0, swapped=0.0, neighbour=0.0, spike=0.0)


@dataclass(frozen=True)
class Scenes:
    """B sequences of T frames, `step` frames of 30 Hz apart; lengths in body heights."""

    truth: np.ndarray
    known: np.ndarray
    visible: np.ndarray
    observed: Observed
    present: np.ndarray
    step: int


class Raw:
    """Poses as they are."""

    def update(self, poses: Mapping[str, Pose], monotonic: float) -> dict[str, Pose]:  # noqa: ARG002
        return dict(poses)

    def drop(self, tracks: Iterable[str]) -> None:
        pass


class Both:
    """One after the other."""

    def __init__(self, *parts: PoseSmoother) -> None:
        self._parts = parts

    def update(self, poses: Mapping[str, Pose], monotonic: float) -> dict[str, Pose]:
        made = dict(poses)
        for part in self._parts:
            made = part.update(made, monotonic)
        return made

    def drop(self, tracks: Iterable[str]) -> None:
        gone = list(tracks)
        for part in self._parts:
            part.drop(gone)


def scenes(takes: Takes, step: int, random: np.random.Generator, most: int, how: Corruption) -> Scenes:
    """A part of each of up to `most` takes; a take that is too short goes back and forth."""
    chosen = random.permutation(len(takes))[:most]
    counts = takes.counts[chosen][:, None]
    first = (random.random((len(chosen), 1)) * np.maximum(counts - FRAMES * step, 1)).astype(int)
    place = (first + np.arange(FRAMES) * step) % (2 * (counts - 1))
    frames = takes.starts[chosen][:, None] + np.where(place < counts, place, 2 * (counts - 1) - place)
    return corrupted(takes, frames, step, random, how)


def corrupted(
    takes: Takes, frames: np.ndarray, step: int, random: np.random.Generator, how: Corruption
) -> Scenes:
    """Scenes of the frames (B, T) of takes."""
    points, known, visible = takes.points[frames], takes.known[frames], takes.visible[frames]
    sides = box_sides(points, known)
    height = np.percentile(sides, 90, axis=1)[:, None, None, None]
    truth = ((points - points[:, :1].mean(axis=2, keepdims=True)) / height).astype(np.float32)
    seconds = np.full(frames.shape, step / RATE, np.float32)
    observed = corrupt(truth, visible, seconds, random, how)
    present = random.random(frames.shape) >= MISSING
    return Scenes(truth, known, visible, observed, present, step)


def box_sides(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(...) longer side of the box of the known landmarks (..., 33, 2)."""
    low = np.where(known[..., None], points, np.inf).min(axis=-2)
    high = np.where(known[..., None], points, -np.inf).max(axis=-2)
    return np.maximum(np.nan_to_num((high - low).max(axis=-1), neginf=0.0), 1e-3)


def run(smoother: PoseSmoother, found: Scenes) -> np.ndarray:
    """(B, T, 33, 2) what the smoother makes of the observed; NaN in frames without a pose."""
    made = np.full(found.truth.shape, np.nan, np.float32)
    landmarks = found.observed.landmarks
    for frame in range(made.shape[1]):
        poses = {}
        for row in np.flatnonzero(found.present[:, frame]):
            values = np.zeros((33, 4), np.float32)
            values[:, :2] = landmarks[row, frame, :, :2] * PIXELS + (640.0, 360.0)
            values[:, 3] = landmarks[row, frame, :, 2]
            poses[str(row)] = Pose(values, np.zeros((33, 3), np.float32), 1.0)
        for row, pose in smoother.update(poses, frame * found.step / RATE).items():
            made[int(row), frame] = (pose.landmarks[:, :2] - (640.0, 360.0)) / PIXELS
    smoother.drop([str(row) for row in range(len(made))])
    return made


def figures(parts: list[tuple[Scenes, np.ndarray]]) -> dict[str, float]:
    """The figures of a method over all parts."""
    pooled: dict[str, list[np.ndarray]] = {}

    def add(name: str, values: np.ndarray) -> None:
        pooled.setdefault(name, []).append(np.ravel(values))

    for found, made in parts:
        truth, seen = found.truth[:, :, JOINTS], found.observed
        error = np.linalg.norm(made[:, :, JOINTS] - truth, axis=-1)
        counted = (found.known & found.present[..., None])[:, :, JOINTS]
        hidden = counted & seen.hidden[:, :, JOINTS]
        plain = counted & ~seen.hidden[:, :, JOINTS] & ~seen.swapped[:, :, JOINTS]
        plain &= found.visible[:, :, JOINTS] & ~seen.elsewhere[..., None]
        box = box_sides(found.truth, found.known)[..., None]
        middle = found.truth[:, :, [11, 12]].mean(axis=2) - found.truth[:, :, [23, 24]].mean(axis=2)
        torso = np.median(np.linalg.norm(middle, axis=-1), axis=1)[:, None, None]
        for name, limit in (("box", 0.2 * box), ("torso", 0.2 * torso)):
            add(f"pck {name} occluded", (error <= limit)[hidden])
            add(f"pck {name} all", (error <= limit)[counted])
        swapped = counted & seen.swapped[:, :, JOINTS]
        add("pck torso swapped", (error <= 0.2 * torso)[swapped])
        add("error visible %", 100 * error[plain])
        add("error all %", 100 * error[counted])
        away = counted & seen.elsewhere[..., None]
        add("error on neighbour %", 100 * error[away])
        interval = found.step / RATE
        triple = found.present[:, 2:] & found.present[:, 1:-1] & found.present[:, :-2]
        triple = triple[..., None] & counted[:, 2:] & counted[:, 1:-1] & counted[:, :-2]
        for name, points in (("jitter", made[:, :, JOINTS]), ("jitter of truth", truth)):
            bend = np.linalg.norm(np.diff(points, 2, axis=1), axis=-1) / interval**2
            add(name, bend[triple])
        both = made[:, :, JOINTS] - truth
        add("bend", np.linalg.norm(np.diff(both, 2, axis=1), axis=-1)[triple])
        for pair in PAIRS:
            add("swapped %", 100 * swaps(found, made, pair))
    return {name: float(np.mean(np.concatenate(values))) for name, values in pooled.items()}


def swaps(found: Scenes, made: np.ndarray, pair: tuple[int, ...]) -> np.ndarray:
    """Per frame that can tell, whether the limbs are on the wrong sides."""
    joints = np.array(pair)
    truth, other = found.truth[:, :, joints], found.truth[:, :, MIRROR[joints]]
    apart = np.linalg.norm(truth - other, axis=-1).mean(axis=-1) > 0.06
    tells = apart & found.present & found.known[:, :, joints].all(axis=-1) & ~found.observed.elsewhere
    own = np.linalg.norm(made[:, :, joints] - truth, axis=-1).mean(axis=-1)
    wrong = np.linalg.norm(made[:, :, joints] - other, axis=-1).mean(axis=-1) < own
    return wrong[tells]


def fall_lag(takes: Takes, smoother: Callable[[], PoseSmoother], step: int, most: int = 80) -> float:
    """ms by which poses of falls come late, at the shift that fits best."""
    falls = takes.chosen(takes.labels == "falling")
    random = np.random.default_rng(3)
    shifts = np.arange(-0.1, 0.401, 0.005)
    errors = np.zeros(len(shifts))
    for number in random.permutation(len(falls))[:most]:
        frames = falls.starts[number] + np.arange(0, falls.counts[number], step)
        found = corrupted(falls, frames[None], step, random, JITTER_ONLY)
        found.present[:] = True
        made, times = run(smoother(), found)[0], np.arange(len(frames)) * step / RATE
        late = times >= times[-1] - 1.0  # the fall and the landing; before, people stand or walk
        truth = found.truth[0][:, JOINTS].reshape(len(frames), -1)
        for place, shift in enumerate(shifts):
            moved = np.stack([np.interp(times - shift, times, column) for column in truth.T], axis=1)
            errors[place] += np.abs(made[:, JOINTS].reshape(len(frames), -1) - moved)[late].sum()
    return float(1e3 * shifts[errors.argmin()])


def real_takes(recordings: list[Recording]) -> Takes:
    """Recordings as takes: what BlazePose is sure of is the truth."""
    points, known, counts, labels, groups = [], [], [], [], []
    for recording in recordings:
        if len(recording.frames) < 20:
            continue
        points.append(gaussian_filter1d(recording.pixels[..., :2], 1.0, axis=0, mode="nearest"))
        known.append(recording.landmarks[..., 3] > 0.9)
        counts.append(len(recording.frames))
        labels.append(recording.label)
        groups.append(recording.group)
    sure, edges = np.concatenate(known), np.cumsum([0, *counts])
    return Takes(
        np.concatenate(points).astype(np.float32),
        sure,
        sure,
        edges[:-1],
        np.array(counts),
        np.array(labels),
        np.array(groups),
        RATE,
    )


def untouched(recordings: list[Recording], smoother: Callable[[], PoseSmoother]) -> dict[str, float]:
    """Jitter of sure landmarks of takes as they are, and how far they are moved, % of body height."""
    jitter, moved = [], []
    for recording in recordings:
        pixels, method = recording.pixels, smoother()
        sure = pixels[:, JOINTS, 3] > 0.9
        height = np.percentile(box_sides(pixels[..., :2], pixels[..., 3] > 0.5), 90)
        if len(pixels) < 20 or height < 10:
            continue
        made = np.empty((len(pixels), len(JOINTS), 2), np.float32)
        for number, (landmarks, instant) in enumerate(zip(pixels, recording.times, strict=True)):
            pose = Pose(landmarks, np.zeros((33, 3), np.float32), 1.0)
            made[number] = method.update({"one": pose}, float(instant))["one"].landmarks[JOINTS, :2]
        even = (np.diff(recording.frames)[1:] == np.diff(recording.frames)[:-1])[:, None]
        interval = np.diff(recording.times)[1:, None]
        bend = np.linalg.norm(np.diff(made, 2, axis=0), axis=-1) / height / interval**2
        jitter.append(bend[even & sure[2:] & sure[1:-1] & sure[:-2]])
        moved.append(np.linalg.norm(made - pixels[:, JOINTS, :2], axis=-1)[sure] / height * 100)
    return {"jitter": float(np.concatenate(jitter).mean()), "moved %": float(np.concatenate(moved).mean())}


def tuned(validation: Takes) -> dict[str, float]:
    """Cutoff and beta that are best by error and difference of accelerations, as in the refiner's loss."""
    random = np.random.default_rng(17)
    parts = [scenes(validation, step, random, 40, Corruption()) for step in STEPS]
    best: tuple[float, dict[str, float]] = (np.inf, {})
    for cutoff in (0.5, 1.0, 1.7, 3.0):
        for beta in (0.0, 2.5, 5.0, 10.0, 20.0, 40.0):
            setting = {"cutoff": cutoff, "beta": beta}
            result = figures([(part, run(OneEuro(**setting), part)) for part in parts])
            best = min(
                best, (result["error all %"] / 100 + 0.5 * result["bend"], setting), key=lambda x: x[0]
            )
    return best[1]


def cost(smoother: PoseSmoother, found: Scenes, people: int = 12) -> float:
    """ms of a call for that many people, median."""
    poses = {}
    milliseconds = []
    for frame in range(FRAMES):
        for row in range(people):
            values = np.concatenate([found.observed.landmarks[row, frame], np.zeros((33, 1))], axis=1)
            values = values[:, [0, 1, 3, 2]].astype(np.float32) * (PIXELS, PIXELS, PIXELS, 1)
            poses[str(row)] = Pose(values.astype(np.float32), np.zeros((33, 3), np.float32), 1.0)
        started = time.perf_counter()
        smoother.update(poses, frame / RATE)
        milliseconds.append((time.perf_counter() - started) * 1e3)
    return float(np.median(milliseconds))


def table(title: str, results: dict[str, dict[str, float]]) -> None:
    names = [name for name in next(iter(results.values())) if name != "bend"]
    print(f"\n### {title}\n\n| | " + " | ".join(results) + " |\n|" + " --- |" * (len(results) + 1))
    for name in names:
        print(f"| {name} | " + " | ".join(f"{result[name]:.3f}" for result in results.values()) + " |")


def clean_takes(path: Path) -> Takes:
    if not path.is_file():
        print(f"making {path}", file=sys.stderr)
        write_clean(path, list(projected_takes(DATA / "skeleton")))
    return read_takes(path)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clean", type=Path, default=ROOT / "out" / "accuracy" / "clean.npz")
    parser.add_argument("--model", type=Path, help="refiner (default: the bundled one)")
    parser.add_argument("--recordings", type=Path, help="recordings of real footage for (c)")
    parser.add_argument("--most", type=int, default=80, help="takes a frame rate in (a) and (b)")
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    _, validation, test = split(clean_takes(given.clean))
    setting = tuned(validation)
    print(f"One-Euro: {setting}")
    methods: dict[str, Callable[[], PoseSmoother]] = {
        "raw": Raw,
        "one euro": lambda: OneEuro(**setting),
        "refiner": lambda: PoseRefiner(given.model),
        "refiner, one euro": lambda: Both(PoseRefiner(given.model), OneEuro(**setting)),
    }
    recordings = read_folder(DATA / "landmarks")
    report: dict[str, object] = {"one euro": setting}
    for title, takes in (("a: held-out actors", test), ("b: real takes", real_takes(recordings))):
        random = np.random.default_rng(29)
        parts = [scenes(takes, step, random, given.most, Corruption()) for step in STEPS]
        results = {}
        for name, made in methods.items():
            results[name] = figures([(part, run(made(), part)) for part in parts])
            if title.startswith("a"):
                results[name]["lag 30/s ms"] = fall_lag(test, made, 1)
                results[name]["lag 10/s ms"] = fall_lag(test, made, 3)
        table(title, results)
        report[title] = results
    kinds = {"c: real takes as they are": recordings}
    if given.recordings:
        kinds["c: footage as it is"] = read_folder(given.recordings)
    for title, found in kinds.items():
        results = {name: untouched(found, made) for name, made in methods.items()}
        table(title, results)
        report[title] = results
    parts = [scenes(test, 1, np.random.default_rng(1), 12, Corruption())]
    report["ms for 12 people"] = {name: {"ms": cost(made(), parts[0])} for name, made in methods.items()}
    table("cost of a call, 12 people", report["ms for 12 people"])  # type: ignore[arg-type]
    if given.out:
        given.out.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
