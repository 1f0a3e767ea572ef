"""What fails for one rule or one person ends there: the others of the camera go on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from stories import CONFIRMED, EPOCH, a_person, a_scene

from classifier.model import ActionModel, ActionScores
from classifier.stream import PoseStream
from daemon.action_reader import ActionReader
from daemon.alerts import AlertEngine
from daemon.config.actions import ActionsConfig
from daemon.config.rules import LoiteringRule
from daemon.events import EventReporter
from daemon.messages import Message
from daemon.situations import Situations
from daemon.topics import Topics
from tracker.pose import Pose

RULES = {
    "bad": LoiteringRule.model_validate({"type": "loitering", "for": "0s", "zones": ["bed"]}),
    "good": LoiteringRule.model_validate({"type": "loitering", "for": "0s", "zones": ["bed"]}),
}


def by_rule(messages: list[Message], rule: str) -> list[tuple[str, str | None]]:
    """Type and reason of the messages of a rule's alerts."""
    payloads = [one.payload for one in messages if isinstance(one.payload, dict)]
    return [(str(one["type"]), one["reason"]) for one in payloads if one.get("rule") == rule]


def test_a_rule_that_fails_is_ended_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    engine = AlertEngine("door", RULES, Topics())
    observe = Situations.observe

    def scene(at: float):
        return a_scene(at, a_person(at=at, zones=["bed"]))

    before = [one for at in (0.0, 0.2, 0.4) for one in engine.evaluate(scene(at))]
    assert by_rule(before, "bad") == by_rule(before, "good") == [("raised", None)]

    def broken(self: Situations, *args):
        if self is engine._rules["bad"]:
            raise ZeroDivisionError("a bug of this rule")
        return observe(self, *args)

    monkeypatch.setattr(Situations, "observe", broken)
    alone = engine.evaluate(scene(0.6))
    assert by_rule(alone, "bad") == []  # a single frame is nothing
    assert engine.active == ("bad", "good")
    later = [one for n in range(4) for one in engine.evaluate(scene(0.8 + 0.2 * n))]
    assert by_rule(later, "bad") == [("cleared", "failed")]
    assert ("posewatch/door/alert/bad", "OFF") in [(one.topic, one.payload) for one in later]
    assert engine.active == ("good",)
    assert engine.errors == 5
    assert caplog.text.count("rule_failed rule=bad camera=door") == 1
    monkeypatch.setattr(Situations, "observe", observe)
    again = [one for n in range(4) for one in engine.evaluate(scene(2.0 + 0.2 * n))]
    assert by_rule(again, "bad")[0] == ("raised", None)


def test_a_person_of_whom_nothing_can_be_said_silences_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = EventReporter("door", Topics())
    describe = EventReporter._describe

    def broken(self: EventReporter, state, person, scene):
        if person.track.id == "bad":
            raise ValueError("a bug")
        return describe(self, state, person, scene)

    monkeypatch.setattr(EventReporter, "_describe", broken)
    messages = reporter.update(
        a_scene(0.0, a_person("bad", state=CONFIRMED), a_person("good", state=CONFIRMED))
    )
    named = [
        one.payload["after"]["id"]
        for one in messages
        if isinstance(one.payload, dict) and "after" in one.payload
    ]
    assert named == ["good"]
    assert reporter.errors == 1


def a_pose(rows: int = 33) -> Pose:
    landmarks = np.zeros((rows, 4), np.float32)
    landmarks[:, :2] = np.random.default_rng(1).uniform(100, 300, (rows, 2))
    landmarks[:, 3] = 0.9
    return Pose(landmarks, np.zeros((rows, 3), np.float32), 0.9, None)


class Picky(ActionModel):
    """A model that cannot bear one person."""

    def classify(
        self, stream: object, tracks: Sequence[str], size: tuple[int, int] | None = None
    ) -> list[ActionScores]:
        assert isinstance(stream, PoseStream)
        if "bad" in tracks:
            raise FloatingPointError("a bug")
        return super().classify(stream, tracks, size)


def test_poses_of_one_person_that_fail_leave_the_others_their_actions(caplog) -> None:
    reader, model = ActionReader("door", ActionsConfig(), {}), Picky()
    for frame in range(40):
        poses = {"bad": a_pose(), "good": a_pose(), "odd": a_pose(32)}  # of another shape: cannot be pushed
        reader.update(poses, list(poses), (640, 480), EPOCH + frame / 15, model)
    assert reader.current("good", EPOCH)[2] is not None
    assert reader.current("bad", EPOCH)[2] is None
    assert reader.errors >= 40
    assert caplog.text.count("track_failed camera=door") == 1


def test_a_model_that_fails_for_everybody_is_no_persons_failure() -> None:
    class Out(ActionModel):
        def classify(self, *_: object) -> list[ActionScores]:
            raise RuntimeError("the model itself")

    reader = ActionReader("door", ActionsConfig(), {})
    with pytest.raises(RuntimeError, match="the model itself"):
        reader.update({"a": a_pose(), "b": a_pose()}, ["a", "b"], (640, 480), 1.0, Out())
