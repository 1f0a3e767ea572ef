"""Discovery messages for Home Assistant; the integration tests give them to a real one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from daemon.config import Config
from daemon.homeassistant import announce, birth_topic, components, discovery_messages
from daemon.messages import Message

# Home Assistant's own: components/mqtt/discovery.py, TOPIC_MATCHER, and core.py, VALID_ENTITY_ID.
DEVICE_TOPIC = re.compile(r"device/(?:(?P<node>[a-zA-Z0-9_-]+)/)?(?P<object>[a-zA-Z0-9_-]+)/config")
ENTITY_ID = re.compile(r"^(?!.+__)(?!_)[\da-z_]+(?<!_)\.(?!_)[\da-z_]+(?<!_)$")
TRIANGLE = {"points": [[0, 0], [1, 0], [1, 1]]}


def config(cameras: dict[str, Any] | None = None, **sections: Any) -> Config:
    cameras = cameras or {"living_room": {}}
    return Config.model_validate(
        {"cameras": {name: {"url": "rtsp://host/x", **one} for name, one in cameras.items()}, **sections}
    )


def announced(settings: Config) -> dict[str, Any]:
    """Payloads by the last level of the device's topic."""
    messages = discovery_messages(settings, "1.2.3")
    assert all(message.retain and message.qos == 1 for message in messages)
    return {message.topic.split("/")[-2]: message.payload for message in messages}


def parts_of(settings: Config, device: str = "living_room") -> dict[str, Any]:
    found: dict[str, Any] = announced(settings)[device]["components"]
    return found


def topics_of(part: dict[str, Any]) -> list[str]:
    """Topics on which a component depends for being available."""
    return [one["topic"] for one in part["availability"]]


def test_a_device_for_the_service_and_one_for_each_camera() -> None:
    found = announced(config({"living_room": {}, "door": {}}))
    assert list(found) == ["posewatch", "living_room", "door"]
    hub, room = found["posewatch"]["device"], found["living_room"]["device"]
    assert room["name"] == "Living room"
    assert room["via_device"] in hub["identifiers"]
    assert room["sw_version"] == "1.2.3"


def test_a_camera_has_its_rules_people_alert_and_switches() -> None:
    parts = parts_of(
        config(
            {
                "living_room": {
                    "zones": {"sofa": TRIANGLE},
                    "rules": {"fall": {"type": "fall"}, "off": {"type": "lying", "enabled": False}},
                }
            }
        )
    )
    assert {key: part["platform"] for key, part in parts.items()} == {
        "people": "sensor",
        "people_sofa": "sensor",
        "alert": "event",
        "snapshot": "image",
        "status": "sensor",
        "tamper": "binary_sensor",
        "enabled": "switch",
        "alerts": "switch",
        "rule_fall": "binary_sensor",
    }
    assert parts["rule_fall"]["state_topic"] == "posewatch/living_room/alert/fall"
    assert parts["people_sofa"]["state_topic"] == "posewatch/living_room/zones/sofa/people"
    assert parts["people_sofa"]["name"] == "People: sofa"
    assert parts["enabled"]["command_topic"] == "posewatch/living_room/enabled/set"


def test_a_rule_of_a_profile_is_unavailable_in_others() -> None:
    rules = {"always": {"type": "fall"}, "out": {"type": "loitering", "profiles": ["away", "night"]}}
    settings = config({"living_room": {"rules": rules}}, profiles=["home", "away", "night"])
    parts = parts_of(settings)
    assert "posewatch/profile/state" not in topics_of(parts["rule_always"])
    (condition,) = [one for one in parts["rule_out"]["availability"] if "profile" in one["topic"]]
    assert condition["value_template"] == "{{ 'online' if value in ['away', 'night'] else 'offline' }}"
    select = parts_of(settings, "posewatch")["profile"]
    assert select["options"] == ["home", "away", "night"]
    assert select["command_topic"] == "posewatch/profile/set"
    assert "profile" not in parts_of(config(), "posewatch")


def test_only_rules_that_the_camera_goes_by_are_there() -> None:
    rules = {
        "here": {"type": "fall", "cameras": ["living_room"]},
        "there": {"type": "fall", "cameras": ["door"]},
    }
    cameras = {"living_room": {"rules": rules}, "door": {}}
    assert {key for key in parts_of(config(cameras)) if key.startswith("rule_")} == {"rule_here"}


@pytest.mark.parametrize("snapshots", [{"publish": False}, {"style": "none"}])
def test_without_pictures_there_is_no_image(snapshots: dict[str, Any]) -> None:
    assert "snapshot" in parts_of(config())
    assert "snapshot" not in parts_of(config({"living_room": {"snapshots": snapshots}}))
    if "style" in snapshots:
        rules = {"fall": {"type": "fall", "snapshot": "blur"}}
        assert "snapshot" in parts_of(config({"living_room": {"snapshots": snapshots, "rules": rules}}))


class Memory:
    """Notes that last as long as the test."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.writes = 0

    def get(self, name: str) -> str | None:
        return self.values.get(name)

    def set(self, name: str, value: str) -> None:
        self.values[name] = value
        self.writes += 1


def test_what_was_announced_is_remembered_over_restarts() -> None:
    notes = Memory()
    old = config({"living_room": {"rules": {"old": {"type": "fall"}}}})
    assert announce(old, "1", notes) == discovery_messages(old, "1")
    assert announce(old, "2", notes) == discovery_messages(old, "2")
    assert notes.writes == 1  # the disk is not written to for nothing
    new = config({"living_room": {"rules": {"new": {"type": "fall"}}}})
    assert payload_of(announce(new, "2", notes)[1])["components"]["rule_old"] == {"platform": "binary_sensor"}
    assert announce(config(home_assistant={"enabled": False}), "2", notes) == []
    # All devices were taken back meanwhile: there is nothing to remove from them.
    assert "rule_old" not in payload_of(announce(new, "2", notes)[1])["components"]


@pytest.mark.parametrize(
    ("rule", "device_class"),
    [
        ({"type": "fall"}, "safety"),
        ({"type": "lying"}, "safety"),
        ({"type": "fight"}, "safety"),
        ({"type": "zone_entry", "zones": ["bed"]}, "occupancy"),
        ({"type": "loitering"}, "occupancy"),
        ({"type": "waving"}, "safety"),
        ({"type": "running"}, "motion"),
        ({"type": "zone_exit", "zones": ["bed"]}, "motion"),
        ({"type": "crowd"}, "occupancy"),
        ({"type": "line_crossing", "line": [[0, 0], [1, 1]]}, "motion"),
        ({"type": "absence"}, "problem"),
        ({"type": "action", "actions": ["waving"]}, None),  # nobody knows what ON means
    ],
)
def test_the_type_of_a_rule_says_how_it_is_shown(rule: dict[str, Any], device_class: str | None) -> None:
    parts = parts_of(config({"living_room": {"zones": {"bed": TRIANGLE}, "rules": {"some": rule}}}))
    assert parts["rule_some"].get("device_class") == device_class


def test_what_is_seen_is_unavailable_without_pictures() -> None:
    parts = parts_of(config())
    assert topics_of(parts["people"]) == ["posewatch/status", "posewatch/living_room/status"]
    # A sensor that says "safe" because nobody looks is worse than none.
    assert topics_of(parts["rule_fall"]) == [
        "posewatch/status",
        "posewatch/living_room/status",
        "posewatch/living_room/alerts/state",
    ]
    # Whether there are pictures can be asked, and switched, while there are none.
    for key in ("status", "enabled", "alerts", "alert"):
        assert "availability" not in parts[key], key


@pytest.mark.parametrize("prefix", ["posewatch", "home/cctv", "home_cctv", "Überwachung"])
def test_topics_and_ids_are_what_home_assistant_takes(prefix: str) -> None:
    cameras = {"living_room": {"rules": {"a-b": {"type": "fall"}, "a_": {"type": "lying"}}}, "2": {}}
    messages = discovery_messages(config(cameras, mqtt={"prefix": prefix}), "1")
    for message in messages:
        assert DEVICE_TOPIC.fullmatch(message.topic.removeprefix("homeassistant/")), message.topic
        assert isinstance(message.payload, dict)
        for part in message.payload["components"].values():
            assert ENTITY_ID.fullmatch(part["default_entity_id"])
            assert part["default_entity_id"].split(".")[0] == part["platform"]


def test_ids_differ_between_devices_entities_and_services() -> None:
    cameras: dict[str, Any] = {"a": {"zones": {"b": TRIANGLE}}, "a_people": {}}
    prefixes = ("posewatch", "posewatch_a", "x/y", "x_y")
    messages = [
        message
        for prefix in prefixes
        for message in discovery_messages(config(cameras, mqtt={"prefix": prefix}), "1")
    ]
    assert len({message.topic for message in messages}) == len(messages)
    unique = [part["unique_id"] for one in messages for part in payload_of(one)["components"].values()]
    assert len(set(unique)) == len(unique)
    identifiers = [payload_of(one)["device"]["identifiers"][0] for one in messages]
    assert len(set(identifiers)) == len(identifiers)


def test_ids_do_not_depend_on_what_else_is_configured() -> None:
    alone = parts_of(config({"living_room": {"rules": {"fall": {"type": "fall"}}}}))["rule_fall"]
    later = parts_of(
        config({"a": {}, "living_room": {"rules": {"b": {"type": "fall"}, "fall": {"type": "fall"}}}})
    )
    assert later["rule_fall"]["unique_id"] == alone["unique_id"] == "posewatch/living_room/rule_fall"
    assert later["rule_fall"]["default_entity_id"] == "binary_sensor.posewatch_living_room_fall"


def test_what_leaves_a_device_is_named_with_its_platform_alone() -> None:
    before = config({"living_room": {"zones": {"sofa": TRIANGLE}, "rules": {"old": {"type": "fall"}}}})
    after = config({"living_room": {"rules": {"new": {"type": "fall"}}}})
    known = components(discovery_messages(before, "1"))
    messages = discovery_messages(after, "1", known)
    parts = payload_of(messages[1])["components"]
    assert parts["rule_old"] == {"platform": "binary_sensor"}
    assert parts["people_sofa"] == {"platform": "sensor"}
    assert parts["rule_new"]["name"] == "New"
    # Home Assistant may be off just now: what was removed stays named, whatever comes next.
    again = payload_of(discovery_messages(after, "1", components(messages))[1])["components"]
    assert again == parts
    # And comes back when the rule does.
    back = payload_of(discovery_messages(before, "1", components(messages))[1])["components"]
    assert back["rule_old"]["name"] == "Old"
    assert back["rule_new"] == {"platform": "binary_sensor"}


def test_discovery_can_be_off_or_elsewhere() -> None:
    assert discovery_messages(config(home_assistant={"enabled": False}), "1") == []
    elsewhere = config(home_assistant={"prefix": "ha/discovery"})
    assert birth_topic(elsewhere) == "ha/discovery/status"
    assert discovery_messages(elsewhere, "1")[1].topic == "ha/discovery/device/posewatch/living_room/config"


def test_many_rules_fit_into_a_message() -> None:
    rules = {f"rule_with_a_rather_long_name_{n}": {"type": "fall"} for n in range(50)}
    (_, message) = discovery_messages(config({"living_room": {"rules": rules}}), "1")
    assert len(message.encode()) < 128 * 1024  # brokers of cloud services take this much


def payload_of(message: Message) -> dict[str, Any]:
    assert isinstance(message.payload, dict)
    return message.payload
