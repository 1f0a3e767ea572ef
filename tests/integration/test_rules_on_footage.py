"""Rules, hours, profiles, masks and filters as a user sets them, on real footage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon.config import load_config
from daemon.engines import Engines
from daemon.errors import UsageError
from daemon.pipeline import CameraPipeline
from daemon.reader import FrameReader
from daemon.replay import ReplayOutputs, replay
from daemon.topics import Topics
from tracker.model_files import sha256_of

SECONDS = 3.0
EVERYWHERE = {"points": [[0, 0], [1, 0], [1, 1], [0, 1]]}
SOMEBODY = {"type": "loitering", "for": "500ms"}
NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC, a Thursday


@pytest.fixture
def alerts(street: Path, pose_model: Path, tmp_path: Path):
    """Replays three seconds of a street; returns how many people were seen, and every alert's message."""
    assert pose_model.is_file()

    def alerts(rules: dict[str, Any], camera: dict[str, Any] | None = None, **options: Any):
        settings = {
            "profiles": ["home", "away"],
            "cameras": {"street": {"url": 0, "rules": rules, **(camera or {})}},
        }
        path, events = tmp_path / "posewatch.yaml", tmp_path / "events.jsonl"
        path.write_text(yaml.safe_dump({"rules": {}, **settings}), encoding="utf-8")
        outputs = ReplayOutputs(events=str(events))
        summary = replay([street], load_config(path), outputs, max_seconds=SECONDS, **options)
        rows = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
        return len(summary.people), [row["payload"] for row in rows if row["topic"].endswith("/alerts")]

    return alerts


def kinds(messages: list[dict[str, Any]]) -> set[tuple[str, str | None]]:
    return {(one["type"], one["reason"]) for one in messages}


def test_an_alert_says_what_saw_it_and_where(alerts, pose_model):
    people, messages = alerts(
        {"somebody": SOMEBODY, "crowd": {"type": "crowd", "min_people": 3, "for": "1s"}}
    )
    assert people >= 3
    assert kinds(messages) >= {("raised", None), ("cleared", "shutdown")}
    assert sum(one["type"] == "raised" and one["rule"] == "crowd" for one in messages) == 1
    for payload in messages:
        evidence = payload["evidence"]
        assert payload["snapshot"] is None
        assert payload["clip"] is None
        count = len(evidence["scores"])
        assert (
            count == len(evidence["frames"]) == len(evidence["speeds"]) == len(evidence["landmark_quality"])
        )
        for (offset, _), (frame, time) in zip(evidence["scores"], evidence["frames"], strict=True):
            assert time == pytest.approx(payload["start_time"] + offset, abs=0.02)
            assert frame == round(time * 10)
        assert all(0.0 <= quality <= 1.0 for quality in evidence["landmark_quality"] if quality is not None)
        assert max(quality or 0.0 for quality in evidence["landmark_quality"]) > 0.3
        assert evidence["models"]["pose"] == {"name": "pose_full", "sha256": sha256_of(pose_model)[:12]}
        assert set(evidence["models"]) - {"pose_lite"} == {"detector", "pose", "actions"}
        assert all(len(version["sha256"]) == 12 for version in evidence["models"].values())


@pytest.mark.parametrize(
    "camera",
    [
        {"masks": {"all": EVERYWHERE}},
        {"filters": {"min_height": 0.9}},
        {"filters": {"max_area": 0.0001}},
        {"filters": {"min_score": 1.0}},
    ],
    ids=lambda one: next(iter(one)),
)
def test_who_is_masked_or_filtered_is_not_looked_at(alerts, camera):
    people, messages = alerts({"somebody": SOMEBODY, "nobody": {"type": "absence", "for": "1s"}}, camera)
    assert people == 0
    assert {one["rule"] for one in messages} == {"nobody"}


def test_profiles_and_hours(alerts):
    hours = [{"days": ["thu"], "from": "12:00", "to": "13:00", "timezone": "UTC"}]
    rules = {"away": {**SOMEBODY, "profiles": ["away"]}, "noon": {**SOMEBODY, "schedule": hours}}
    assert alerts(rules)[1] == []
    assert {one["rule"] for one in alerts(rules, profile="away")[1]} == {"away"}
    assert {one["rule"] for one in alerts(rules, start_time=NOON)[1]} == {"noon"}
    assert alerts(rules, start_time=NOON + 3600)[1] == []
    assert ("cleared", "schedule") in kinds(alerts(rules, start_time=NOON + 3600 - 2)[1])
    with pytest.raises(UsageError, match="whose profiles are: home, away"):
        alerts(rules, profile="night")


def test_a_change_of_profile_between_two_frames(street: Path, pose_model: Path, tmp_path: Path):
    assert pose_model.is_file()
    path = tmp_path / "posewatch.yaml"
    rule = {**SOMEBODY, "profiles": ["away"]}
    path.write_text(
        yaml.safe_dump(
            {"profiles": ["home", "away"], "rules": {"away": rule}, "cameras": {"street": {"url": 0}}}
        )
    )
    config = load_config(path)
    pipeline = CameraPipeline("street", config.cameras["street"], Topics(), profile=config.profiles[0])
    engines = Engines()
    with FrameReader("street", str(street)) as reader:
        for number in range(30):
            frame = reader.read()
            pipeline.process(frame, engines)
            if number == 14:
                assert pipeline.active_alerts == ()
                assert pipeline.set_profile("away", frame.captured_at) == []
    assert pipeline.active_alerts == ("away",)
    *cleared, state = pipeline.set_profile("home", frame.captured_at)
    assert {message.payload["reason"] for message in cleared} == {"profile"}
    assert state.payload == "OFF"
    assert pipeline.active_alerts == ()
    assert {one.payload["reason"] for one in pipeline.close(frame.captured_at) if "events" in one.topic} == {
        "shutdown"
    }
