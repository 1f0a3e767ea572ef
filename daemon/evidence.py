"""What an alert says of its reasons, so that a person can check it and tune the rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.config.rules import Rule
from daemon.messages import plain
from daemon.situation import Situation

__all__ = ["ModelVersions", "evidence_of"]

ModelVersions = Mapping[str, Mapping[str, str]]
"""Name and short sha256 of each model, by what it does."""

# Where, when and for whom a rule is, and what happens then: not what its evidence is measured against.
_NOT_MEASURED = {
    "type", "enabled", "severity", "zones", "cameras", "schedule", "profiles", "snapshot", "clip",
}  # fmt: skip


def evidence_of(rule: Rule, situation: Situation, models: ModelVersions) -> dict[str, Any]:
    """The `evidence` of an alert's message; a few kilobytes at the most, however long the alert lasts.

    `scores`, `frames`, `speeds` and `landmark_quality` are of the same frames: seconds since the start with
    the score, number and UTC epoch time of the frame, body heights a second of the fastest, and mean
    visibility of the landmarks.

    Args:
        rule: whose evidence it is.
        situation: what was seen.
        models: what saw it.
    """
    evidence: dict[str, Any] = {
        "type": rule.type,
        "thresholds": rule.model_dump(mode="json", by_alias=True, exclude=_NOT_MEASURED),
        "first_time": plain(situation.start_time),
        "last_time": plain(situation.last_time),
        "observations": situation.observations,
        "scores": [[one.offset, one.score] for one in situation.samples],
        "frames": [[one.frame, one.time] for one in situation.samples],
        "speeds": [one.speed for one in situation.samples],
        "landmark_quality": [one.visibility for one in situation.samples],
        "zones": dict(situation.zones),
        "boxes": dict(situation.boxes),
        "models": {kind: dict(version) for kind, version in models.items()},
        **situation.facts,
    }
    if situation.place is not None:
        evidence["place"] = situation.place
    return evidence
