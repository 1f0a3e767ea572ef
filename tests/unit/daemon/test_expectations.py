"""What should be raised against what was."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.config import ConfigError
from daemon.expectations import RaisedAlert, compare, load_expectations

RULES, ZONES = ("fall", "lying", "intruder"), ("garden", "gate")


def fall(at: float, **options) -> RaisedAlert:
    return RaisedAlert("one.mp4", "fall", at, **options)


def intruder(at: float, zone: str) -> RaisedAlert:
    return RaisedAlert("one.mp4", "intruder", at, (zone,))


def load(tmp_path: Path, text: str):
    path = tmp_path / "expect.yaml"
    path.write_text(text)
    return load_expectations(path, [Path("one.mp4")], RULES, ZONES)


@pytest.mark.parametrize(
    ("expected", "alerts", "differences"),
    [
        ("{}", [], []),  # nothing is expected, nothing was raised
        ("{}", [fall(3.0, score=0.71)], ["unexpected: fall at 3.0 s, score 0.71"]),
        ("{others: any}", [fall(3.0)], []),
        ("{alerts: [{rule: fall}]}", [fall(3.0)], []),
        ("{alerts: [{rule: fall}]}", [], ["fall: expected 1, got 0 (none)"]),
        # the edges of the window are part of it
        ("{alerts: [{rule: fall, between: [2s, 6s]}]}", [fall(2.0)], []),
        ("{alerts: [{rule: fall, between: [2s, 6s]}]}", [fall(6.0)], []),
        # raised too late: missed there, and unexpected elsewhere
        (
            "{alerts: [{rule: fall, between: [2s, 6s]}]}",
            [fall(6.1)],
            [
                "fall between 2 s and 6 s: expected 1, got 0 (none; elsewhere fall at 6.1 s, score 0.00)",
                "unexpected: fall at 6.1 s, score 0.00",
            ],
        ),
        (
            "{alerts: [{rule: fall}]}",
            [fall(1.0), fall(2.0)],
            ["fall: expected 1, got 2 (fall at 1.0 s, score 0.00; fall at 2.0 s, score 0.00)"],
        ),
        ("{alerts: [{rule: fall, count: 1..2}]}", [fall(1.0), fall(2.0)], []),
        ("{alerts: [{rule: fall, count: 3..}]}", [fall(1.0)], ["fall: expected 3 or more, got 1 "
                                                            "(fall at 1.0 s, score 0.00)"]),
        ("{alerts: [{rule: fall, count: 0}], others: any}", [intruder(1.0, "gate")], []),
        # by zone
        ("{alerts: [{rule: intruder, zone: gate}]}", [intruder(1.0, "gate")], []),
        (
            "{alerts: [{rule: intruder, zone: gate}]}",
            [intruder(1.0, "garden")],
            [
                "intruder in gate: expected 1, got 0 "
                "(none; elsewhere intruder in garden at 1.0 s, score 0.00)",
                "unexpected: intruder in garden at 1.0 s, score 0.00",
            ],
        ),
    ],
)  # fmt: skip
def test_differences(tmp_path, expected, alerts, differences):
    clips = load(tmp_path, f"clips: {{one.mp4: {expected}}}")
    [verdict] = compare([Path("one.mp4")], clips, alerts)
    assert list(verdict.differences) == differences
    assert verdict.passed == (not differences)


def test_alerts_count_for_their_own_clip(tmp_path):
    clips = load(tmp_path, "clips: {one: {alerts: [{rule: fall}]}, two.mp4: {}}")
    verdicts = compare([Path("a/one.mp4"), Path("two.mp4")], clips, [fall(3.0)])
    assert [(verdict.clip, verdict.passed) for verdict in verdicts] == [("one.mp4", True), ("two.mp4", True)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clips: {one.mp4: {alerts: [{rule: falls}]}}",
         "1: clips.one.mp4.alerts[0].rule: the camera has no rule 'falls'; it has fall, lying, intruder"),
        ("clips:\n  one.mp4:\n    alerts:\n    - {rule: fall, zone: roof}",
         "4: clips.one.mp4.alerts[0].zone: "),
        ("clips:\n  one.mp4:\n    alert: []", '3: clips.one.mp4.alert: unknown key, did you mean "alerts"?'),
        ("clips: {one: {alerts: [{rule: fall, count: few}]}}", "count: must be a number such as 1, or a"),
        ("clips: {one: {alerts: [{rule: fall, count: 3..1}]}}", "the range ends below its beginning"),
        ("clips: {one: {alerts: [{rule: fall, between: [6s, 2s]}]}}", "the second time must not be before"),
        ("clips:\n  two.mp4: {}", "1: clips: says nothing about one.mp4: add it"),
        ("clips: {}", "clips: "),
        ("[]", "must hold `clips:`"),
        ("clips: {one: {}", "not valid YAML"),
    ],
)  # fmt: skip
def test_mistakes_name_line_and_key(tmp_path, text, message):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/expect.yaml:")


def test_a_missing_file_says_what_to_write(tmp_path):
    with pytest.raises(ConfigError, match="no such file: write `clips:"):
        load_expectations(tmp_path / "none.yaml", [], RULES, ZONES)
