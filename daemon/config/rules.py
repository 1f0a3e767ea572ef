"""Alert rules: a model for each type, told apart by `type`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from daemon.config.base import Duration, Name
from daemon.config.rule_base import RuleBase, Severity
from daemon.config.zones import Point

__all__ = [
    "DEFAULT_RULES",
    "AbsenceRule",
    "ActionRule",
    "CrowdRule",
    "FallRule",
    "FightRule",
    "LineCrossingRule",
    "LoiteringRule",
    "LyingRule",
    "Rule",
    "RuleBase",
    "RunningRule",
    "Severity",
    "WavingRule",
    "ZoneEntryRule",
    "ZoneExitRule",
    "rules_of",
]


class FallRule(RuleBase):
    """A person who was up falls: the classifier sees it, and the body comes down."""

    type: Literal["fall"] = Field(title="Type", description="A person falls.")
    min_score: float = Field(
        default=0.6,
        title="Score",
        description="Evidence below this score does not count; the body must come down as well.",
        ge=0.0,
        le=1.0,
    )
    severity: Severity = Field(default="critical", title="Severity", description="Part of the alert.")
    cooldown: Duration = Field(
        default=5.0,
        title="Cool-down",
        description="After an alert has cleared, none of this rule for this long, see cooldown_by; short, "
        "as who has got up may fall again.",
        ge=0.0,
        le=86400.0,
    )


class LyingRule(RuleBase):
    """A person lies, fallen or found there, for some time."""

    type: Literal["lying"] = Field(title="Type", description="A person lies.")
    for_: Duration = Field(
        default=10.0, alias="for", title="For", description="Time of lying.", ge=0.0, le=86400.0
    )


class FightRule(RuleBase):
    """People in a place that looks like a fight."""

    type: Literal["fight"] = Field(title="Type", description="People fight.")
    min_score: float = Field(
        default=0.55, title="Score", description="Evidence below this score does not count.", ge=0.0, le=1.0
    )
    severity: Severity = Field(default="critical", title="Severity", description="Part of the alert.")
    for_: Duration = Field(
        default=0.8,
        alias="for",
        title="For",
        description="Time for which it must go on; short gaps count as part of it.",
        ge=0.0,
        le=86400.0,
    )
    min_people: int = Field(
        default=2,
        title="People",
        description="At least this many must have moved there at once in the last two seconds.",
        ge=1,
        le=50,
    )


class WavingRule(RuleBase):
    """A person waves, as for help, for some time."""

    type: Literal["waving"] = Field(title="Type", description="A person waves.")
    for_: Duration = Field(
        default=2.0, alias="for", title="For", description="Time of waving.", ge=0.0, le=86400.0
    )


class RunningRule(RuleBase):
    """A person runs for some time."""

    type: Literal["running"] = Field(title="Type", description="A person runs.")
    severity: Severity = Field(default="info", title="Severity", description="Part of the alert.")
    for_: Duration = Field(
        default=1.0, alias="for", title="For", description="Time of running.", ge=0.0, le=86400.0
    )


class _PresenceRule(RuleBase):
    """What rules share that go by where people are, not by what they do."""

    min_score: float = Field(
        default=0.0, title="Score", description="Detections below this score do not count.", ge=0.0, le=1.0
    )


class ZoneEntryRule(_PresenceRule):
    """A person comes into a zone, or is in it."""

    type: Literal["zone_entry"] = Field(title="Type", description="A person enters a zone.")
    zones: tuple[Name, ...] = Field(title="Zones", description="The zones that are watched.", min_length=1)


class ZoneExitRule(_PresenceRule):
    """A person who was in a zone is seen outside it."""

    type: Literal["zone_exit"] = Field(title="Type", description="A person leaves a zone.")
    zones: tuple[Name, ...] = Field(title="Zones", description="The zones that are watched.", min_length=1)
    for_: Duration = Field(
        default=0.5,
        alias="for",
        title="For",
        description="Time for which the person must be seen outside.",
        ge=0.0,
        le=86400.0,
    )
    clear: Duration = Field(
        default=2.0,
        title="Clear after",
        description="Time after leaving before the alert clears.",
        ge=0.0,
        le=3600.0,
    )


class LoiteringRule(_PresenceRule):
    """A person stays, in a zone or in the image, for some time."""

    type: Literal["loitering"] = Field(title="Type", description="A person stays.")
    for_: Duration = Field(
        default=60.0, alias="for", title="For", description="Time of staying.", ge=0.0, le=86400.0
    )


class CrowdRule(_PresenceRule):
    """Many people at once, in a zone or in the image, for some time."""

    type: Literal["crowd"] = Field(title="Type", description="Many people at once.")
    min_people: int = Field(
        default=5, title="People", description="So many at once, in each zone by itself.", ge=2, le=50
    )
    for_: Duration = Field(
        default=5.0,
        alias="for",
        title="For",
        description="Time for which there must be so many; short gaps count as part of it.",
        ge=0.0,
        le=86400.0,
    )


class LineCrossingRule(_PresenceRule):
    """A person's feet cross a line."""

    type: Literal["line_crossing"] = Field(title="Type", description="A person crosses a line.")
    line: tuple[Point, ...] = Field(
        title="Line",
        description="Two or more points [x, y] in 0..1 of the image, in their order.",
        min_length=2,
        max_length=64,
    )
    direction: Literal["both", "left_to_right", "right_to_left"] = Field(
        default="both",
        title="Direction",
        description="Left and right of somebody who walks along the line from its first point to its last.",
    )
    for_: Duration = Field(
        default=0.0,
        alias="for",
        title="For",
        description="Time for which the person must stay on the other side.",
        ge=0.0,
        le=3600.0,
    )
    severity: Severity = Field(default="info", title="Severity", description="Part of the alert.")
    cooldown: Duration = Field(
        default=0.0,
        title="Cool-down",
        description="After an alert has cleared, none of this rule for this long, see cooldown_by.",
        ge=0.0,
        le=86400.0,
    )
    clear: Duration = Field(
        default=2.0,
        title="Clear after",
        description="Time after the crossing before the alert clears.",
        ge=0.0,
        le=3600.0,
    )

    @field_validator("line")
    @classmethod
    def _has_length(cls, line: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if any(one == other for one, other in pairwise(line)):
            raise ValueError("two points that follow each other are the same: leave one out")
        return line


class AbsenceRule(_PresenceRule):
    """Fewer people than there should be, in the zones together or in the image, for some time."""

    type: Literal["absence"] = Field(title="Type", description="Nobody is where somebody should be.")
    min_people: int = Field(
        default=1, title="People", description="So many should be there at least.", ge=1, le=50
    )
    for_: Duration = Field(
        default=300.0,
        alias="for",
        title="For",
        description="Time for which they must be missing, while the camera gives pictures.",
        ge=0.0,
        le=86400.0,
    )


class ActionRule(RuleBase):
    """A person does one of some actions for some time."""

    type: Literal["action"] = Field(title="Type", description="A person does something.")
    for_: Duration = Field(
        default=1.0, alias="for", title="For", description="Time of doing so.", ge=0.0, le=86400.0
    )
    actions: tuple[str, ...] = Field(
        title="Actions",
        description="Labels of the action model, such as sitting or one of your own.",
        min_length=1,
    )


Rule: TypeAlias = Annotated[
    FallRule
    | LyingRule
    | FightRule
    | WavingRule
    | RunningRule
    | ZoneEntryRule
    | ZoneExitRule
    | LoiteringRule
    | CrowdRule
    | LineCrossingRule
    | AbsenceRule
    | ActionRule,
    Field(discriminator="type"),
]
"""A rule of any type."""

DEFAULT_RULES: dict[str, Rule] = {
    "fall": FallRule(type="fall"),
    "lying": LyingRule(type="lying"),
    "fight": FightRule(type="fight"),
}
"""What is watched for when the configuration has no rules."""


def rules_of(camera: str, rules: Mapping[str, Rule], zones: Collection[str]) -> dict[str, Rule]:
    """The rules that a camera goes by: enabled, for this camera, with zones that it has, or with none.

    Args:
        camera: its name.
        rules: of the camera's settings.
        zones: names of the camera's zones.
    """
    return {
        name: rule
        for name, rule in rules.items()
        if rule.enabled
        and (not rule.cameras or camera in rule.cameras)
        and (not rule.zones or not set(rule.zones).isdisjoint(zones))
    }
