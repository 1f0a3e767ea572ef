"""What a camera keeps when it is lost and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.channel import Channel
from daemon.config import load_config
from daemon.media import MediaLibrary
from daemon.reasons import EndReason
from daemon.tamper import KnownView
from daemon.topics import Topics

CONFIG = """
profiles: [home, away]
rules:
  fight: {type: fight, profiles: [away]}
cameras:
  door: {url: "rtsp://127.0.0.1:9/door"}
"""


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    (tmp_path / "posewatch.yaml").write_text(CONFIG)
    config = load_config(tmp_path / "posewatch.yaml")
    return Channel("door", config, Topics(), MediaLibrary(config, Topics(), None).camera("door"))


def test_alerts_that_are_switched_off_stay_off_when_the_camera_comes_back(channel: Channel) -> None:
    channel.set_alerts(False)
    channel.end(EndReason.CAMERA_LOST)
    assert not channel.pipeline.alerts_enabled
    channel.set_alerts(True)
    channel.end(EndReason.CAMERA_LOST)
    assert channel.pipeline.alerts_enabled


def test_the_profile_stays_when_the_camera_comes_back(channel: Channel) -> None:
    for profile, watched in (("away", True), ("home", False), ("away", True)):
        channel.set_profile(profile)
        channel.end(EndReason.CAMERA_LOST)
        assert (channel.pipeline._alerts.fighters(0.0) is not None) is watched


def test_the_view_outlives_an_outage_and_is_learned_again_when_switched_off_and_on(channel: Channel) -> None:
    learned = KnownView()
    for reason, kept in (
        (EndReason.CAMERA_LOST, True),
        (EndReason.FAILED, True),
        (EndReason.SWITCHED_OFF, False),
        (EndReason.CONFIG, False),
    ):
        channel.pipeline = channel._make_pipeline(learned)
        messages = channel.end(reason)
        assert (channel.pipeline.view is learned) is kept
        [said] = [message.payload for message in messages if message.topic == "posewatch/door/tamper"]
        assert isinstance(said, dict)
        assert (said["state"], said["reason"]) == ("unknown", reason.value)
