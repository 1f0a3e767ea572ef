"""Who must be looked at in every frame, however steady: because of what they do, or may be doing."""

from __future__ import annotations

from collections.abc import Set

from daemon.actions import UNKNOWN
from daemon.scene import Person, Scene

__all__ = ["may_fall", "needing_attention"]

_CALM = frozenset({"standing", "walking", "running", "sitting", "lying", "other", UNKNOWN})
_FALLING, _OTHERWISE = 0.2, 0.5  # probability from which such a label may be about to appear
_MAY_FALL = 0.3  # likewise of falling, from which the detector runs in every frame; few who walk have it
_FRESH = 0.5  # seconds for which a classification says what somebody does now


def needing_attention(scene: Scene, pending: Set[str]) -> set[str]:
    """Ids of those whose next pose is to be read in the next frame.

    Args:
        scene: the last frame's.
        pending: ids of those of whom a rule has seen something, and has not decided yet.
    """
    return {one.track.id for one in scene.people if one.track.id in pending or not _is_calm(one)}


def may_fall(scene: Scene) -> bool:
    """Whether somebody who is seen may be falling: in a fall the box changes faster than it is followed."""
    return any(_falling(one, scene.monotonic) >= _MAY_FALL for one in scene.confirmed)


def _falling(person: Person, now: float) -> float:
    """Probability of falling, 0 without a fresh classification."""
    scores = person.scores
    if scores is None or not 0.0 <= now - scores.monotonic <= _FRESH or "falling" not in scores.labels:
        return 0.0
    return float(scores.probabilities[scores.labels.index("falling")])


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
