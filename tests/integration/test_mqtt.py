"""The publisher against a real broker: what comes first on a connect, commands, and what is no command."""

from __future__ import annotations

import gc
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from servers import MOSQUITTO, Broker, Gate, wait_for

from daemon.config.mqtt import MqttConfig
from daemon.messages import Message
from daemon.mqtt import CommandError, Publisher, read_choice, read_switch
from daemon.mqtt.connection import Connection
from daemon.storage import Store

PROTOCOLS = pytest.mark.parametrize(
    "protocol",
    [
        "3.1.1",
        pytest.param("5", marks=pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")),
    ],
)

pytestmark = pytest.mark.made_up_payloads


class Listener:
    """Everything below posewatch/, in the order in which it came."""

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

    def say(self, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def publishing(folder: Path, port: int, *, start: bool = True, **settings: Any) -> Iterator[Publisher]:
    store = Store(folder / "state")
    publisher = Publisher(MqttConfig(host="127.0.0.1", port=port, **settings), store, backoff=(0.05, 0.2))
    if start:
        publisher.start()
    try:
        yield publisher
    finally:
        publisher.close()
        store.close()


def is_done(publisher: Publisher) -> bool:
    return publisher.connected and not publisher.queued


def event(number: int) -> Message:
    after = {"id": f"1-door-{number}", "camera": "door", "start_time": 1.0, "end_time": None}
    return Message("posewatch/door/events", {"type": "new", "seq": number, "after": after}, 1)


@PROTOCOLS
def test_online_then_state_then_what_waited(tmp_path, protocol):
    with Broker(tmp_path) as broker, Listener(broker.port) as listener:
        with publishing(tmp_path, broker.port, start=False, protocol=protocol) as publisher:
            publisher.publish([event(0), Message("posewatch/door/alert/fall", "ON", 1, True), event(1)])
            publisher.publish([Message("posewatch/door/alert/fall", "OFF", 1, True)])
            publisher.publish([Message("posewatch/door/tracks", "stale by then", 0)])
            publisher.start()
            wait_for(lambda: is_done(publisher))
            wait_for(lambda: len(listener.got) >= 4)
        wait_for(lambda: listener.got[-1] == ("posewatch/status", b"offline"))
        assert [topic.removeprefix("posewatch/") for topic, _ in listener.got] == [
            "status", "door/alert/fall", "door/events", "door/events", "status",
        ]  # fmt: skip
        assert listener.got[1][1] == b"OFF"
        assert [json.loads(body)["seq"] for _, body in listener.got[2:4]] == [0, 1]


def test_state_is_sent_again_on_every_connect(tmp_path):
    with (
        Broker(tmp_path) as broker,
        Gate(broker.port) as gate,
        Listener(broker.port) as listener,
        publishing(tmp_path, gate.port) as publisher,
    ):
        nobody = ("posewatch/door/people", b"0")
        publisher.publish([Message("posewatch/info", "1", 1, True), Message(nobody[0], 0, 1, True)])
        wait_for(lambda: nobody in listener.got)
        for _ in range(2):
            wait_for(lambda: publisher._outbox.is_idle, what="every acknowledgement")
            gate.shut()
            wait_for(lambda: not publisher.connected)
            wait_for(lambda: listener.got[-1] == ("posewatch/status", b"offline"), what="the last will")
            gate.open()
            wait_for(lambda: listener.got[-2:] == [("posewatch/info", b"1"), nobody], what="the state")
        publisher.resend(lambda topic: topic.endswith("info"))
        wait_for(lambda: listener.got.count(("posewatch/info", b"1")) == 4, what="the state once more")


def test_a_picture_that_is_retained_comes_right_before_its_alert(tmp_path):
    def alerting(number: int) -> list[Message]:
        picture = Message("posewatch/door/snapshot/fall", f"{number}".encode(), 1, True, expendable=True)
        return [picture, Message("posewatch/door/alerts", {"type": "raised", "seq": number}, 1)]

    with Broker(tmp_path) as broker, Listener(broker.port) as listener:
        with publishing(tmp_path, broker.port) as publisher:
            wait_for(lambda: publisher.connected)
            state = Message("posewatch/door/alert/fall", "ON", 1, True)
            publisher.publish([event(0), *alerting(1), *alerting(2), state, event(3)])
            wait_for(lambda: len(listener.got) >= 8)
        told = [(topic.removeprefix("posewatch/door/"), body) for topic, body in listener.got[1:8]]
        assert [topic for topic, _ in told if topic != "alert/fall"] == [
            "events", "snapshot/fall", "alerts", "snapshot/fall", "alerts", "events",
        ]  # fmt: skip
        assert [body for topic, body in told if topic == "snapshot/fall"] == [b"1", b"2"]
        assert told.index(("alert/fall", b"ON")) > 4


def test_topics_that_are_not_in_use_any_more_are_cleared(tmp_path):
    with Broker(tmp_path) as broker:
        with publishing(tmp_path, broker.port) as publisher:
            old = ["posewatch/gone/alert/fall", "posewatch/gone/people", "posewatch/door/snapshot/fall"]
            publisher.publish([Message(topic, 0, 1, True) for topic in old])
            wait_for(lambda: is_done(publisher))
        with publishing(tmp_path, broker.port, start=False) as publisher:
            publisher.publish([Message("posewatch/door/alert/fall", "OFF", 1, True)])
            publisher.retire(lambda topic: topic.startswith("posewatch/door/snapshot"))
            publisher.start()
            wait_for(lambda: is_done(publisher))
            with Listener(broker.port) as late:
                wait_for(lambda: len(late.got) >= 3)
                topics = {topic for topic, _ in late.got}
        assert topics == {"posewatch/status", "posewatch/door/alert/fall", "posewatch/door/snapshot/fall"}
        with publishing(tmp_path, broker.port, start=False) as publisher:
            assert publisher._store.retained_topics == topics  # what was cleared is forgotten


@PROTOCOLS
def test_only_commands_are_carried_out(tmp_path, protocol, caplog):
    with (
        Broker(tmp_path) as broker,
        publishing(tmp_path, broker.port, start=False, protocol=protocol) as publisher,
    ):
        done: list[tuple[str, object]] = []
        publisher.subscribe(
            "posewatch/door/alerts/set", lambda body: done.append(("alerts", read_switch(body)))
        )
        publisher.subscribe(
            "posewatch/profile/set",
            lambda body: done.append(("profile", read_choice(body, ["home", "night"]))),
        )
        with Listener(broker.port) as listener:
            listener.say("posewatch/door/alerts/set", "OFF", retain=True)  # somebody's mistake of last week
            publisher.start()
            wait_for(lambda: publisher.commands_ignored == 1, what="the retained one")
            hostile: list[tuple[str, bytes | str]] = [
                ("door/alerts", "on"), ("door/alerts", ""), ("door/alerts", "ON\n"), ("profile", b"\xff\0"),
                ("door/alerts", b"ON" * 50_000), ("door/alerts", '{"state": "ON"}'), ("profile", "away"),
                ("profile", "night; rm -rf"),
            ]  # fmt: skip
            for topic, payload in hostile:
                listener.say(f"posewatch/{topic}/set", payload)
            listener.say("posewatch/other/alerts/set", "ON")  # not asked for: never comes here
            listener.say("posewatch/profile/set", "night")
            listener.say("posewatch/door/alerts/set", "OFF")
            wait_for(lambda: len(done) >= 2)
        assert done == [("profile", "night"), ("alerts", False)]
        too_large_for_5 = protocol == "5"  # the broker does not even send it
        assert publisher.commands_ignored == 1 + len(hostile) - too_large_for_5
        assert 1 <= caplog.text.count("command_ignored") <= 3  # one line in ten seconds
        assert "rm -rf" not in caplog.text


def test_a_command_that_fails_or_takes_long_holds_up_nothing(tmp_path, caplog):
    with Broker(tmp_path) as broker, publishing(tmp_path, broker.port, start=False) as publisher:
        release, done = threading.Event(), threading.Event()

        def slow(_body: bytes) -> None:
            release.wait(20)
            done.set()
            raise RuntimeError("a bug")

        publisher.subscribe("posewatch/door/enabled/set", slow)
        publisher.start()
        with Listener(broker.port) as listener:
            wait_for(lambda: publisher.connected)
            for _ in range(100):
                listener.say("posewatch/door/enabled/set", "ON")
            wait_for(lambda: publisher.commands_ignored >= 30, what="too many at once")
            publisher.publish([event(1)])
            wait_for(lambda: any(topic.endswith("/events") for topic, _ in listener.got))
            release.set()
            wait_for(lambda: "command_failed" in caplog.text)
        assert done.is_set()


def test_wildcards_are_not_subscribed():
    publisher = Publisher.__new__(Publisher)
    for topic in ("posewatch/+/alerts/set", "posewatch/#"):
        with pytest.raises(ValueError, match="wildcards"):
            publisher.subscribe(topic, lambda _: None)


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
@PROTOCOLS
def test_an_image_that_the_broker_does_not_take_does_not_block_the_rest(tmp_path, protocol, caplog):
    with (
        Broker(tmp_path, settings="max_packet_size 20000") as broker,
        Listener(broker.port) as listener,
        publishing(tmp_path, broker.port, protocol=protocol) as publisher,
    ):
        image = Message("posewatch/door/snapshot/fall", b"\xff" * 100_000, 1, expendable=True)
        publisher.publish([event(0), image, event(1)])
        wait_for(lambda: is_done(publisher), 30, "an empty queue")
        wait_for(lambda: any(b'"seq":1' in body for _, body in listener.got))
        assert publisher.dropped == 1
        assert "message_refused topic=posewatch/door/snapshot/fall" in caplog.text


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
def test_retained_state_that_the_broker_does_not_take_does_not_block_the_rest(tmp_path, caplog):
    """It is sent on every connect, before anything that waits: each connection would end at it for ever."""
    with (
        Broker(tmp_path, settings="max_packet_size 20000") as broker,
        Listener(broker.port) as listener,
        publishing(tmp_path, broker.port, start=False) as publisher,
    ):
        image = Message("posewatch/door/snapshot/fall", b"\xff" * 100_000, 1, retain=True, expendable=True)
        on = Message("posewatch/door/alert/fall", "ON", 1, retain=True)
        publisher.publish([image, event(0), on])
        publisher.start()
        wait_for(lambda: is_done(publisher), 30, "an empty queue")
        wait_for(lambda: any(b'"seq":0' in body for _, body in listener.got))
        wait_for(lambda: ("posewatch/door/alert/fall", b"ON") in listener.got)
        assert "message_refused topic=posewatch/door/snapshot/fall" in caplog.text


def test_on_a_narrow_link_nothing_waits_behind_the_tracks(tmp_path):
    with (
        Broker(tmp_path) as broker,
        Listener(broker.port) as listener,
        Gate(broker.port, rate=100_000) as gate,
        publishing(tmp_path, gate.port) as publisher,
    ):
        wait_for(lambda: publisher.connected)
        for _ in range(500):  # 20 seconds of the link
            publisher.publish([Message("posewatch/door/tracks", {"people": ["x" * 4000]})])
        publisher.publish([event(0)])
        wait_for(lambda: any(b'"seq":0' in body for _, body in listener.got), 8, "the event")


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
@pytest.mark.parametrize("retain", [False, True])
def test_many_images_that_the_broker_does_not_take_hold_up_no_alert(tmp_path, caplog, retain):
    def alerting(number: int) -> list[Message]:
        image = b"\xff" * (100_000 + number)
        topic = f"posewatch/door/snapshot/{number % 3}"
        return [event(2 * number), Message(topic, image, 1, retain, expendable=True), event(2 * number + 1)]

    with (
        Broker(tmp_path, settings="max_packet_size 20000") as broker,
        Listener(broker.port) as listener,
        publishing(tmp_path, broker.port) as publisher,
    ):
        publisher.publish([Message("posewatch/door/people", 0, 1, True)])
        publisher.publish(alerting(0))
        wait_for(lambda: "message_refused topic=posewatch/door/snapshot/0" in caplog.text)
        for number in range(1, 12):
            publisher.publish(alerting(number))
        wait_for(lambda: publisher._outbox.is_empty, what="an empty queue")
        numbers = [json.loads(body)["seq"] for topic, body in list(listener.got) if topic.endswith("events")]
        assert sorted(set(numbers)) == list(range(24))
        assert numbers[2:] == sorted(set(numbers[2:]))  # nothing comes twice any more
        assert (
            publisher.dropped == 12 or retain
        )  # of retained ones only the newest counts without a connection
        assert listener.got.count(("posewatch/status", b"online")) == 4  # one image was tried three times


@PROTOCOLS
def test_two_clients_of_one_id_are_told_so(tmp_path, caplog, protocol):
    other = tmp_path / "other"
    other.mkdir()
    with (
        Broker(tmp_path) as broker,
        publishing(tmp_path, broker.port, protocol=protocol),
        publishing(other, broker.port, protocol=protocol),
    ):
        wait_for(lambda: "has another client the mqtt.client_id 'posewatch' as well" in caplog.text)


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
def test_a_huge_command_fills_no_memory(tmp_path, caplog):
    with (
        Broker(tmp_path) as broker,
        Listener(broker.port) as listener,
        publishing(tmp_path, broker.port, start=False) as publisher,
    ):
        topic, got = "posewatch/door/enabled/set", []
        publisher.subscribe(topic, got.append)
        publisher.start()
        wait_for(lambda: publisher.connected)
        listener.say(topic, b"ON" * 2_000_000)
        wait_for(lambda: publisher.commands_ignored == 1)
        length = int(re.search(r"reason='(\d+) bytes'", caplog.text)[1])
        assert length < 70_000  # of 4,000,000: no more was ever held
        listener.say(topic, "OFF")
        wait_for(lambda: got == [b"OFF"])


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="of Linux")
def test_a_connection_that_is_closed_leaves_no_socket_open(tmp_path):
    with Broker(tmp_path) as broker:
        settings = MqttConfig(host="127.0.0.1", port=broker.port)
        before = psutil.Process().num_fds()
        gc.disable()  # the collector of cycles may come late
        try:
            for politely in (True, False, True, False):
                connection = Connection(settings, ("a", "b"), lambda *_: None, threading.Event())
                connection.open()
                connection.close(politely=politely)
            del connection
            assert psutil.Process().num_fds() == before
        finally:
            gc.enable()


def test_what_is_not_acknowledged_ends_the_connection_after_half_a_keep_alive():
    """The system's own limit is a quarter of an hour, the keep-alive's a minute."""
    connection = Connection(MqttConfig(keepalive=30), ("a", "b"), lambda *_: None, threading.Event())
    with socket.socket() as one:
        connection._tune(None, None, one)
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15_000


def test_switched_off_it_keeps_the_history_only(tmp_path):
    with publishing(tmp_path, 1, enabled=False) as publisher:
        publisher.publish([event(0), Message("posewatch/info", "1", 1, True)])
        assert publisher.queued == 0


def test_a_handler_says_what_is_no_command():
    with pytest.raises(CommandError, match="not ON or OFF"):
        read_switch(b"on")
