"""Keeps labels steady: a label needs sustained evidence to appear and to go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from classifier.model import ActionScores
from daemon.config.actions import ActionsConfig

__all__ = ["UNKNOWN", "ActionHysteresis"]

UNKNOWN = "unknown"
_MAX_GAP = 2.0  # seconds between two classifications after which a waiting label starts anew


@dataclass(slots=True)
class _State:
    action: str = UNKNOWN
    score: float = 0.0
    candidate: str = UNKNOWN
    since: float = 0.0
    last: float = field(default=float("-inf"))


class ActionHysteresis:
    """The current action of every track.

    A label appears once it has been the best one at or above its `min_score` for `confirm` seconds; `falling`
    appears at once unless the configuration sets its own `confirm`, since a fall is over within two windows.
    It goes when another label appears, or when it has been below `min_score * exit_ratio` for `confirm`.

    Args:
        settings: thresholds, for all labels and for single ones.
    """

    def __init__(self, settings: ActionsConfig) -> None:
        self._settings = settings
        self._states: dict[str, _State] = {}

    def update(self, scores: ActionScores) -> tuple[str, float]:
        """Takes a classification of a track; returns its action and that action's score."""
        state = self._states.setdefault(scores.track, _State())
        by_label = dict(zip(scores.labels, (float(p) for p in scores.probabilities), strict=True))
        if scores.monotonic - state.last > _MAX_GAP:
            state.candidate, state.since = state.action, scores.monotonic
        state.last = scores.monotonic
        target = self._target(state.action, by_label)
        if target != state.candidate:
            state.candidate, state.since = target, scores.monotonic
        held = scores.monotonic - state.since
        # UNKNOWN replaces a label after that label's own time.
        label = target if target != UNKNOWN else state.action
        if target != state.action and held >= self._confirm(label) - 1e-9:
            state.action = target
        state.score = by_label.get(state.action, 0.0)
        return state.action, state.score

    def current(self, track: str) -> tuple[str, float]:
        """Action and score of a track; ("unknown", 0.0) before the first classification."""
        state = self._states.get(track)
        return (state.action, state.score) if state is not None else (UNKNOWN, 0.0)

    def drop(self, track: str) -> None:
        """Forgets a track."""
        self._states.pop(track, None)

    def _target(self, action: str, by_label: Mapping[str, float]) -> str:
        best = max(by_label, key=lambda label: by_label[label])
        if by_label[best] >= self._settings.for_label(best).min_score:
            return best
        if action != UNKNOWN:
            own = self._settings.for_label(action)
            if by_label.get(action, 0.0) >= own.min_score * own.exit_ratio:
                return action
        return UNKNOWN

    def _confirm(self, label: str) -> float:
        own = self._settings.labels.get(label)
        if label == "falling" and (own is None or own.confirm is None):
            return 0.0
        return self._settings.for_label(label).confirm
