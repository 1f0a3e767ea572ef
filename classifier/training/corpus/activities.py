"""Daily activities on beds, chairs and floors, and falls, which the sources do not have: made of key poses.

What looks like a fall and is none (lying down, kneeling, sitting on the floor, push-ups) differs from it by
how fast the body comes down; and a fall may end on a bed or come by way of the knees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from classifier.training.corpus.body import Body
from classifier.training.corpus.motions import seat
from classifier.training.corpus.poses import floor_seat, kneel, lie, plank, squat, through

__all__ = ["Activity", "Scene", "daily_activity", "made_fall", "scenes_of"]

_LEAD = 45  # frames before the part that counts
_MOVING = "changing_posture"
_AFTER = 18  # frames after the impact in which a fall is still told
_ON = 8  # frames from the beginning of an action to its label


@dataclass(frozen=True, slots=True)
class Scene:
    """A body in motion with its label, which holds from frame `labelled_from` on."""

    name: str
    label: str
    group: str
    body: Body
    labelled_from: int = 0


@dataclass(frozen=True, slots=True)
class Activity:
    """A motion with its actions: label, first frame and one past the last."""

    name: str
    body: Body
    actions: tuple[tuple[str, int, int], ...]


def scenes_of(activity: Activity, group: str, number: int) -> Iterator[Scene]:
    """An activity cut into its actions, each with what was before it.

    Args:
        activity: of one actor.
        group: the actor.
        number: of the activity, for the names.
    """
    for place, (label, first, last) in enumerate(activity.actions):
        start = max(0, first - _LEAD)
        # Just after a fall nobody can say whether it still goes on.
        on = 22 if label == "lying" else _ON
        if last - first > on:
            name = f"{activity.name}{number}-{place}"
            yield Scene(name, label, group, activity.body[start:last], first - start + on)


def daily_activity(pose: Body, random: np.random.Generator) -> Activity:
    """Something that people do at home which is no fall.

    Args:
        pose: (33, 3) an actor standing.
        random: source of chance.
    """
    kinds: tuple[Callable[[Body, np.random.Generator], Activity], ...]
    kinds = (_to_bed, _to_bed, _on_floor, _kneeling, _crouching, _push_ups)
    return kinds[random.integers(len(kinds))](pose, random)


def made_fall(pose: Body, random: np.random.Generator) -> Activity:
    """A fall by way of the knees, off a chair or onto a bed, and the lying after it."""
    height, start, keys = 0.0, pose, []
    kind = ("onto knees", "off chair", "onto bed", "sinking")[random.integers(4)]
    if kind == "onto knees":
        keys = [(kneel(pose, random), random.uniform(0.3, 0.9), random.uniform(0.0, 0.25))]
    elif kind == "off chair":
        start = seat(pose[None], random)[0]
    elif kind == "onto bed":
        height = random.uniform(0.35, 0.6)
    else:
        keys = [(squat(pose, random), random.uniform(0.3, 1.1), 0.0)]
    down = lie(pose, random, height=height)
    still = (start, 0.0, random.uniform(1.0, 2.5))
    body, held = through([still, *keys, (down, random.uniform(0.45, 1.1), random.uniform(3.0, 5.0))], random)
    begins, lies = held[0][1], held[-1][0]
    return Activity(
        f"fall {kind}", body, (("falling", begins, min(lies + _AFTER, len(body))), ("lying", lies, len(body)))
    )


def _to_bed(pose: Body, random: np.random.Generator) -> Activity:
    """Sits down on a bed or a sofa, lies down and sits up again."""
    sitting = seat(pose[None], random)[0]
    lying = lie(pose, random, height=sitting[23:25, 1].mean() - 0.1)
    body, held = through(
        [
            (pose, 0.0, random.uniform(0.8, 1.5)),
            (sitting, random.uniform(0.7, 1.8), random.uniform(0.5, 3.0)),
            (lying, random.uniform(0.6, 2.4), random.uniform(2.5, 5.0)),
            (sitting, random.uniform(1.0, 2.6), random.uniform(1.5, 3.0)),
        ],
        random,
    )
    (_, goes), (sits, leaves), (lies, wakes), (again, end) = held
    actions = (
        (_MOVING, goes, sits),
        ("sitting", sits, leaves),
        (_MOVING, leaves, lies),
        ("lying", lies, wakes),
        (_MOVING, wakes, again),
        ("sitting", again, end),
    )
    return Activity("to bed", body, actions)


def _on_floor(pose: Body, random: np.random.Generator) -> Activity:
    """Sits down on the floor, stays, and lies down there."""
    keys = [
        (pose, 0.0, random.uniform(0.8, 1.5)),
        (squat(pose, random), random.uniform(0.7, 1.5), 0.0),
        (floor_seat(pose, random), random.uniform(0.6, 1.4), random.uniform(2.5, 5.0)),
        (lie(pose, random), random.uniform(1.2, 2.8), random.uniform(2.5, 4.0)),
    ]
    body, held = through(keys, random)
    goes, (sits, leaves), (lies, end) = held[0][1], held[2], held[3]
    actions = (
        (_MOVING, goes, sits),
        ("sitting", sits, leaves),
        (_MOVING, leaves, lies),
        ("lying", lies, end),
    )
    return Activity("on floor", body, actions)


def _kneeling(pose: Body, random: np.random.Generator) -> Activity:
    """Kneels down, does something there, and gets up."""
    keys = [
        (pose, 0.0, random.uniform(0.8, 1.5)),
        (kneel(pose, random), random.uniform(0.6, 1.4), random.uniform(0.5, 2.0)),
        (kneel(pose, random), random.uniform(0.5, 1.2), random.uniform(0.5, 2.0)),
        (pose, random.uniform(0.7, 1.4), 1.0),
    ]
    body, held = through(keys, random)
    return Activity("kneeling", body, ((_MOVING, held[0][1], held[3][0]),))


def _crouching(pose: Body, random: np.random.Generator) -> Activity:
    """Crouches to pick something up, and gets up."""
    keys = [
        (pose, 0.0, random.uniform(0.8, 1.5)),
        (squat(pose, random), random.uniform(0.4, 1.1), random.uniform(0.1, 2.0)),
        (pose, random.uniform(0.5, 1.2), 1.0),
    ]
    body, held = through(keys, random)
    return Activity("crouching", body, (("bending", held[0][1], held[2][0]),))


def _push_ups(pose: Body, random: np.random.Generator) -> Activity:
    """Goes down on hands and toes and does push-ups."""
    high, low = (plank(pose, low=deep) for deep in (False, True))
    beat = random.uniform(0.5, 1.0)
    keys = [
        (pose, 0.0, random.uniform(0.8, 1.5)),
        (kneel(pose, random), random.uniform(0.6, 1.2), 0.1),
        (high, random.uniform(0.6, 1.2), random.uniform(0.3, 1.0)),
        *((low if turn % 2 == 0 else high, beat, 0.05) for turn in range(6)),
    ]
    body, held = through(keys, random)
    return Activity("push-ups", body, ((_MOVING, held[0][1], held[2][0]), ("other", held[2][0], len(body))))
