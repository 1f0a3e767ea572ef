"""The publisher against a real broker that is killed and restarted."""

from __future__ import annotations

import json
import threading

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from servers import Broker, wait_for

from daemon.config.mqtt import MqttConfig
from daemon.messages import Message
from daemon.mqtt import Publisher

pytestmark = pytest.mark.made_up_payloads


class Listener:
    def __init__(self, port: int) -> None:
        self.got: list[tuple[str, bytes]] = []
        ready = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda _c, _d, m: self.got.append((m.topic, m.payload))
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe("posewatch/#", qos=1)
        assert ready.wait(10)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_outage_keeps_events_in_order_and_republishes_state(tmp_path, protocol):
    with Broker(tmp_path) as broker:
        if protocol == "5" and broker.name != "mosquitto":
            pytest.skip("needs mosquitto: the embedded broker speaks MQTT 3.1.1 only")
        publisher = Publisher(MqttConfig(host="127.0.0.1", port=broker.port, protocol=protocol))
        publisher.start()
        publisher.publish(Message("posewatch/door/alert/fall", "ON", 1, True))
        wait_for(lambda: publisher.connected and not publisher.queued)
        broker.kill()
        wait_for(lambda: not publisher.connected)
        for number in range(100):
            publisher.publish(Message("posewatch/door/events", {"type": "new", "seq": number}, 1))
        publisher.publish(Message("posewatch/door/alert/fall", "OFF", 1, True))
        broker.start()
        listener = Listener(broker.port)
        try:
            events = lambda: [json.loads(p)["seq"] for t, p in listener.got if t.endswith("/events")]  # noqa: E731
            wait_for(lambda: publisher.connected and not publisher.queued)
            wait_for(lambda: ("posewatch/door/alert/fall", b"OFF") in listener.got)
            assert ("posewatch/status", b"online") in listener.got
            # The listener may come after the publisher; what it got is a run up to the last one.
            assert events() == list(range(100))[100 - len(events()) :]
            publisher.close()
            wait_for(lambda: ("posewatch/status", b"offline") in listener.got)
        finally:
            listener.stop()


def test_only_on_and_off_are_commands(tmp_path):
    with Broker(tmp_path) as broker:
        commands: list[tuple[str, str, bool]] = []
        publisher = Publisher(
            MqttConfig(host="127.0.0.1", port=broker.port), lambda *command: commands.append(command)
        )
        publisher.start()
        wait_for(lambda: publisher.connected and not publisher.queued)
        listener = Listener(broker.port)
        try:
            for topic, payload in (("door/alerts", "on"), ("door/other", "ON"), ("door/alerts", "OFF")):
                listener.client.publish(f"posewatch/{topic}/set", payload, qos=1)
            wait_for(lambda: commands)
            assert commands == [("door", "alerts", False)]
        finally:
            listener.stop()
            publisher.close()
