"""Takes of motion capture and Kinect skeletons seen by made-up cameras, labelled finer than the corpus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from classifier.recording import Recording
from classifier.training.corpus.body import RATE, Body
from classifier.training.corpus.build import scenes
from classifier.training.corpus.camera import random_camera, see
from classifier.training.corpus.sources import read_motions
from tracker.landmarks import MIRROR

# Kinds of motion whose hands are known. MSR's people wave the right hand; mirrored, the left.
_RIGHT, _BOTH = ("a01", "a02"), ("a11", "waveHands")
_SCENES = ("standing", "walking", "running", "bending", "falling", "sitting", "lying")
_LEAD = 12


def similar_takes(skeletons: Path, *, most: int, views: int, seed: int) -> list[Recording]:
    """Takes of left_swing, right_swing, both_swing and of actions that posture and speed tell apart.

    Args:
        skeletons: folder with the archives of skeletons.
        most: bodies of a label and a person, so that none outweighs the others.
        views: cameras a body.
        seed: of cameras, noise and choice.
    """
    random = np.random.default_rng(seed)
    found: dict[tuple[str, str], list[tuple[Body, int]]] = defaultdict(list)
    for label, group, body, first in _bodies(skeletons, random):
        found[label, group].append((body, first))
    takes = []
    for (label, group), bodies in sorted(found.items()):
        for number in random.permutation(len(bodies))[:most]:
            body, first = bodies[number]
            takes += [
                take
                for view in range(views)
                if (take := _seen(label, group, f"{number}-{view}", body, first, random)) is not None
            ]
    return takes


def action_takes(skeletons: Path, *, views: int, seed: int) -> list[Recording]:
    """Takes of MSR Action3D's twenty actions, labelled `a01` to `a20`, grouped by person."""
    random = np.random.default_rng(seed)
    takes = []
    for motion in read_motions(skeletons):
        if motion.group.startswith("msr/"):
            for view in range(views):
                take = _seen(motion.key[:3], motion.group, f"{motion.key}-{view}", motion.body, _LEAD, random)
                if take is not None:
                    takes.append(take)
    return takes


def _bodies(skeletons: Path, random: np.random.Generator) -> Iterator[tuple[str, str, Body, int]]:
    """Label, person, body and first frame that counts."""
    motions = read_motions(skeletons)
    for motion in motions:
        kind = motion.key[:3] if motion.group.startswith("msr/") else motion.key.rpartition("_")[2]
        if kind in _RIGHT:
            yield "right_swing", motion.group, motion.body, _LEAD
            yield "left_swing", motion.group, motion.body[:, MIRROR] * np.array([-1.0, 1.0, 1.0]), _LEAD
        elif kind in _BOTH:
            yield "both_swing", motion.group, motion.body, _LEAD
    for scene in scenes(motions, random):
        if scene.label in _SCENES:
            yield scene.label, scene.group, scene.body, scene.labelled_from


def _seen(
    label: str, group: str, name: str, body: Body, first: int, random: np.random.Generator
) -> Recording | None:
    """What a camera sees of it; None where the body leaves the picture or is too short."""
    if len(body) < 20:
        return None
    for _ in range(4):
        camera = random_camera(body, random)
        landmarks, seen = see(body, camera, random)
        if seen[first:].mean() > 0.75 and seen.sum() > 20:
            frames = np.flatnonzero(seen)
            return Recording(
                label=label,
                frames=frames,
                landmarks=landmarks[frames],
                rate=RATE,
                width=camera.width,
                height=camera.height,
                track=name,
                group=group,
                labelled_from=first,
            )
    return None
