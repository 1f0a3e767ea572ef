"""`python -m classifier.training.corpus.clean --data DATA --out clean.npz`: bodies as cameras see them.

What `tracker.training.refiner` learns from: the landmarks where they truly are, without noise, and
which of them the body itself hides. With `--landmarks` also those that BlazePose is sure of in real
footage, smoothed both ways in time, so that no delay is learnt.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, gaussian_filter1d

from classifier.recording import Recording, RecordingError, read_folder
from classifier.training.corpus.body import RATE, Body
from classifier.training.corpus.build import scenes
from classifier.training.corpus.camera import random_camera, self_occlusion, steep_camera
from classifier.training.corpus.sources import read_motions

__all__ = ["CleanTake", "footage_takes", "projected_takes", "write_clean"]

_VIEWS = {"falling": 4, "lying": 1, "walking": 3, "running": 3, "standing": 1, "sitting": 1}
_USUAL_VIEWS = 2
_STEEP = 0.25  # share of cameras that look down on the person
_SHORTEST = 20  # frames
_SURE = 0.8  # visibility from which BlazePose's landmark is taken for the truth
_LARGEST_GAP = 4  # frames of a recording without a pose that are filled in
_JUMP = 0.12  # longer sides of the landmarks' box between two frames: nobody moves so fast, a mistake does
_SIGMA = 1.0  # frames at 30 Hz by which footage is smoothed


@dataclass(frozen=True, slots=True)
class CleanTake:
    """One person seen by one camera.

    Attributes:
        label: what the person does.
        group: the actor; actors are never split between training and test.
        points: (T, 33, 2) float32 px of the image at 30 Hz.
        visible: (T, 33) bool, whether the landmark is in view: not behind the body itself, not outside.
        known: (T, 33) bool, whether `points` is the truth there.
    """

    label: str
    group: str
    points: npt.NDArray[np.float32]
    visible: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]


def projected_takes(skeletons: Path, *, seed: int = 11) -> Iterator[CleanTake]:
    """Every scene of the corpus, seen by one to four cameras.

    Args:
        skeletons: folder with hdm05_30hz.npz, utkinect.npz and msraction3d.npz.
        seed: the same seed makes the same takes.

    Raises:
        OSError: an archive is missing.
    """
    random = np.random.default_rng(seed)
    for scene in scenes(read_motions(skeletons), random):
        if len(scene.body) < _SHORTEST:
            continue
        for _ in range(_VIEWS.get(scene.label, _USUAL_VIEWS)):
            steep = random.random() < _STEEP
            camera = steep_camera(scene.body, random) if steep else random_camera(scene.body, random)
            pixels, depth = camera.project(scene.body)
            size = np.array([camera.width, camera.height])
            visible = (pixels >= 0).all(axis=-1) & (pixels < size).all(axis=-1)
            if depth.min() < 0.6 or visible.mean() < 0.6:
                continue  # too close to be a CCTV picture, or mostly outside
            visible &= self_occlusion(pixels, depth, camera.focal) <= 0.5
            known = np.ones(visible.shape, bool)
            yield CleanTake(scene.label, scene.group, pixels.astype(np.float32), visible, known)


def footage_takes(landmarks: Path) -> Iterator[CleanTake]:
    """Recordings of real footage, cut where nobody was seen for a while.

    Args:
        landmarks: folder of recordings as `posewatch replay --landmarks` writes them, SET/SUBJECT/...

    Raises:
        RecordingError: there are none, or one is damaged.
    """
    for recording in read_folder(landmarks):
        assert recording.path is not None
        group = "/".join(recording.path.relative_to(landmarks).parts[:2])
        breaks = np.flatnonzero(np.diff(recording.frames) > _LARGEST_GAP) + 1
        for part in np.split(np.arange(len(recording.frames)), breaks):
            if len(part) >= 2:
                take = _resampled(recording, part, group)
                if len(take.points) >= _SHORTEST and take.known.mean() > 0.5:
                    yield take


def write_clean(path: Path, takes: list[CleanTake]) -> None:
    """Writes takes as an npz: frames of all takes one after the other, `starts` (K + 1,) where each begins.

    Raises:
        OSError: the file cannot be written.
        ValueError: there are no takes.
    """
    if not takes:
        raise ValueError("no takes to write")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        np.savez(
            stream,
            points=np.concatenate([take.points for take in takes]),
            visible=np.concatenate([take.visible for take in takes]),
            known=np.concatenate([take.known for take in takes]),
            starts=np.cumsum([0, *(len(take.points) for take in takes)]),
            labels=np.array([take.label for take in takes]),
            groups=np.array([take.group for take in takes]),
            rate=np.array(RATE),
        )


def _resampled(recording: Recording, part: npt.NDArray[np.int64], group: str) -> CleanTake:
    """A part without long gaps at 30 Hz, smoothed."""
    times, pixels = recording.times[part], recording.pixels[part].astype(np.float64)
    grid = np.arange(times[0], times[-1] + 1e-9, 1 / RATE)
    flat = pixels.reshape(len(pixels), -1)
    even = np.stack([np.interp(grid, times, column) for column in flat.T], axis=1).reshape(-1, 33, 4)
    points = gaussian_filter1d(even[..., :2], _SIGMA, axis=0, mode="nearest")
    return CleanTake(recording.label, group, points.astype(np.float32), *_sure(points, even[..., 3]))


def _sure(points: Body, visibility: Body) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """What is in view, and where BlazePose can be believed: sure of it, and no jump within 3 frames."""
    visible = visibility >= _SURE
    height = np.percentile(np.ptp(points, axis=1).max(axis=1), 90)
    jumps = np.linalg.norm(np.diff(points, axis=0, prepend=points[:1]), axis=-1) > _JUMP * max(height, 1.0)
    return visible, visible & ~binary_dilation(jumps, np.ones((7, 1), bool))


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m classifier.training.corpus.clean",
        description="Writes clean landmarks of bodies seen by made-up cameras, for tracker.training.refiner.",
        epilog="example: python -m classifier.training.corpus.clean --data ../shared/data --out clean.npz",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with skeleton/*.npz")
    parser.add_argument("--out", type=Path, required=True, help="npz to write")
    parser.add_argument(
        "--landmarks",
        type=Path,
        help="also recordings of real footage, SET/SUBJECT/..., written by `posewatch replay --landmarks`",
    )
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    try:
        takes = list(projected_takes(options.data / "skeleton", seed=options.seed))
        if options.landmarks is not None:
            takes += footage_takes(options.landmarks)
        write_clean(options.out, takes)
    except (OSError, ValueError, RecordingError) as error:
        print(f"clean: {error}: give --data with skeleton/", file=sys.stderr)
        return 1
    print(f"{len(takes)} takes, {sum(len(take.points) for take in takes)} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
