"""Reads the skeleton archives as labelled bodies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from classifier.training.corpus.body import Body, from_joints, on_floor

__all__ = ["Motion", "hdm05", "msr_action3d", "read_motions", "utkinect"]

_INCH = 0.0254

_HDM05 = {
    "squat1Reps": "bending",
    "hopBothLegs1hops": "other",
    "depositFloorR": "bending",
    "grabHighR": "other",
    "kickLFront1Reps": "punching_kicking",
    "elbowToKnee1RepsLelbowStart": "other",
    "lieDownFloor": "lie_down",
    "jogLeftCircle4StepsRstart": "running",
    "rotateArmsBothBackward1Reps": "other",
    "sneak2StepsLStart": "walking",
    "throwBasketball": "other",
}
_UTKINECT = {
    "walk": "walking",
    "sitDown": "sit_down",
    "standUp": "stand_up",
    "pickUp": "bending",
    "carry": "walking",
    "throw": "other",
    "pull": "other",
    "waveHands": "waving",
    "clapHands": "other",
}
_MSR = {
    **dict.fromkeys(("a01", "a02", "a11"), "waving"),
    **dict.fromkeys(("a05", "a12", "a14", "a15"), "punching_kicking"),
    "a13": "bending",
    "a16": "running",
    **dict.fromkeys(("a03", "a04", "a06", "a07", "a08", "a09", "a10", "a17", "a18", "a19", "a20"), "other"),
}


@dataclass(frozen=True, slots=True)
class Motion:
    """A body's motion: `label` names an action, or sit_down, stand_up and lie_down, which have several."""

    key: str
    label: str
    group: str
    body: Body


def read_motions(folder: Path) -> list[Motion]:
    """Every motion of a folder with hdm05_30hz.npz, utkinect.npz and msraction3d.npz.

    Raises:
        OSError: an archive is missing.
    """
    return [
        *hdm05(folder / "hdm05_30hz.npz"),
        *utkinect(folder / "utkinect.npz"),
        *msr_action3d(folder / "msraction3d.npz"),
    ]


def hdm05(path: Path) -> Iterator[Motion]:
    """HDM05 motion capture: inches, y up, 31 joints each named after the bone that ends in it."""
    arm = ("shoulder", "elbow", "middle_of_forearm", "wrist")
    places = {"head_top": 16, "neck": 14, "upper_neck": 15}
    for side, (hip, shoulder) in {"left": (1, 17), "right": (6, 24)}.items():
        names = ("hip", "knee", "ankle", "ball", "foot")
        places |= {f"{side}_{name}": hip + step for step, name in enumerate(names)}
        places |= {f"{side}_{name}": shoulder + step for step, name in enumerate(arm)}
    with np.load(path) as archive:
        for key in archive:
            if key == "joint_names":
                continue
            _, actor, kind, *_ = key.split("_")
            points = archive[key].astype(np.float64) * _INCH
            joints = {name: points[:, place] for name, place in places.items()}
            joints["head"] = (joints["head_top"] + joints["upper_neck"]) / 2
            yield Motion(key, _HDM05[kind], f"hdm05/{actor}", on_floor(from_joints(joints, feet=True)))


def utkinect(path: Path) -> Iterator[Motion]:
    """UTKinect: 20 Kinect joints in metres, with the numbers of the frames (gaps are interpolated)."""
    with np.load(path) as archive:
        for key in archive:
            subject, _, kind = key.split("_")[:3]
            if key.endswith("__frame") or kind not in _UTKINECT:
                continue
            points, frames = archive[key].astype(np.float64), archive[f"{key}__frame"]
            keep = np.r_[True, np.diff(frames) > 0] & (np.abs(points).sum(axis=(1, 2)) > 0)
            if keep.sum() < 8:
                continue
            body = from_joints(_kinect(_at_30_hz(points[keep], frames[keep])), feet=True)
            yield Motion(key, _UTKINECT[kind], f"utkinect/{subject}", on_floor(body))


def msr_action3d(path: Path) -> Iterator[Motion]:
    """MSR Action3D: 20 joints x y z confidence, seen from the front, 15 fps."""
    places = {"head": 19, "neck": 2}
    for side, first in (("left", 0), ("right", 1)):
        names = (
            ("shoulder", 0),
            ("elbow", 7),
            ("wrist", 9),
            ("hip", 4),
            ("knee", 13),
            ("ankle", 15),
            ("foot", 17),
        )
        places |= {f"{side}_{name}": place + first for name, place in names}
    with np.load(path) as archive:
        for key in archive:
            action, subject, _ = key.split("_")
            points = archive[key][..., :3].astype(np.float64)
            good = np.abs(points).sum(axis=(1, 2)) > 0
            if good.sum() < 12 or not np.isfinite(points).all():
                continue
            points = _at_30_hz(points[good], np.flatnonzero(good) * 2)
            joints = {name: points[:, place] for name, place in places.items()}
            joints["neck"] = (joints["left_shoulder"] + joints["right_shoulder"]) / 2
            _narrow_hips(joints)
            body = on_floor(from_joints(joints, feet=False))
            yield Motion(key, _MSR[action], f"msr/{subject}", body)


def _at_30_hz(points: Body, frames: npt.NDArray[np.int64]) -> Body:
    grid = np.arange(frames[0], frames[-1] + 1)
    flat = points.reshape(len(points), -1)
    filled = np.stack([np.interp(grid, frames, column) for column in flat.T], axis=1)
    smooth = gaussian_filter1d(filled, 1.5, axis=0, mode="nearest")
    return np.asarray(smooth.reshape(len(grid), *points.shape[1:]))


def _kinect(points: Body) -> dict[str, Body]:
    names = ("shoulder", "elbow", "wrist", "hand")
    joints = {"neck": points[:, 2], "head": points[:, 3]}
    for side, arm, leg in (("left", 4, 12), ("right", 8, 16)):
        joints |= {f"{side}_{name}": points[:, arm + step] for step, name in enumerate(names)}
        legs = ("hip", "knee", "ankle", "foot")
        joints |= {f"{side}_{name}": points[:, leg + step] for step, name in enumerate(legs)}
    return joints


def _narrow_hips(joints: dict[str, Body]) -> None:
    """MSR's hip joints lie outside the body; brings them to where BlazePose marks them."""
    middle = (joints["left_hip"] + joints["right_hip"]) / 2
    for name in ("left_hip", "right_hip"):
        joints[name] = middle + 0.75 * (joints[name] - middle)
