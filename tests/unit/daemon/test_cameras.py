"""Commands and the end while a frame is in hand for too long: all or nothing, and nothing after the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reports import alert

from daemon import controls as controls_module
from daemon.cameras import Cameras, held
from daemon.channel import Channel
from daemon.config import load_config
from daemon.controls import Controls
from daemon.engines import Engines
from daemon.media import MediaLibrary
from daemon.messages import Message
from daemon.mqtt import CommandError, Publisher
from daemon.pipeline import FrameResult
from daemon.storage import Store
from daemon.switches import Switches
from daemon.topics import Topics

pytestmark = pytest.mark.made_up_payloads
CONFIG = """
mqtt: {enabled: false}
profiles: [home, away]
rules:
  fight: {type: fight, profiles: [away]}
cameras:
  door: {url: "rtsp://127.0.0.1:9/door"}
  yard: {url: "rtsp://127.0.0.1:9/yard"}
"""


class World:
    """Two cameras with what commands them; nothing runs, and what is published is in `said`."""

    def __init__(self, folder: Path) -> None:
        (folder / "posewatch.yaml").write_text(CONFIG)
        config = load_config(folder / "posewatch.yaml")
        media = MediaLibrary(config, Topics(), None)
        self.store = Store(folder / "state")
        self.said: list[Message] = []
        channels = [
            Channel(name, one, Topics(), media.camera(name), left_open=self.store.open_items)
            for name, one in config.cameras.items()
        ]
        self.cameras = Cameras(channels, [Engines()], self.publish, Topics())
        self.cameras._running = True
        self.switches = Switches(self.store)
        publisher = Publisher(config.mqtt, self.store)
        self.controls = Controls(config, self.switches, self.publish, publisher)
        self.controls.listen(self.cameras)
        self.handlers = publisher._commands._handlers
        self.door, self.yard = channels

    def publish(self, messages: list[Message]) -> None:
        self.said += messages
        self.store.append([one for one in messages if one.qos and not one.retain], deliver=False)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(held.__wrapped__, "__defaults__", (0.2,))  # type: ignore[attr-defined]
    monkeypatch.setattr(controls_module, "_PATIENCE", 0.1)
    made = World(tmp_path)
    yield made
    made.store.close()


@pytest.mark.parametrize("switch", ["enabled", "alerts"])
def test_what_cannot_be_switched_whole_is_not_switched_at_all(world: World, switch: str) -> None:
    door = world.door
    with door.lock, pytest.raises(CommandError, match="nothing was switched"):
        world.handlers[f"posewatch/door/{switch}/set"](b"OFF")
    assert door.enabled
    assert door.pipeline.alerts_enabled
    assert world.switches.enabled("door", True)
    assert world.switches.alerts("door")
    assert not world.said
    world.handlers[f"posewatch/door/{switch}/set"](b"OFF")
    assert (door.enabled, door.pipeline.alerts_enabled) == (switch != "enabled", switch != "alerts")
    assert (f"posewatch/door/{switch}/state", "OFF") in [(one.topic, one.payload) for one in world.said]


def watches(channel: Channel) -> bool:
    return channel.pipeline._alerts.fighters(0.0) is not None


def test_a_camera_that_hangs_keeps_no_other_from_the_profile(world: World) -> None:
    assert not watches(world.door)
    with world.door.lock:
        world.handlers["posewatch/profile/set"](b"away")
    assert watches(world.yard)
    assert world.switches.profile(["home", "away"]) == "away"
    assert ("posewatch/profile/state", "away") in [(one.topic, one.payload) for one in world.said]
    frame: Any = None
    world.door.process(frame, Engines())  # whatever becomes of the next one
    assert watches(world.door)


def test_no_frame_is_begun_while_a_command_waits_for_the_one_in_hand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a worker that always has a next one takes the lock again before whoever waits for it wakes up."""
    monkeypatch.setattr(held.__wrapped__, "__defaults__", (20.0,))  # type: ignore[attr-defined]
    door = world.door
    monkeypatch.setattr(door.camera, "take", object)
    assert door.take() is not None
    command = threading.Thread(target=world.handlers["posewatch/door/alerts/set"], args=(b"OFF",))
    with door.lock:
        command.start()
        end = time.monotonic() + 10.0
        while door.take() is not None and time.monotonic() < end:
            pass
        assert door.take() is None
        assert not world.yard.awaited
    command.join(10.0)
    assert not door.pipeline.alerts_enabled
    assert door.take() is not None


def test_nothing_follows_the_end_of_a_camera_whose_frame_took_too_long(world: World) -> None:
    begun, go = threading.Event(), threading.Event()
    raised = alert("raised", 1)

    class Slow:
        alerts_enabled, errors, view = True, 0, None

        def process(self, *_: object) -> FrameResult:
            begun.set()
            go.wait(20.0)
            scene: Any = None
            return FrameResult(scene, [raised, Message("posewatch/door/alert/fight", "ON", 1, True)])

    world.door.pipeline = Slow()  # type: ignore[assignment]
    frame: Any = type("Frame", (), {"captured_at": 1.7e9, "monotonic": 1.0})()
    worker = threading.Thread(target=world.cameras._work, args=(world.door, frame, Engines()))
    worker.start()
    assert begun.wait(10.0)
    world.cameras.close()
    go.set()
    worker.join(10.0)
    state = [one.payload for one in world.said if one.topic == "posewatch/door/alert/fight"]
    assert state == ["OFF"]
    assert raised not in world.said
    assert world.store.open_items("door") == []


def test_an_overload_is_said_once_and_taken_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In the log by one line for the service, and for each camera on its status topic."""
    world, now = World(tmp_path), [1000.0]

    def look(seconds: float, processed: int, dropped: int) -> None:
        """So many frames a second of the door, for a while; the yard is well."""
        for _ in range(round(seconds)):
            now[0] += 1.0
            world.door.frames_processed += processed
            world.door.camera.frames_in += processed + dropped
            world.door.camera.frames_dropped += dropped
            world.yard.frames_processed += 10
            world.yard.camera.frames_in += 10
            world.cameras.look_after()

    def told(camera: str) -> list[bool]:
        topic = f"posewatch/{camera}/status"
        return [one.payload["overloaded"] for one in world.said if one.topic == topic]  # type: ignore[index,call-overload]

    with pytest.MonkeyPatch.context() as patch, caplog.at_level("INFO"):
        patch.setattr("daemon.cameras.time.monotonic", lambda: now[0])
        look(30.0, processed=10, dropped=0)
        assert told("door") == []
        look(30.0, processed=4, dropped=6)
        assert told("door") == [True]
        assert world.door.status.overloaded
        look(30.0, processed=10, dropped=0)
        assert told("door") == [True, False]
        assert told("yard") == []
    lines = [one.getMessage().split(";")[0] for one in caplog.records if "overload" in one.getMessage()]
    lines = [line for line in lines if not line.startswith("camera_state")]
    assert lines == ["overloaded cameras=door processed=40% load=0.00 workers=1", "overload_over load=0.00"]
