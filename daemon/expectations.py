"""What a replay must find: `posewatch replay --expect` compares alerts with what should have happened."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from daemon.config import ConfigError
from daemon.config.base import ConfigModel, Duration, Name
from daemon.config.document import Document, Problem, parse_document
from daemon.config.problems import format_problems, problems_of, read_text

__all__ = [
    "ExpectedAlerts",
    "ExpectedClip",
    "RaisedAlert",
    "Verdict",
    "compare",
    "load_expectations",
]

_COUNT = re.compile(r"(\d{1,6})(\.\.(\d{1,6})?)?")
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class RaisedAlert:
    """An alert of a replay.

    Attributes:
        clip: name of the file.
        rule: name of the rule.
        at: seconds of the clip at which it was raised.
        zones: where, as in the message.
        score: as in the message.
        id: of the alert.
    """

    clip: str
    rule: str
    at: float
    zones: tuple[str, ...] = ()
    score: float = 0.0
    id: str = ""


def _parse_count(value: Any) -> Any:
    """`1`, `0`, `1..3` or `2..` as (least, most)."""
    if isinstance(value, tuple):
        return value
    match = _COUNT.fullmatch(str(value)) if isinstance(value, (int, str)) else None
    if match is None or isinstance(value, bool):
        raise ValueError("must be a number such as 1, or a range such as 1..3 or 2..")
    least = int(match[1])
    most = least if match[2] is None else int(match[3]) if match[3] else None
    if most is not None and most < least:
        raise ValueError("the range ends below its beginning")
    return least, most


Count: TypeAlias = Annotated[tuple[int, int | None], BeforeValidator(_parse_count)]


class ExpectedAlerts(ConfigModel):
    """So many alerts of a rule, in a part of a clip."""

    rule: Name = Field(title="Rule", description="Name of a rule of the configuration.")
    between: tuple[Duration, Duration] | None = Field(
        default=None,
        title="Between",
        description="From and to, in the time of the clip; the whole clip when left out.",
    )
    count: Count = Field(
        default=(1, 1), title="Count", description="How many: 1, or a range such as 1..3 or 2.."
    )
    zone: Name | None = Field(default=None, title="Zone", description="Only alerts in this zone.")

    @model_validator(mode="after")
    def _order(self) -> ExpectedAlerts:
        if self.between is not None and self.between[0] > self.between[1]:
            raise ValueError("between: the second time must not be before the first")
        return self

    def matches(self, alert: RaisedAlert) -> bool:
        """Whether this line is about an alert."""
        start, end = self.between or (0.0, float("inf"))
        return (
            alert.rule == self.rule
            and (self.zone is None or self.zone in alert.zones)
            and start - _TOLERANCE <= alert.at <= end + _TOLERANCE
        )


class ExpectedClip(ConfigModel):
    """What happens in a clip."""

    alerts: tuple[ExpectedAlerts, ...] = Field(
        default=(), title="Alerts", description="What must be raised; nothing when left out."
    )
    others: Literal["none", "any"] = Field(
        default="none", title="Others", description="Whether alerts that no line is about may be raised."
    )


class _Expectations(ConfigModel):
    """The file: what happens in each clip, by its file name."""

    clips: dict[str, ExpectedClip] = Field(
        title="Clips", description="By file name, with or without its ending.", min_length=1
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a clip compares: `differences` are lines for people, none where all is as expected."""

    clip: str
    alerts: int
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return not self.differences


def load_expectations(
    path: Path, clips: Sequence[Path], rules: Collection[str], zones: Collection[str]
) -> dict[str, ExpectedClip]:
    """What should happen, by the name of the clip.

    Args:
        path: a YAML file; it may have more clips than these.
        clips: that will be replayed.
        rules: that the configuration has for the camera.
        zones: that the camera has.

    Raises:
        ConfigError: the file cannot be read or is not valid, or says nothing about a clip; all at once.
    """
    text = read_text(path, "write `clips: {clip.mp4: {alerts: [{rule: fall, between: [2s, 6s]}]}}`")
    document = parse_document(text)
    problems = list(document.problems)
    found: dict[str, ExpectedClip] = {}
    if isinstance(document.data, dict):
        try:
            found = _Expectations.model_validate(document.data).clips
        except ValidationError as error:
            problems += problems_of(error, document.data, document, _Expectations.model_json_schema())
    elif not problems:
        problems.append(Problem(1, (), "must hold `clips:`, what happens in each by its file name"))
    if not problems:
        for clip in dict.fromkeys(clips):
            name = _key(clip, found)
            if name is None:
                where = ("clips",)
                problems.append(
                    Problem(document.line(where), where, f"says nothing about {clip.name}: add it")
                )
            else:
                problems += _unknown(name, found[name], rules, zones, document)
    if problems:
        raise ConfigError(format_problems(path, problems, document.secrets))
    return found


def _key(clip: Path, expected: Collection[str]) -> str | None:
    """Under which name a clip is written: with its ending or without."""
    return next((name for name in (clip.name, clip.stem) if name in expected), None)


def _unknown(
    clip: str, expected: ExpectedClip, rules: Collection[str], zones: Collection[str], document: Document
) -> list[Problem]:
    """Names of rules and zones that the camera does not have: such a line could never be met, or always."""
    problems = []
    for index, line in enumerate(expected.alerts):
        for key, name, known in (("rule", line.rule, rules), ("zone", line.zone, zones)):
            if name is not None and name not in known:
                where = ("clips", clip, "alerts", index, key)
                listed = ", ".join(known) or "none"
                problem = f"the camera has no {key} {name!r}; it has {listed}"
                problems.append(Problem(document.line(where), where, problem))
    return problems


def compare(
    clips: Sequence[Path], expected: Mapping[str, ExpectedClip], alerts: Sequence[RaisedAlert]
) -> list[Verdict]:
    """A verdict for each clip, in their order; of clips that nothing is written about there is none."""
    verdicts = []
    for clip in clips:
        name = _key(clip, expected)
        if name is not None:
            own = [alert for alert in alerts if alert.clip == clip.name]
            verdicts.append(_verdict(clip.name, expected[name], own))
    return verdicts


def _verdict(clip: str, expected: ExpectedClip, alerts: Sequence[RaisedAlert]) -> Verdict:
    differences = []
    named: list[RaisedAlert] = []
    for line in expected.alerts:
        found = [alert for alert in alerts if line.matches(alert)]
        named += found
        least, most = line.count
        if len(found) < least or (most is not None and len(found) > most):
            got = "; ".join(_shown(alert) for alert in found) if found else "none"
            near = "" if found else _elsewhere(line, alerts)
            differences.append(f"{_asked(line)}: expected {_range(line)}, got {len(found)} ({got}{near})")
    if expected.others == "none":
        differences += [f"unexpected: {_shown(alert)}" for alert in alerts if alert not in named]
    return Verdict(clip, len(alerts), tuple(differences))


def _asked(line: ExpectedAlerts) -> str:
    when = "" if line.between is None else f" between {line.between[0]:g} s and {line.between[1]:g} s"
    return line.rule + ("" if line.zone is None else f" in {line.zone}") + when


def _range(line: ExpectedAlerts) -> str:
    least, most = line.count
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least} to {most}"


def _elsewhere(line: ExpectedAlerts, alerts: Sequence[RaisedAlert]) -> str:
    other = [alert for alert in alerts if alert.rule == line.rule]
    return f"; elsewhere {'; '.join(_shown(alert) for alert in other)}" if other else ""


def _shown(alert: RaisedAlert) -> str:
    where = f" in {', '.join(alert.zones)}" if alert.zones else ""
    return f"{alert.rule}{where} at {alert.at:.1f} s, score {alert.score:.2f}"
