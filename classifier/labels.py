"""Names of actions: the default set, and how a recording's file name becomes a label."""

from __future__ import annotations

import re

__all__ = ["DEFAULT_LABELS", "normalise_label"]

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
    "other",
)
"""Labels of the bundled model.

`changing_posture` is sitting down, standing up, lying down, kneeling and getting up again: without a label of
its own it is what falls are confused with most. `other` is every action without a label of its own.
"""


def normalise_label(name: str) -> str:
    """The label that a name such as ``"JUMPING JACKS"`` or ``"Punching-Kicking"`` stands for.

    Returns lower case words joined by underscores; empty when the name has no letter or digit.
    """
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")
