"""The daemon and a real Home Assistant, with a real broker between them.

Runs where POSEWATCH_HOME_ASSISTANT is the path of `hass` (2024.12 or later, with the requirements of its MQTT
integration installed).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from home_assistant import HomeAssistant
from running import Daemon
from servers import Broker, RtspServer, free_port, wait_for

from daemon.demo.servers import transcode

CONFIG = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: posewatch-test}}
stats_interval: 1s
cameras:
  street:
    url: {url}
    fps: 5
    read_timeout: 2s
    reconnect: {{min: 200ms, max: 500ms}}
    zones:
      everywhere: {{points: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
    rules:
      hanging_about: {{type: loitering, for: 1s, cooldown: 0s, zones: [everywhere]}}
      fall: {{type: fall}}
"""
SLOW = 40.0  # seconds to wait for what takes a few on an idle machine
RULE = "binary_sensor.posewatch_street_hanging_about"
FALL = "binary_sensor.posewatch_street_fall"
EVENT = "event.posewatch_street_alert"
STATUS = "sensor.posewatch_street_status"
PEOPLE = "sensor.posewatch_street_people"
HUB = "binary_sensor.posewatch_connection"
DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "home-assistant.md"


@dataclass(frozen=True)
class Home:
    """Everything that runs."""

    hass: HomeAssistant
    broker: Broker
    camera: RtspServer
    daemon: Daemon
    folder: Path


@pytest.fixture(scope="module")
def program() -> str:
    program = os.environ.get("POSEWATCH_HOME_ASSISTANT")
    if not program:
        pytest.skip("Home Assistant not given: set POSEWATCH_HOME_ASSISTANT to the path of hass")
    return program


def documented_automations() -> str:
    """Those of the documentation, for this camera and its rule."""
    text = DOCUMENTATION.read_text(encoding="utf-8").partition("## Automations")[2]
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    text = "".join(blocks).replace("raised fall", "raised hanging_about")
    return text.replace("living_room_fall", "street_hanging_about").replace("living_room", "street")


@pytest.fixture
def home(program: str, footage: Path, pose_model: Path, tmp_path: Path) -> Iterator[Home]:
    """Home Assistant, connected to a broker, and a daemon that watches a street."""
    assert pose_model.is_file()
    transcode(footage, tmp_path / "street.mp4", seconds=70.0)
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(tmp_path))
        hass = stack.enter_context(
            HomeAssistant(program, tmp_path / "hass", broker.port, documented_automations())
        )
        camera = stack.enter_context(RtspServer(tmp_path))
        config = tmp_path / "posewatch.yaml"
        config.write_text(CONFIG.format(port=broker.port, url=camera.url("street.mp4")))
        daemon = stack.enter_context(Daemon(config))
        wait_for(lambda: hass.state(STATUS) == "streaming", SLOW, "the camera in Home Assistant")
        yield Home(hass, broker, camera, daemon, tmp_path)


def attributes(home: Home, entity: str) -> dict[str, Any]:
    found: dict[str, Any] = (home.hass.entity(entity) or {}).get("attributes", {})
    return found


def is_unavailable(home: Home, *entities: str) -> bool:
    return all(home.hass.state(entity) == "unavailable" for entity in entities)


@pytest.mark.slow
def test_entities_follow_what_happens(home: Home) -> None:
    hass = home.hass
    devices = hass.render(
        "{{ integration_entities('mqtt') | map('device_id') | unique | map('device_attr', 'name') | list }}"
    )
    assert sorted(eval(devices)) == ["Street", "posewatch"]
    assert hass.state(FALL) == "off"
    assert attributes(home, FALL)["device_class"] == "safety"
    assert hass.state(HUB) == "on"

    wait_for(lambda: hass.state(RULE) == "on", SLOW, "an alert")
    wait_for(lambda: "evidence" in attributes(home, RULE), SLOW, "the alert's attributes")
    about = attributes(home, RULE)
    assert about["friendly_name"] == "Street Hanging about"
    assert about["evidence"]["type"] == "loitering"
    assert about["zones"] == ["everywhere"]
    told = attributes(home, EVENT)
    assert told["event_type"] in ("raised", "updated", "cleared")
    assert told["rule"] == "hanging_about"
    wait_for(lambda: re.fullmatch(r"(Score [01]\.\d+)+", hass.notified), SLOW, "the automation")
    # By now there was a picture, too: it comes before the alert.
    assert hass.image("image.posewatch_street_snapshot").startswith(b"\xff\xd8\xff")
    assert int(hass.state(PEOPLE) or 0) >= 1
    wait_for(lambda: int(hass.state("sensor.posewatch_street_people_everywhere") or 0) >= 1, SLOW, "a zone")
    wait_for(lambda: hass.state("binary_sensor.posewatch_problem") == "off", SLOW, "statistics")

    # Alerts are off: nobody may take a sensor for safe that nobody feeds.
    hass.call("switch.turn_off", "switch.posewatch_street_alerts")
    wait_for(lambda: is_unavailable(home, RULE, FALL), SLOW, "sensors without alerts")
    wait_for(lambda: hass.state("switch.posewatch_street_alerts") == "off", what="the switch")
    assert hass.state(STATUS) == "streaming"
    hass.call("switch.turn_on", "switch.posewatch_street_alerts")
    wait_for(lambda: hass.state(RULE) == "on", SLOW, "alerts again")

    # The same when the camera is switched off, and when it is lost.
    hass.call("switch.turn_off", "switch.posewatch_street_enabled")
    wait_for(lambda: hass.state(STATUS) == "disabled", SLOW, "the camera off")
    assert is_unavailable(home, RULE, FALL, PEOPLE)
    hass.call("switch.turn_on", "switch.posewatch_street_enabled")
    wait_for(lambda: hass.state(RULE) == "on", SLOW, "an alert again")
    home.camera.kill()
    wait_for(lambda: is_unavailable(home, RULE, FALL, PEOPLE), SLOW, "the loss of the camera")
    assert hass.state(STATUS) in ("connecting", "stalled")
    wait_for(lambda: attributes(home, EVENT)["event_type"] == "cleared", SLOW, "its end")
    assert attributes(home, EVENT)["reason"] == "camera_lost"
    assert hass.complaints() == []


@pytest.mark.slow
def test_what_leaves_the_configuration_leaves_home_assistant(home: Home) -> None:
    hass, config = home.hass, home.folder / "posewatch.yaml"
    assert home.daemon.ask_to_stop()[0] == 0
    text = config.read_text()
    config.write_text(f"{text}  yard: {{url: 'rtsp://127.0.0.1:{free_port()}/nobody'}}\n")
    with Daemon(config) as daemon:
        wait_for(lambda: hass.state("sensor.posewatch_yard_status") == "connecting", SLOW, "another camera")
        assert daemon.ask_to_stop()[0] == 0
    config.write_text(text.replace("hanging_about:", "waiting:"))
    with Daemon(config):
        wait_for(lambda: hass.state("binary_sensor.posewatch_street_waiting") == "on", SLOW, "the new name")
        wait_for(lambda: not [one for one in hass.entities() if "yard" in one], SLOW, "the camera's end")
        assert hass.entity(RULE) is None
        assert hass.state(FALL) == "off"
        devices = "{{ integration_entities('mqtt') | map('device_id') | unique | list | count }}"
        assert hass.render(devices) == "2"
    assert hass.complaints() == []


@pytest.mark.slow
def test_profiles(home: Home) -> None:
    hass, config = home.hass, home.folder / "posewatch.yaml"
    assert home.daemon.ask_to_stop()[0] == 0
    text = config.read_text().replace("type: loitering,", "type: loitering, profiles: [away],")
    config.write_text(f"profiles: [home, away]\n{text}")
    with Daemon(config):
        profile = "select.posewatch_profile"
        wait_for(lambda: hass.state(profile) == "home", SLOW, "the first profile")
        wait_for(lambda: hass.state(FALL) == "off", SLOW, "a rule of every profile")
        assert is_unavailable(home, RULE)  # nobody looks for it: it is not safe to say that it is not there
        hass.set_state("zone.home", "1")
        hass.set_state("zone.home", "0")  # the documented automations: everyone has left
        wait_for(lambda: hass.state(profile) == "away", SLOW, "the other profile")
        wait_for(lambda: hass.state(RULE) == "on", SLOW, "the rule of this profile")
        hass.set_state("zone.home", "2")
        wait_for(lambda: hass.state(profile) == "home", SLOW, "the first profile again")
        wait_for(lambda: is_unavailable(home, RULE), SLOW, "the end of the rule")
        wait_for(lambda: attributes(home, EVENT).get("reason") == "profile", SLOW, "the reason")
    assert hass.complaints() == []


@pytest.mark.slow
def test_restarts_of_either(home: Home) -> None:
    hass = home.hass
    before = set(hass.entities())
    hass.stop()
    hass.start()
    wait_for(lambda: hass.state(RULE) == "on", SLOW, "an alert after Home Assistant's restart")
    assert set(hass.entities()) == before
    assert home.daemon.ask_to_stop()[0] == 0
    wait_for(lambda: hass.state(HUB) == "off", SLOW, "the daemon's end")
    others = {entity: state for entity, state in hass.entities().items() if entity != HUB}
    assert set(others.values()) == {"unavailable"}
    assert hass.complaints() == []
