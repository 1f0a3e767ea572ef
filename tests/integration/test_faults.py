"""Nothing is lost, whatever fails; see `fault_scenarios` for what is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_scenarios import SCENARIOS, Outcome, Unavailable, killed_daemon
from servers import MOSQUITTO

pytestmark = [
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed: apt-get install mosquitto"),
    pytest.mark.made_up_payloads,
]


def check(outcome: Outcome) -> None:
    assert outcome.sent
    assert outcome.lost == 0
    assert outcome.in_order
    assert outcome.duplicates <= 0.1 * len(outcome.sent)  # at least once does not mean always twice


def run(name: str, folder: Path) -> Outcome:
    try:
        outcome = SCENARIOS[name](folder)
    except Unavailable as reason:
        pytest.skip(str(reason))
    check(outcome)
    return outcome


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost(name, tmp_path, caplog):
    outcome = run(name, tmp_path)
    if "persistence" in name:
        assert outcome.state["posewatch/status"] == b"online"
        assert outcome.state["posewatch/door/alert/fall"] == b"ON"
    if "noticed" in outcome.log:
        assert outcome.log["noticed"] < 5.0  # with a keep-alive of one second
    if "password" in name:
        assert "refused: Not authorized; check mqtt.username" in caplog.text
    if "reason" in outcome.log:
        assert outcome.log["reason"] in ("the disk is full", "the disk is read-only")
        assert "storage_degraded" in caplog.text
        assert "storage_recovered" in caplog.text


def test_sigkill_between_detection_and_publishing(street, pose_model, tmp_path):
    assert pose_model.is_file()
    outcome = killed_daemon(tmp_path, street)
    check(outcome)
    assert outcome.log["open"]  # alerts were on
    ended = {one["id"] for one in outcome.log["ended"] if one["type"] == "cleared"}
    assert ended == outcome.log["open"]
    assert outcome.state["posewatch/street/alert/about"] == b"OFF"
