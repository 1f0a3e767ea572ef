"""Alert rules: a model for each type, told apart by `type`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field

from daemon.config.base import ConfigModel, Duration, Name

__all__ = [
    "DEFAULT_RULES",
    "ActionRule",
    "FallRule",
    "FightRule",
    "LoiteringRule",
    "LyingRule",
    "Rule",
    "RuleBase",
    "Severity",
    "ZoneEntryRule",
]

Severity: TypeAlias = Literal["info", "warning", "critical"]


class RuleBase(ConfigModel):
    """What every rule has."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True, populate_by_name=True
    )

    enabled: bool = Field(default=True, title="Enabled", description="false leaves the rule out.")
    severity: Severity = Field(
        default="warning", title="Severity", description="info, warning or critical; part of the alert."
    )
    min_score: float = Field(
        default=0.5, title="Score", description="Evidence below this score does not count.", ge=0.0, le=1.0
    )
    for_: Duration = Field(
        default=0.0,
        alias="for",
        title="For",
        description="Time for which the evidence must hold.",
        ge=0.0,
        le=86400.0,
    )
    cooldown: Duration = Field(
        default=30.0,
        title="Cool-down",
        description="After an alert has cleared, none of this rule for the same person for this long.",
        ge=0.0,
        le=86400.0,
    )
    clear: Duration = Field(
        default=5.0,
        title="Clear after",
        description="Time without evidence before the alert clears.",
        ge=0.0,
        le=3600.0,
    )
    zones: tuple[Name, ...] = Field(
        default=(), title="Zones", description="Zones in which the rule applies; none is the whole image."
    )


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


class ZoneEntryRule(RuleBase):
    """A person's feet come into a zone."""

    type: Literal["zone_entry"] = Field(title="Type", description="A person enters a zone.")
    min_score: float = Field(
        default=0.0, title="Score", description="Detections below this score do not count.", ge=0.0, le=1.0
    )
    zones: tuple[Name, ...] = Field(title="Zones", description="The zones that are watched.", min_length=1)


class LoiteringRule(RuleBase):
    """A person stays, in a zone or in the image, for some time."""

    type: Literal["loitering"] = Field(title="Type", description="A person stays.")
    min_score: float = Field(
        default=0.0, title="Score", description="Detections below this score do not count.", ge=0.0, le=1.0
    )
    for_: Duration = Field(
        default=60.0, alias="for", title="For", description="Time of staying.", ge=0.0, le=86400.0
    )


class ActionRule(RuleBase):
    """A person does one of some actions for some time."""

    type: Literal["action"] = Field(title="Type", description="A person does something.")
    for_: Duration = Field(
        default=1.0, alias="for", title="For", description="Time of doing so.", ge=0.0, le=86400.0
    )
    actions: tuple[str, ...] = Field(
        title="Actions", description="Labels of the action model, such as waving.", min_length=1
    )


Rule: TypeAlias = Annotated[
    FallRule | LyingRule | FightRule | ZoneEntryRule | LoiteringRule | ActionRule, Field(discriminator="type")
]
"""A rule of any type."""

DEFAULT_RULES: dict[str, Rule] = {
    "fall": FallRule(type="fall"),
    "lying": LyingRule(type="lying"),
    "fight": FightRule(type="fight"),
}
"""What is watched for when the configuration has no rules."""
