"""Who must be looked at in every frame, however steady: because of what they do, or may be doing."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np

from daemon.actions import UNKNOWN
from daemon.scene import Person, Scene
from tracker.matching import buffered_iou
from tracker.tracks import Track

__all__ = ["needing_attention"]

_CALM = frozenset({"standing", "walking", "running", "sitting", "lying", "other", UNKNOWN})
_FALLING, _OTHERWISE = 0.2, 0.5  # probability from which such a label may be about to appear

_TOGETHER = 0.1  # IoU from which people hide each other
_PASSING = 0.3  # body heights a second between people who do not walk together


def needing_attention(scene: Scene, pending: Set[str]) -> set[str]:
    """Ids of those whose next pose is to be read in the next frame.

    Args:
        scene: the last frame's.
        pending: ids of those of whom a rule has seen something, and has not decided yet.
    """
    busy = {one.track.id for one in scene.people if one.track.id in pending or not _is_calm(one)}
    return busy | _meeting([one.track for one in scene.confirmed])


def _meeting(tracks: Sequence[Track]) -> set[str]:
    """Ids of those who pass each other or come together: their poses tell who is who."""
    if len(tracks) < 2:
        return set()
    boxes = np.array([track.box for track in tracks], np.float64)
    overlap = buffered_iou(boxes, boxes)
    np.fill_diagonal(overlap, 0.0)
    found: set[str] = set()
    for row, column in np.argwhere(np.triu(overlap > _TOGETHER)).tolist():
        first, second = tracks[row], tracks[column]
        height = max(float(first.box[3] - first.box[1]), float(second.box[3] - second.box[1]), 1.0)
        if float(np.hypot(*(first.velocity - second.velocity))) > _PASSING * height:
            found |= {first.id, second.id}
    return found


def _is_calm(person: Person) -> bool:
    if person.action not in _CALM:
        return False
    scores = person.scores
    if scores is None:
        return True
    return not any(
        probability >= (_FALLING if label == "falling" else _OTHERWISE) and label not in _CALM
        for label, probability in zip(scores.labels, scores.probabilities.tolist(), strict=True)
    )
