"""Names of actions: the default set, and how a recording's file name becomes a label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["DEFAULT_LABELS", "IDLE_LABELS", "OTHER", "mirror_pairs", "normalise_label"]

OTHER = "other"
"""The label of everything that has none of its own."""

DEFAULT_LABELS = (
    "standing",
    "walking",
    "running",
    "sitting",
    "bending",
    "falling",
    "lying",
    "changing_posture",
    "waving",
    "punching_kicking",
    OTHER,
)
"""Labels of the bundled model.

`changing_posture` is sitting down, standing up, lying down, kneeling and getting up again: without a label of
its own it is what falls are confused with most. `other` is every action without a label of its own.
"""

IDLE_LABELS = frozenset({"idle", "neutral", "no_action", "none", "nothing", OTHER, "standing"})
"""Labels of takes in which none of the actions is done: they teach a model what not to name."""


def normalise_label(name: str) -> str:
    """The label that a name such as ``"JUMPING JACKS"`` or ``"Punching-Kicking"`` stands for.

    Returns lower case words joined by underscores; empty when the name has no letter or digit.
    """
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")


def mirror_pairs(labels: Sequence[str], swaps: Iterable[tuple[str, str]] = ()) -> tuple[int, ...]:
    """What each label becomes in a mirror.

    ``left_swing`` becomes ``right_swing`` where both are among the labels; alone, it has no mirror image, for
    a mirrored left swing is none. A label without a side is its own.

    Args:
        labels: names of the classes.
        swaps: further pairs of labels that are each other's mirror image.

    Returns:
        For each label the number of its mirror image, -1 where it must not be mirrored.

    Raises:
        ValueError: a swap names a label that is not there, or one label twice.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    result = [numbers.get(_other_side(label), -1) for label in labels]
    swapped: set[str] = set()
    for pair in swaps:
        for one in sorted(set(pair)):
            if one not in numbers:
                raise ValueError(f"swap {'='.join(pair)}: no label {one}: there are {', '.join(labels)}")
            if one in swapped:
                raise ValueError(f"swap {'='.join(pair)}: {one} is in another swap already")
            swapped.add(one)
        first, second = (numbers[one] for one in pair)
        result[first], result[second] = second, first
    return tuple(result)


def _other_side(label: str) -> str:
    """The label with left for right; itself where no word of it begins with either."""
    return re.sub(
        r"(?<![0-9a-z])(left|right)", lambda found: "right" if found[1] == "left" else "left", label
    )
