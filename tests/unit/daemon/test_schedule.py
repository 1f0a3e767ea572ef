"""Hours of the week: what a clock on the wall shows, over midnight and over changes of the clocks."""

from __future__ import annotations

import time
import zoneinfo
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from daemon.config.schedule import Hours, is_scheduled

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


@pytest.mark.parametrize(
    ("hours", "moment", "inside"),
    [
        # 2026-11-23 is a Monday
        ({"from": "08:00", "to": "20:00"}, "2026-11-23 08:00:00", True),
        ({"from": "08:00", "to": "20:00"}, "2026-11-23 07:59:59", False),
        ({"from": "08:00", "to": "20:00"}, "2026-11-23 19:59:59", True),
        ({"from": "08:00", "to": "20:00"}, "2026-11-23 20:00:00", False),
        # over midnight: the days are those on which the hours begin
        ({"from": "22:00", "to": "6:00", "days": ["mon"]}, "2026-11-23 22:00:00", True),
        ({"from": "22:00", "to": "6:00", "days": ["mon"]}, "2026-11-24 05:59:59", True),
        ({"from": "22:00", "to": "6:00", "days": ["mon"]}, "2026-11-24 06:00:00", False),
        ({"from": "22:00", "to": "6:00", "days": ["mon"]}, "2026-11-24 22:00:00", False),
        ({"from": "22:00", "to": "6:00", "days": ["mon"]}, "2026-11-23 05:00:00", False),  # of Sunday
        ({"from": "22:00", "to": "6:00", "days": ["sun"]}, "2026-11-23 05:00:00", True),
        # days
        ({"days": ["weekend"]}, "2026-11-22 12:00:00", True),
        ({"days": ["weekend"]}, "2026-11-23 00:00:00", False),
        ({"days": ["weekdays", "sat"]}, "2026-11-21 23:59:59", True),
        ({"days": ["weekdays", "sat"]}, "2026-11-22 12:00:00", False),
        # open ends
        ({"from": "18:00"}, "2026-11-23 23:59:59", True),
        ({"from": "18:00"}, "2026-11-24 00:00:00", False),
        ({"to": "6:30"}, "2026-11-24 00:00:00", True),
        ({"from": "18:00", "to": "24:00"}, "2026-11-23 23:59:59", True),
        ({"from": "18:00", "to": "0:00"}, "2026-11-23 23:59:59", True),
    ],
)
def test_hours(hours, moment, inside):
    assert Hours(**hours, timezone=BERLIN).covers(at(moment)) == inside


def test_the_hour_that_the_clocks_skip_and_the_one_that_they_show_twice():
    """Europe/Berlin: 2026-03-29 02:00 becomes 03:00, 2026-10-25 03:00 becomes 02:00."""
    skipped = Hours(**{"from": "2:00", "to": "3:00"}, timezone=BERLIN)
    night = at("2026-03-29 00:00")
    assert not any(skipped.covers(night + minute * 60) for minute in range(23 * 60))
    twice = at("2026-10-25 00:00")
    assert sum(skipped.covers(twice + minute * 60) for minute in range(25 * 60)) == 120
    # Hours over such a night are an hour shorter, or longer; they begin and end by the clock on the wall.
    over = Hours(**{"from": "22:00", "to": "6:00"}, timezone=BERLIN)
    for evening, minutes in (("2026-03-28 12:00", 7 * 60), ("2026-10-24 12:00", 9 * 60)):
        start = at(evening)
        inside = [minute for minute in range(24 * 60) if over.covers(start + minute * 60)]
        assert len(inside) == minutes
        assert inside == list(range(inside[0], inside[0] + minutes))
    assert over.covers(at("2026-10-25 05:59"))
    assert not over.covers(at("2026-10-25 06:00"))


def test_a_time_zone_of_its_own_and_that_of_the_machine(monkeypatch):
    moment = at("2026-07-01 12:00", "UTC")
    noon = {"from": "12:00", "to": "12:01"}
    assert Hours(**noon, timezone="UTC").covers(moment)
    assert not Hours(**noon, timezone=BERLIN).covers(moment)
    assert Hours(**noon, timezone=BERLIN).covers(moment - 2 * 3600)
    local = Hours(**noon)
    try:
        for zone, offset in (("UTC0", 0), ("XYZ-5:30", 5.5)):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert local.covers(moment - offset * 3600)
            assert not local.covers(moment - offset * 3600 + 60)
    finally:
        monkeypatch.undo()
        time.tzset()


@given(
    st.integers(0, 1439),
    st.integers(1, 1440),
    st.integers(0, 6),
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    st.sampled_from(["UTC", BERLIN, "Asia/Kolkata"]),
)
def test_hours_are_those_from_their_begin_to_their_end(start, end, day, moment, zone):
    """By counting days and minutes instead."""
    if start == end or (start, end) == (0, 1440):
        return
    week = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    texts = {name: f"{minutes // 60}:{minutes % 60:02}" for name, minutes in (("from", start), ("to", end))}
    hours = Hours(**texts, days=[week[day]], timezone=zone)
    wall = datetime.fromtimestamp(moment.replace(tzinfo=ZoneInfo("UTC")).timestamp(), ZoneInfo(zone))
    wall = wall.replace(tzinfo=None)
    begins = [
        datetime.combine(wall.date() - timedelta(days=back), datetime.min.time()) + timedelta(minutes=start)
        for back in (0, 1)
    ]
    length = timedelta(minutes=(end - start) % 1440 or 1440)
    expected = any(one.weekday() == day and one <= wall < one + length for one in begins)
    assert hours.covers(moment.replace(tzinfo=ZoneInfo("UTC")).timestamp()) == expected


def test_a_schedule_is_any_of_its_hours_and_an_empty_one_is_always():
    first = Hours(**{"from": "8:00", "to": "9:00"}, timezone="UTC")
    second = Hours(**{"from": "10:00", "to": "11:00"}, timezone="UTC")
    for hour, inside in ((8, True), (9, False), (10, True), (11, False)):
        assert is_scheduled((first, second), hour * 3600.0) == inside
    assert is_scheduled((), 0.0)


@pytest.mark.parametrize("value", ["22:30", " 22:30 ", 1350])
def test_times_as_yaml_gives_them(value):
    """22:30 without quotes is the number 1350 in YAML 1.1; 07:30 is a text."""
    assert Hours(**{"from": value}).from_ == 1350
    assert Hours(**{"from": "07:30"}).from_ == 450


@pytest.mark.parametrize(
    ("hours", "says"),
    [
        ({"from": "25:00"}, "time of day"),
        ({"from": "24:30"}, "time of day"),
        ({"from": "9:60"}, "time of day"),
        ({"from": -1}, "time of day"),
        ({"from": 1441}, "time of day"),
        ({"from": True}, "time of day"),
        ({"from": "8:00", "to": "8:00"}, "leave both out"),
        ({"from": "24:00", "to": "0:00"}, "leave both out"),
        ({"days": ["someday"]}, "mon"),
        ({"timezone": "Europe/Atlantis"}, "unknown time zone"),
        ({"timezone": "../../etc/passwd"}, "unknown time zone"),
        ({"timezone": ""}, "unknown time zone"),
    ],
)
def test_what_is_no_schedule(hours, says):
    with pytest.raises(ValidationError, match=says):
        Hours(**hours)


def test_a_machine_without_time_zone_data_is_told_so(monkeypatch):
    monkeypatch.setattr("daemon.config.schedule.available_timezones", set)

    def none(name: str):
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr("daemon.config.schedule.ZoneInfo", none)
    with pytest.raises(ValidationError, match="install the package tzdata"):
        Hours(timezone=BERLIN)
    assert Hours(timezone="UTC").covers(0.0)  # which needs none


def test_the_package_brings_time_zone_data():
    text = (Path(__file__).resolve().parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    assert '"tzdata' in text


def test_an_hour_alone_is_no_time_of_day():
    """`from: 8` would be eight minutes past midnight, and nobody watches by day."""
    assert Hours(**{"from": 1350, "to": 0}).from_ == 22 * 60 + 30  # how YAML reads 22:30
    for number in (1, 8, 18, 24, 59, 2230):
        with pytest.raises(ValueError, match="must be a time of day"):
            Hours(**{"from": number})
