"""Anything at all on the topics of commands, through a real broker: counted, and the next command holds."""

from __future__ import annotations

import logging
from pathlib import Path
from random import Random

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from servers import Broker, wait_for

from daemon.config.mqtt import MqttConfig
from daemon.mqtt import Publisher, read_choice, read_switch
from daemon.storage import Store

SWITCH, PROFILE = "posewatch/door/enabled/set", "posewatch/profile/set"
NEAR = [
    b"on",
    b"ON ",
    b"ON\0",
    b"OFF\n",
    b"",
    b"1",
    b"{}",
    b'"ON"',
    b"\xff\xfe",
    "\u041eN".encode(),
    b"home\0",
    b"HOME",
]
MANY = 300


def test_noise_on_the_topics_of_commands(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    random = Random(5)
    taken: list[object] = []
    store = Store(tmp_path / "state")
    with Broker(tmp_path) as broker, caplog.at_level(logging.WARNING):
        publisher = Publisher(MqttConfig(host="127.0.0.1", port=broker.port), store, backoff=(0.05, 0.2))
        publisher.subscribe(SWITCH, lambda payload: taken.append(read_switch(payload)))
        publisher.subscribe(PROFILE, lambda payload: taken.append(read_choice(payload, ["home"])))
        publisher.start()
        wait_for(lambda: publisher.connected)
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        try:
            for number in range(MANY):
                size = random.choice([0, 1, 2, 5, 300, 70_000])
                payload = random.choice(NEAR) if number % 2 else b"\0" + random.randbytes(size)
                sent = client.publish(
                    random.choice([SWITCH, PROFILE]), payload, 1, retain=random.random() < 0.2
                )
                sent.wait_for_publish(10)
            client.publish(SWITCH, b"OFF", 1).wait_for_publish(10)
            client.publish(PROFILE, b"home", 1).wait_for_publish(10)
            wait_for(lambda: len(taken) >= 2 and publisher.commands_ignored >= MANY, what="every command")
        finally:
            client.disconnect()
            client.loop_stop()
            publisher.close()
            store.close()
    assert taken == [False, "home"]
    assert publisher.commands_ignored == MANY
    assert "Traceback" not in caplog.text
    assert all(len(line) < 1000 for line in caplog.text.splitlines())
