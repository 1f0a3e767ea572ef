"""What a camera keeps when it is lost and comes back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from reports import alert

from daemon.capture import Frame
from daemon.channel import FAILURES_IN_A_ROW, Channel
from daemon.config import load_config
from daemon.engines import Engines
from daemon.media import MediaLibrary
from daemon.reasons import EndReason
from daemon.storage import Store
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
    return Channel(
        "door", config.cameras["door"], Topics(), MediaLibrary(config, Topics(), None).camera("door")
    )


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


class Broken:
    """In place of a pipeline: every frame fails, and so does its end."""

    alerts_enabled, errors, view = True, 3, None

    def process(self, *_: object) -> None:
        raise RuntimeError("broken")

    def close(self, *_: object) -> None:
        raise RuntimeError("broken as well")


def a_frame(number: int) -> Frame:
    return Frame("door", number, np.zeros((48, 64, 3), np.uint8), 1.7e9 + number, float(number))


def test_a_single_error_costs_its_frame_and_several_in_a_row_start_anew(channel: Channel, caplog) -> None:
    good, engines = channel.pipeline, Engines()
    broken = channel.pipeline = Broken()  # type: ignore[assignment]
    for number in range(FAILURES_IN_A_ROW - 1):
        assert channel.process(a_frame(number), engines) == []
    assert channel.pipeline is broken
    assert channel.failed is None
    messages = channel.process(a_frame(9), engines)
    assert channel.pipeline is not broken
    assert (channel.restarts, channel.all_errors) == (1, FAILURES_IN_A_ROW + Broken.errors)
    assert "posewatch/door/people" in {one.topic for one in messages}  # its state is said anew
    assert channel.take() is None  # it waits
    assert channel.pipeline is not good
    assert caplog.text.count("frame_failed") == 1


@pytest.mark.made_up_payloads
def test_what_a_broken_pipeline_cannot_end_is_ended_as_it_was_told(tmp_path: Path) -> None:
    (tmp_path / "posewatch.yaml").write_text(CONFIG)
    config = load_config(tmp_path / "posewatch.yaml")
    with closing(Store(tmp_path / "state")) as store:
        raised = alert("raised", 1)
        store.append([raised])
        media = MediaLibrary(config, Topics(), None).camera("door")
        channel = Channel(
            "door", config.cameras["door"], Topics(), media, left_open=lambda _: store.open_items("door")
        )
        channel.pipeline = Broken()  # type: ignore[assignment]
        messages = channel.end(EndReason.FAILED)
        (ended,) = [one.payload for one in messages if one.topic == raised.topic]
        assert isinstance(ended, dict)
        assert isinstance(raised.payload, dict)
        assert (ended["id"], ended["type"], ended["reason"]) == (raised.payload["id"], "cleared", "failed")
        store.append(messages)
        assert store.open_items("door") == []


def test_counts_never_go_back_when_the_stream_is_another_one(channel: Channel) -> None:
    channel.camera.frames_in, channel.camera._connections = 100, 3
    media = channel._media
    channel.go_on_with(channel.prepare(channel.settings, Topics(), media, new_stream=True))
    channel.camera.frames_in = 1
    assert channel.counts == (101, 0, 0, 2)
    channel.go_on_with(channel.prepare(channel.settings, Topics(), media, new_stream=False))
    assert channel.counts == (101, 0, 0, 2)


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
