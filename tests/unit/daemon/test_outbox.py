"""What is sent first."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import SimpleNamespace

import pytest
from reports import alert

from daemon.messages import Message
from daemon.mqtt.outbox import Outbox
from daemon.storage import Store

pytestmark = pytest.mark.made_up_payloads


class Wire:
    """A connection that is always free, and tells what happens while the store is asked."""

    max_inflight, is_lost = 20, False

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.acknowledged: deque[object] = deque()

    def send(self, topic: str, _payload: bytes, _qos: int, _retain: bool) -> int:
        self.sent.append(topic)
        self.acknowledged.append((len(self.sent), SimpleNamespace(is_failure=False)))
        return len(self.sent)


class BusyStore(Store):
    """Another thread publishes right after the store has said what waits, or right before."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.meanwhile: list[Message] = []
        self.before: list[Message] = []
        self.outbox: Outbox | None = None

    def take(self, limit: int):
        before, self.before = self.before, []
        for one in before:
            if one.retain and self.outbox is not None:
                self.outbox.put([one])
            else:
                self.append([one])
        taken = super().take(limit)
        messages, self.meanwhile = self.meanwhile, []
        if messages and self.outbox is not None:
            self.append([one for one in messages if not one.retain])
            self.outbox.put([one for one in messages if one.retain])
        return taken


def test_state_follows_the_alert_that_it_is_of_whatever_the_threads_do(tmp_path):
    store = BusyStore(tmp_path)
    outbox = store.outbox = Outbox(store)
    wire = Wire()
    outbox.connected(Message("posewatch/status", "online", 1, True))
    outbox.send(wire)
    on = Message("posewatch/door/alert/fall", "ON", 1, True)
    store.meanwhile = [alert("raised"), on]
    outbox.send(wire)
    outbox.send(wire)
    assert wire.sent == ["posewatch/status", "posewatch/door/alerts", "posewatch/door/alert/fall"]
    store.close()


def test_qos_0_does_not_pile_up_where_the_connection_takes_nothing(tmp_path):
    store = Store(tmp_path)
    outbox, wire = Outbox(store), Wire()
    outbox.connected(Message("posewatch/status", "online", 1, True))
    outbox.send(wire)
    tracks = Message("posewatch/door/tracks", {"people": ["x" * 1000]})
    outbox.put([tracks] * 1000)
    outbox.send(wire)
    assert 1 < wire.sent.count(tracks.topic) < 100
    before = wire.sent.count(tracks.topic)
    wire.acknowledged.extend((mid, None) for mid in range(2, len(wire.sent) + 1))  # they have left
    outbox.settle(wire)
    outbox.put([tracks])
    outbox.send(wire)
    assert wire.sent.count(tracks.topic) == before + 1
    store.close()


def test_who_asks_for_state_without_end_holds_up_nothing(tmp_path):
    store = Store(tmp_path)
    outbox, wire = Outbox(store), Wire()
    outbox.connected(Message("posewatch/status", "online", 1, True))
    outbox.put([Message("posewatch/door/people", 0, 1, True)])
    for _ in range(1000):
        outbox.resend(lambda _topic: True)
    store.append([alert("raised")])
    outbox.send(wire)
    assert len(wire.sent) == 4  # the status, the count, the count again, the alert
    assert wire.sent[-1] == "posewatch/door/alerts"
    store.close()


def test_a_picture_precedes_its_alert_whatever_the_threads_do(tmp_path):
    store = BusyStore(tmp_path)
    outbox = store.outbox = Outbox(store)
    wire = Wire()
    outbox.connected(Message("posewatch/status", "online", 1, True))
    outbox.send(wire)
    picture = Message("posewatch/door/snapshot/fall", b"jpeg", 1, True, expendable=True)
    on = Message("posewatch/door/alert/fall", "ON", 1, True)
    store.before = [picture, alert("raised"), on]
    for _ in range(4):
        outbox.send(wire)
        outbox.settle(wire)
    assert wire.sent[1:] == [
        "posewatch/door/snapshot/fall", "posewatch/door/alerts", "posewatch/door/alert/fall",
    ]  # fmt: skip
    store.close()
