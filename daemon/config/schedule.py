"""Hours of the week in which a rule watches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from daemon.config.base import ConfigModel

__all__ = ["Hours", "TimeOfDay", "is_scheduled"]

_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_GROUPS = {"weekdays": _WEEK[:5], "weekend": _WEEK[5:]}
_TIME = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_DAY = 24 * 60  # minutes

_Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "weekdays", "weekend"]


def _minutes(value: Any) -> int:
    """Minutes since midnight of "22:30". YAML reads 22:30 without quotes as the number 1350: the same.

    It does so from 1:00 on: a smaller number is a `from: 8`, which is not eight minutes past midnight.
    """
    if isinstance(value, int) and not isinstance(value, bool) and (value == 0 or 60 <= value <= _DAY):
        return value
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    minutes = -1 if match is None else int(match[1]) * 60 + int(match[2])
    if not 0 <= minutes <= _DAY:
        raise ValueError("must be a time of day from 00:00 to 24:00, such as 22:30")
    return minutes


TimeOfDay: TypeAlias = Annotated[
    int,
    BeforeValidator(_minutes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\s*([01]?\d|2[0-4]):[0-5]\d\s*$"},
                {"type": "integer", "minimum": 60, "maximum": _DAY},
                {"const": 0},
            ]
        }
    ),
]
"""Minutes since midnight; written as `22:30`."""


def _zone(name: str) -> tzinfo:
    """The time zone of a name.

    Raises:
        ValueError: there is none, or this machine knows none at all.
    """
    if name == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if not available_timezones():
            raise ValueError(
                "this machine has no time zone data: install the package tzdata (apt-get install tzdata, or "
                "pip install tzdata)"
            ) from None
        raise ValueError(
            "unknown time zone: give a name such as Europe/Berlin, America/New_York or UTC"
        ) from None


class Hours(ConfigModel):
    """Hours of some days; over midnight where `to` is not after `from`."""

    days: tuple[_Day, ...] = Field(
        default=(),
        title="Days",
        description="On which the hours begin: mon ... sun, weekdays, weekend; every day when left out.",
    )
    from_: TimeOfDay = Field(
        default=0, alias="from", title="From", description="Time of day; 00:00 when left out."
    )
    to: TimeOfDay = Field(
        default=_DAY,
        title="To",
        description="Time of day, which is no longer part of it; before `from` it is on the next day.",
    )
    timezone: str | None = Field(
        default=None,
        title="Time zone",
        description="Such as Europe/Berlin; that of the machine when left out.",
    )

    model_config = ConfigModel.model_config | {"populate_by_name": True}

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            _zone(value)
        return value

    @model_validator(mode="after")
    def _some(self) -> Hours:
        if self.from_ == self.to or (self.from_ == _DAY and self.to == 0):
            raise ValueError("from and to are the same: leave both out for the whole day")
        return self

    def covers(self, captured_at: float) -> bool:
        """Whether a time is within these hours: what a clock on the wall there shows.

        So an hour that the clocks skip is in no schedule, and one that they show twice is twice in it.

        Args:
            captured_at: UTC epoch seconds.
        """
        # Without a time zone the C library knows the machine's, whatever Python's own data says.
        local = datetime.fromtimestamp(captured_at, self._tzinfo)
        minute = local.hour * 60 + local.minute
        today, yesterday = local.weekday(), (local - timedelta(days=1)).weekday()
        if self.from_ < self.to:
            return today in self._days and self.from_ <= minute < self.to
        return (today in self._days and minute >= self.from_) or (
            yesterday in self._days and minute < self.to
        )

    @cached_property
    def _tzinfo(self) -> tzinfo | None:
        return None if self.timezone is None else _zone(self.timezone)

    @cached_property
    def _days(self) -> frozenset[int]:
        names = [name for day in self.days or _WEEK for name in _GROUPS.get(day, (day,))]
        return frozenset(_WEEK.index(name) for name in names)


def is_scheduled(schedule: Sequence[Hours], captured_at: float) -> bool:
    """Whether a time is within any hours of a schedule; an empty one has no end.

    Args:
        schedule: of a rule.
        captured_at: UTC epoch seconds.
    """
    return not schedule or any(hours.covers(captured_at) for hours in schedule)
