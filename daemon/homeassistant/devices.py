"""The devices and their entities, as Home Assistant's MQTT integration wants them described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from daemon.capture import CameraState
from daemon.config import CameraConfig, Config, Rule
from daemon.config.rules import rules_of
from daemon.homeassistant.names import entity_name, node_id, words
from daemon.messages import Message
from daemon.topics import Topics

__all__ = ["Devices"]

_Component: TypeAlias = dict[str, Any]

_DEVICE_CLASSES = {  # by the type of a rule; how Home Assistant calls and shows ON
    "fall": "safety",
    "lying": "safety",
    "fight": "safety",
    "waving": "safety",
    "running": "motion",
    "zone_entry": "occupancy",
    "zone_exit": "motion",
    "loitering": "occupancy",
    "crowd": "occupancy",
    "line_crossing": "motion",
    "absence": "problem",
}
_STREAMING = "{{ 'online' if value_json.state == 'streaming' else 'offline' }}"
_KEPT = (  # of an alert's message, as attributes of its rule's sensor
    "id", "severity", "tracks", "zones", "action", "score", "start_time", "end_time", "reason", "snapshot",
    "clip", "evidence",
)  # fmt: skip
# Boxes and frames stay in the alert's message: Home Assistant's history takes 16 KiB of attributes at most.
_EVIDENCE = "dict(value_json.evidence.items() | rejectattr(0, 'in', ['boxes', 'frames']))"


class Devices:
    """Describes the devices of a configuration, in a retained message each.

    Args:
        config: the configuration.
        version: of posewatch.
    """

    def __init__(self, config: Config, version: str) -> None:
        self._config, self._version = config, version
        self._node = node_id(config.mqtt.prefix)
        self._topics = Topics(config.mqtt.prefix)

    def service(self) -> Message:
        """The service: whether it runs, whether anything is wrong, which profile is in use."""
        topics, node = self._topics, self._node
        found = {
            "connection": _component(
                "binary_sensor", "Connection", device_class="connectivity", entity_category="diagnostic",
                state_topic=topics.status(), payload_on="online", payload_off="offline", availability=[],
            ),
            "problem": _component(
                "binary_sensor", "Problem", device_class="problem", entity_category="diagnostic",
                state_topic=topics.storage(),
                value_template="{{ 'ON' if value_json.state != 'ok' or value_json.dropped > 0 else 'OFF' }}",
                json_attributes_topic=topics.storage(),
            ),
            "queue": _component(
                "sensor", "Waiting messages", icon="mdi:tray-full", entity_category="diagnostic",
                state_topic=topics.stats(), value_template="{{ value_json.queue }}",
                state_class="measurement", unit_of_measurement="messages",
            ),
            "started": _component(
                "sensor", "Started", device_class="timestamp", entity_category="diagnostic",
                state_topic=topics.info(),
                value_template="{{ (value_json.started_at | as_datetime).isoformat() }}",
            ),
        }  # fmt: skip
        profiles = list(self._config.profiles)
        if profiles:
            found["profile"] = _component(
                "select", "Profile", icon="mdi:shield-home", options=profiles,
                state_topic=topics.profile_state(), command_topic=topics.profile_set(),
            )  # fmt: skip
        device = {"identifiers": [node], "name": _hub_name(self._config.mqtt.prefix), "model": "Service"}
        return self._message(f"device/{node}", node, device, found)

    def camera(self, name: str) -> Message:
        """A camera: its rules, people, last alert and switches."""
        settings, topics = self._config.cameras[name], self._topics
        identifier = f"{self._node}/{name}"
        seen = self._while_streaming(name)
        found = {
            "people": self._people("People", topics.people(name), seen),
            "alert": _component(
                "event", "Alert", icon="mdi:alarm-light", qos=1, state_topic=topics.alerts(name),
                event_types=["raised", "updated", "cleared"],
                value_template="{{ dict(value_json, event_type=value_json.type,"
                f" evidence={_EVIDENCE}) | tojson }}}}",
            ),
            "status": _component(
                "sensor", "Status", device_class="enum", icon="mdi:cctv", entity_category="diagnostic",
                options=[state.value for state in CameraState], state_topic=topics.camera_status(name),
                value_template="{{ value_json.state }}", json_attributes_topic=topics.camera_status(name),
                json_attributes_template="{{ dict(reason=value_json.reason, fps=value_json.fps,"
                " since=value_json.since) | tojson }}",
            ),
            **({"tamper": self._tamper(name, seen)} if settings.tamper.enabled else {}),
            "enabled": self._switch(name, "enabled", "Watching", "mdi:cctv"),
            "alerts": self._switch(name, "alerts", "Alerts", "mdi:bell"),
        }  # fmt: skip
        for zone in settings.zones:
            title = f"People: {words(zone).lower()}"
            found[f"people_{zone}"] = self._people(title, topics.zone_people(name, zone), seen)
        rules = rules_of(name, settings.rules, settings.zones)
        if _has_pictures(settings, rules):
            found["snapshot"] = _component(
                "image", "Last alert", qos=1, image_topic=topics.snapshots(name), content_type="image/jpeg"
            )
        for rule, about in rules.items():
            found[f"rule_{rule}"] = self._rule(name, rule, about, seen)
        device = {
            "identifiers": [identifier],
            "name": words(name),
            "model": "Camera",
            "via_device": self._node,
        }
        return self._message(f"device/{self._node}/{name}", identifier, device, found)

    def _while_streaming(self, camera: str) -> list[dict[str, str]]:
        """What is seen is known only while the service runs and the camera gives pictures."""
        topics = self._topics
        status = {"topic": topics.camera_status(camera), "value_template": _STREAMING}
        return [{"topic": topics.status()}, status]

    def _rule(self, camera: str, name: str, rule: Rule, seen: list[dict[str, str]]) -> _Component:
        """A sensor that nobody feeds must not say that all is well: without its rule it is unavailable."""
        topics = self._topics
        watched = [
            *seen,
            {
                "topic": topics.switch_state(camera, "alerts"),
                "payload_available": "ON",
                "payload_not_available": "OFF",
            },
        ]
        profiles = list(rule.profiles)
        if profiles:
            template = f"{{{{ 'online' if value in {profiles} else 'offline' }}}}"
            watched.append({"topic": topics.profile_state(), "value_template": template})
        component = _component(
            "binary_sensor", words(name), qos=1, state_topic=topics.alert_state(camera, name),
            availability=watched, json_attributes_topic=topics.alerts(camera),
            # All rules share a topic: another rule's alert leaves the attributes as they are.
            json_attributes_template=f"{{% set kept = {list(_KEPT)} %}}"
            f"{{% if value_json.rule == '{name}' %}}{{{{ dict(dict(value_json.items()"
            f" | selectattr(0, 'in', kept)), evidence={_EVIDENCE}) | tojson }}}}{{% else %}}"
            "{{ dict(this.attributes.items() | selectattr(0, 'in', kept)) | tojson }}{% endif %}",
        )  # fmt: skip
        device_class = _DEVICE_CLASSES.get(rule.type)
        return component | ({"device_class": device_class} if device_class else {"icon": "mdi:human"})

    def _tamper(self, camera: str, seen: list[dict[str, str]]) -> _Component:
        """Unknown while the view is being learned; darkness alone is no tampering."""
        return _component(
            "binary_sensor", "Tampering", device_class="tamper", entity_category="diagnostic", qos=1,
            state_topic=self._topics.tamper(camera), availability=seen,
            value_template="{{ 'None' if value_json.state == 'unknown' else"
            " 'OFF' if value_json.state in ['ok', 'dark'] else 'ON' }}",
            json_attributes_topic=self._topics.tamper(camera),
        )  # fmt: skip

    def _people(self, title: str, topic: str, seen: list[dict[str, str]]) -> _Component:
        return _component(
            "sensor", title, icon="mdi:account-group", qos=1, state_topic=topic, availability=seen,
            state_class="measurement",
        )  # fmt: skip

    def _switch(self, camera: str, switch: str, title: str, icon: str) -> _Component:
        topics = self._topics
        return _component(
            "switch", title, icon=icon, qos=1, state_topic=topics.switch_state(camera, switch),
            command_topic=topics.switch_set(camera, switch),
        )  # fmt: skip

    def _message(
        self, path: str, identifier: str, device: dict[str, Any], found: Mapping[str, _Component]
    ) -> Message:
        for key, component in found.items():
            component["unique_id"] = f"{identifier}/{key}"
            entity = entity_name(f"{identifier}/{key.removeprefix('rule_')}")
            component["default_entity_id"] = f"{component['platform']}.{entity}"
        payload = {
            "device": {**device, "manufacturer": "posewatch", "sw_version": self._version},
            "origin": {"name": "posewatch", "sw_version": self._version},
            "availability": [{"topic": self._topics.status()}],
            "availability_mode": "all",
            "components": dict(found),
        }
        return Message(f"{self._config.home_assistant.prefix}/{path}/config", payload, qos=1, retain=True)


def _component(platform: str, name: str, **options: Any) -> _Component:
    return {"platform": platform, "name": name, **options}


def _has_pictures(settings: CameraConfig, rules: Mapping[str, Rule]) -> bool:
    """Whether pictures of alerts are published."""
    styles = (rule.snapshot or settings.snapshots.style for rule in rules.values())
    return settings.snapshots.publish and any(style != "none" for style in styles)


def _hub_name(prefix: str) -> str:
    return "posewatch" if prefix == "posewatch" else f"posewatch {prefix}"
