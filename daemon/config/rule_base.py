"""What every alert rule has, whatever it looks for."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import ConfigDict, Field

from daemon.config.base import ConfigModel, Duration, Name
from daemon.config.schedule import Hours

__all__ = ["CooldownScope", "RuleBase", "Severity", "SnapshotStyle"]

Severity: TypeAlias = Literal["info", "warning", "critical"]
CooldownScope: TypeAlias = Literal["track", "zone", "rule"]
SnapshotStyle: TypeAlias = Literal["skeleton", "blur", "full", "none"]


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
        description="After an alert has cleared, none of this rule for this long, see cooldown_by.",
        ge=0.0,
        le=86400.0,
    )
    cooldown_by: CooldownScope = Field(
        default="track",
        title="Cool-down of",
        description="track: of the same person; zone: of anybody in the same zone; rule: of anybody. With "
        "zone and rule none is raised either while another one is ON.",
    )
    clear: Duration = Field(
        default=5.0,
        title="Clear after",
        description="Time without evidence before the alert clears.",
        ge=0.0,
        le=3600.0,
    )
    min_people: int = Field(
        default=1,
        title="People",
        description="So many must do so at the same time; from 2 on they are one alert together.",
        ge=1,
        le=50,
    )
    zones: tuple[Name, ...] = Field(
        default=(), title="Zones", description="Zones in which the rule applies; none is the whole image."
    )
    cameras: tuple[Name, ...] = Field(
        default=(), title="Cameras", description="Cameras for which the rule is; none is all."
    )
    schedule: tuple[Hours, ...] = Field(
        default=(), title="Schedule", description="Hours in which the rule watches; none is always."
    )
    profiles: tuple[Name, ...] = Field(
        default=(), title="Profiles", description="Profiles in which the rule watches; none is all."
    )
    snapshot: SnapshotStyle | None = Field(
        default=None,
        title="Snapshot",
        description="Of its alerts: skeleton, blur, full or none; as `snapshots` says when left out.",
    )
    clip: bool | None = Field(
        default=None,
        title="Clip",
        description="Whether its alerts get a clip; as `clips` says when left out.",
    )
