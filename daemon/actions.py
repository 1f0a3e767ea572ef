"""Keeps labels steady: a label needs sustained evidence to appear and to go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from classifier.model import ActionScores
from daemon.config.actions import ActionsConfig, LabelSettings
from tracker.tracks import rename

__all__ = ["UNKNOWN", "ActionHysteresis"]

UNKNOWN = "unknown"
_MAX_GAP = 2.0  # seconds without a classification after which nothing is known any more
_TOLERANCE = 1e-6


@dataclass(slots=True)
class _State:
    """What is known of a track; times in monotonic seconds, None where nothing waits."""

    last: float
    action: str = UNKNOWN
    score: float = 0.0
    challenger: str | None = None
    challenged: float = 0.0
    weak: float | None = None


class ActionHysteresis:
    """The current action of every track.

    A label appears once it has been the best one at or above its `min_score` for `confirm` seconds; `falling`
    appears at once unless the configuration sets its own `confirm`, since a fall is over within two windows.
    It goes when another label appears, when it has been below `min_score * exit_ratio` for `confirm` (and for
    that of another label that is about to appear), or when there are no classifications any more.

    Args:
        settings: thresholds, for all labels and for single ones.
    """

    def __init__(self, settings: ActionsConfig) -> None:
        self._settings = settings
        self._max_gap = max(_MAX_GAP, 2.5 * settings.every)
        self._states: dict[str, _State] = {}
        self._thresholds: Mapping[str, float] = {}

    def adopt(self, thresholds: Mapping[str, float]) -> None:
        """Takes the scores that the model asks of its labels; the configuration comes first."""
        self._thresholds = thresholds

    def update(self, scores: ActionScores) -> tuple[str, float]:
        """Takes a classification of a track; returns its action and that action's score."""
        now = scores.monotonic
        state = self._states.get(scores.track)
        if state is None or now - state.last > self._max_gap:
            state = self._states[scores.track] = _State(now)
        state.last = now
        by_label = dict(zip(scores.labels, (float(p) for p in scores.probabilities), strict=True))
        self._weigh(state, by_label, now)
        self._decide(state, now)
        state.score = by_label.get(state.action, 0.0)
        return state.action, state.score

    def current(self, track: str, monotonic: float | None = None) -> tuple[str, float]:
        """Action and score of a track.

        ("unknown", 0.0) before the first classification and, where the present time `monotonic` is given,
        once the last one is over two seconds (or two and a half intervals between classifications) old.
        """
        state = self._states.get(track)
        if state is None or (monotonic is not None and monotonic - state.last > self._max_gap):
            return UNKNOWN, 0.0
        return state.action, state.score

    def rename(self, names: Mapping[str, str]) -> None:
        """Goes on with bodies under other ids, the new one by the old one."""
        rename(self._states, names)

    def drop(self, track: str) -> None:
        """Forgets a track."""
        self._states.pop(track, None)

    def _weigh(self, state: _State, by_label: Mapping[str, float], now: float) -> None:
        """Notes since when another label has been the best, and since when the present one has been weak."""
        best = max(by_label, key=lambda label: by_label[label])
        strong = by_label[best] >= self._for_label(best).min_score
        challenger = best if strong and best != state.action else None
        if challenger != state.challenger:
            state.challenger, state.challenged = challenger, now
        own = self._for_label(state.action)
        if state.action == UNKNOWN or by_label.get(state.action, 0.0) >= own.min_score * own.exit_ratio:
            state.weak = None
        elif state.weak is None:
            state.weak = now

    def _decide(self, state: _State, now: float) -> None:
        """Changes the action where the evidence has been sustained."""
        wait = 0.0 if state.challenger is None else self._confirm(state.challenger)
        if state.challenger is not None and now - state.challenged >= wait - _TOLERANCE:
            state.action, state.challenger, state.weak = state.challenger, None, None
            return
        # A challenger that came in time gets its own time first, so that no unknown lies between the two.
        if state.weak is not None and now - state.weak >= self._confirm(state.action) + wait - _TOLERANCE:
            state.action, state.challenger, state.weak = UNKNOWN, None, None

    def _for_label(self, label: str) -> LabelSettings:
        return self._settings.for_label(label, self._thresholds.get(label))

    def _confirm(self, label: str) -> float:
        own = self._settings.labels.get(label)
        if label == "falling" and (own is None or own.confirm is None):
            return 0.0
        return self._for_label(label).confirm
