"""What can go wrong between a camera and whoever listens, done for real; each counts what arrives.

The tests assert what comes of it, and `tests/benchmarks/faults.py` prints it as a table.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from consumer import Consumer, Key, keys_of
from servers import Broker, Gate, free_port, wait_for

from daemon.config.mqtt import MqttConfig
from daemon.config.storage import StorageConfig
from daemon.messages import Message
from daemon.mqtt import Publisher
from daemon.storage import Store
from daemon.storage.history import HistoryFilter, read_history

__all__ = ["SCENARIOS", "Outcome", "Unavailable"]

_TOPIC = "posewatch/door/{}"
_KEEPALIVE = 1
_BACKOFF = (0.05, 0.2)
_PERSISTENT = "persistence true\npersistence_location {}/\nautosave_on_changes true\nautosave_interval 1\n"
_UNLIMITED = "max_queued_messages 0\nmax_inflight_messages 0\n"
_SLOW = 60.0
_STORY = ("new", "update", "end")


class Unavailable(Exception):  # noqa: N818
    """This machine cannot do it; says why."""


@dataclass(frozen=True)
class Outcome:
    """What one fault did.

    Attributes:
        sent: messages that the daemon published, in order.
        received: what the consumer got, in order, with duplicates.
        seconds: from the end of the fault until the last message had come.
        state: of the retained topics, as the consumer knows it in the end.
        log: what else is worth knowing, for tests.
    """

    sent: list[Key]
    received: list[Key]
    seconds: float
    state: dict[str, bytes] = field(default_factory=dict)
    log: dict[str, Any] = field(default_factory=dict)

    @property
    def duplicates(self) -> int:
        """Messages that came more than once."""
        return len(self.received) - len(set(self.received))

    @property
    def lost(self) -> int:
        """Messages that never came."""
        return len(set(self.sent) - set(self.received))

    @property
    def in_order(self) -> bool:
        """Whether the first arrivals are in the order of publishing."""
        sent, received = set(self.sent), set(self.received)
        first = [key for key in dict.fromkeys(self.received) if key in sent]
        return first == [key for key in self.sent if key in received]


class Daemon:
    """Store and publisher as the daemon has them, and all that was published."""

    def __init__(
        self, folder: Path, port: int, *, host: str = "127.0.0.1", start: bool = True, **mqtt: Any
    ) -> None:
        self.store = Store(folder, StorageConfig(), retry=0.1)
        settings = MqttConfig(host=host, port=port, keepalive=_KEEPALIVE, **mqtt)
        self.publisher = Publisher(settings, self.store, backoff=_BACKOFF)
        self.sent: list[Key] = []
        self._number = 0
        if start:
            self.publisher.start()

    def publish(self, messages: list[Message]) -> None:
        self.publisher.publish(messages)
        self.sent += keys_of(messages)

    def stories(self, count: int) -> None:
        """Alerts from the first message to the last, each with its retained state."""
        for _ in range(count):
            for kind in ("raised", "updated", "cleared"):
                self.say(kind)

    def say(self, kind: str) -> None:
        """The next message of the present alert."""
        self._number += kind == "raised"
        seq = {"raised": 0, "updated": 1, "cleared": 2}[kind]
        payload = {
            "type": kind, "id": f"1700000000000-door-{self._number}", "seq": seq, "rule": "fall",
            "camera": "door", "severity": "critical", "score": 0.8, "start_time": 1.0, "end_time": None,
            "reason": None,
            "evidence": {"scores": [[0.1, 0.8]] * 30},
        }  # fmt: skip
        state = Message(_TOPIC.format("alert/fall"), "OFF" if kind == "cleared" else "ON", 1, True)
        self.publish([Message(_TOPIC.format("alerts"), payload, 1), state])

    def tracks(self, count: int) -> None:
        """People who come: one message each."""
        for _ in range(count):
            self._number += 1
            after = {
                "id": f"1700000000000-door-{self._number}", "camera": "door", "start_time": 1.0,
                "end_time": None, "box": [0.1, 0.2, 0.3, 0.4], "actions": ["walking"] * 10,
            }  # fmt: skip
            payload = {"type": "new", "seq": 0, "reason": None, "before": None, "after": after}
            self.publish([Message(_TOPIC.format("events"), payload, 1)])

    @property
    def acknowledged(self) -> list[Key]:
        """What the broker has taken over, as far as it is known."""
        return self.sent[: len(self.sent) - self.publisher.queued]

    @property
    def is_done(self) -> bool:
        return self.publisher.connected and not self.publisher.queued

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.publisher.close()
        self.store.close()


def _outcome(daemon: Daemon, consumer: Consumer, since: float, **log: Any) -> Outcome:
    """Waits until everything is there, or nothing comes any more."""
    with contextlib.suppress(AssertionError):
        wait_for(consumer.has(daemon.sent), _SLOW)
    seconds = max(0.0, consumer.last_at - since)
    wait_for(lambda: daemon.is_done, what="an empty queue")
    return Outcome(list(daemon.sent), list(consumer.keys), seconds, dict(consumer.state), log)


def _kill(broker: Broker, consumer: Consumer) -> None:
    broker.kill()
    wait_for(lambda: not consumer.subscribed.is_set(), what="the consumer noticing")


def _restart(broker: Broker, consumer: Consumer) -> None:
    broker.start()
    assert consumer.subscribed.wait(20)


def killed_mid_alert(folder: Path) -> Outcome:
    """The broker is killed while messages of an alert are on their way.

    What it had acknowledged is with the consumer by then, and the consumer is back before the daemon: one
    that dies with what it has taken over loses that by itself, which no sender can help.
    """
    settings = _PERSISTENT.format(folder) + _UNLIMITED
    with (
        Broker(folder, settings=settings) as broker,
        Gate(broker.port) as gate,
        Consumer(broker.port) as consumer,
        Daemon(folder / "state", gate.port) as daemon,
    ):
        for _ in range(3):
            daemon.say("raised")
            wait_for(consumer.has(daemon.sent), what="the alert")
            daemon.say("updated")
            daemon.stories(30)
            gate.freeze()  # what is on its way stays so, in both directions
            wait_for(lambda: consumer.has(daemon.acknowledged)(), what="what the broker has taken over")
            _kill(broker, consumer)
            gate.shut()
            gate.thaw()
            daemon.stories(30)
            _restart(broker, consumer)
            gate.open()
            since = time.monotonic()
            wait_for(lambda: daemon.is_done, _SLOW)
        return _outcome(daemon, consumer, since)


def restarted_without_persistence(folder: Path) -> Outcome:
    """The broker comes back and knows nothing: no sessions, no state. The consumer is there first."""
    with (
        Broker(folder, settings=_UNLIMITED) as broker,
        Gate(broker.port) as gate,
        Consumer(broker.port) as consumer,
        Daemon(folder / "state", gate.port) as daemon,
    ):
        daemon.stories(20)
        daemon.say("raised")
        wait_for(lambda: daemon.is_done)
        gate.shut()
        _kill(broker, consumer)
        daemon.say("updated")
        daemon.stories(100)
        daemon.say("raised")
        consumer.state.clear()
        _restart(broker, consumer)
        gate.open()
        since = time.monotonic()
        outcome = _outcome(daemon, consumer, since)
        with Consumer(broker.port, "late") as late:  # what the broker keeps for those who come later
            wait_for(lambda: _TOPIC.format("alert/fall") in late.state, what="the retained state")
            return Outcome(outcome.sent, outcome.received, outcome.seconds, dict(late.state))


def refused_credentials(folder: Path) -> Outcome:
    """The broker refuses the password, until it is set right there."""
    if shutil.which("mosquitto_passwd") is None:
        raise Unavailable("mosquitto_passwd is not installed")
    passwords = folder / "passwords"

    def allow(password: str) -> None:
        passwords.touch()
        for user, word in (("reader", "reader"), ("posewatch", password)):
            subprocess.run(
                ["mosquitto_passwd", "-b", str(passwords), user, word], check=True, capture_output=True
            )

    allow("another")
    settings = f"allow_anonymous false\npassword_file {passwords}\n" + _UNLIMITED
    with (
        Broker(folder, settings=settings) as broker,
        Consumer(broker.port, login=("reader", "reader")) as consumer,
        Daemon(folder / "state", broker.port, username="posewatch", password="right") as daemon,
    ):
        daemon.stories(50)
        log = folder / "broker.log"
        wait_for(lambda: log.read_text().count("not authorised") >= 2, what="being refused")
        assert consumer.keys == []
        allow("right")
        broker.signal(signal.SIGHUP)
        since = time.monotonic()
        daemon.stories(50)
        return _outcome(daemon, consumer, since)


def half_open(folder: Path) -> Outcome:
    """The connection stands and nothing passes: a relay holds everything back and closes nothing."""
    with (
        Broker(folder, settings=_UNLIMITED) as broker,
        Gate(broker.port) as gate,
        Consumer(broker.port) as consumer,
        Daemon(folder / "state", gate.port) as daemon,
    ):
        daemon.stories(10)
        wait_for(lambda: daemon.is_done)
        gate.freeze()
        frozen = time.monotonic()
        daemon.stories(50)
        wait_for(lambda: not daemon.publisher.connected, what="noticing")
        noticed = time.monotonic() - frozen
        daemon.stories(50)
        wait_for(lambda: consumer.state.get("posewatch/status") == b"offline", what="the last will")
        gate.thaw()
        since = time.monotonic()
        return _outcome(daemon, consumer, since, noticed=noticed)


def flapping(folder: Path) -> Outcome:
    """Four cameras publish while the connection stalls or breaks ten times, at random moments."""
    random = Random(1)
    never = threading.Event()
    with (
        Broker(folder, settings=_UNLIMITED) as broker,
        Gate(broker.port) as gate,
        Consumer(broker.port) as consumer,
        Daemon(folder / "state", gate.port) as daemon,
    ):
        over = threading.Event()

        def watch(camera: str, sent: list[Key]) -> None:
            number = 0
            while not over.wait(0.01):
                number += 1
                messages = [_event(kind, f"1700000000000-{camera}-{number}", camera) for kind in _STORY]
                daemon.publisher.publish(messages)
                sent += keys_of(messages)

        sent: list[list[Key]] = [[] for _ in range(4)]
        cameras = [
            threading.Thread(target=watch, args=(f"camera{number}", keys)) for number, keys in enumerate(sent)
        ]
        for camera in cameras:
            camera.start()
        for number in range(10):
            never.wait(random.uniform(0.0, 0.5))
            gate.freeze()
            never.wait(random.uniform(0.0, 0.5))
            if number % 3:  # what was under way is gone
                gate.shut()
            gate.thaw()
            never.wait(random.uniform(0.0, 0.3))
            gate.open()
        over.set()
        for camera in cameras:
            camera.join()
        # The order counts within each camera.
        daemon.sent = [key for keys in sent for key in keys]
        outcome = _outcome(daemon, consumer, time.monotonic())
        received = [key for number in range(4) for key in outcome.received if f"/camera{number}/" in key[0]]
        return replace(outcome, received=received)


def _event(kind: str, item: str, camera: str) -> Message:
    after = {"id": item, "camera": camera, "start_time": 1.0, "end_time": None}
    payload = {"type": kind, "seq": _STORY.index(kind), "reason": None, "before": None, "after": after}
    return Message(f"posewatch/{camera}/events", payload, 1)


def slow_consumer(folder: Path) -> Outcome:
    """The consumer takes 2 ms a message; the broker holds what it has not taken."""
    with (
        Broker(folder, settings="max_queued_messages 0\n") as broker,
        Consumer(broker.port, pause=0.002) as consumer,
        Daemon(folder / "state", broker.port) as daemon,
    ):
        wait_for(lambda: daemon.publisher.connected)
        daemon.stories(250)
        since = time.monotonic()
        return _outcome(daemon, consumer, since)


def ten_thousand(folder: Path) -> Outcome:
    """10,000 events wait for a broker that comes late."""
    with (
        Broker(folder, settings=_UNLIMITED) as broker,
        Consumer(broker.port) as consumer,
        Daemon(folder / "state", broker.port, start=False) as daemon,
    ):
        started = time.monotonic()
        daemon.tracks(10_000)
        published = time.monotonic() - started
        daemon.publisher.start()
        since = time.monotonic()
        return _outcome(daemon, consumer, since, publish=published)


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system of its own."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "posewatch-test", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        raise Unavailable(f"may not mount a file system here ({done.stderr.strip()}): run as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def disk_full(folder: Path) -> Outcome:
    """The disk fills up during an outage of the broker, and has room again later."""
    with (
        Broker(folder, settings=_UNLIMITED) as broker,
        Gate(broker.port) as gate,
        _mounted(folder / "disk", "size=4m,mode=700") as disk,
        Daemon(disk, gate.port) as daemon,
    ):
        gate.shut()
        daemon.stories(50)
        with (disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(4096))
        daemon.stories(100)
        full = daemon.store.status
        (disk / "ballast").unlink()
        with Consumer(broker.port) as consumer:  # there before the daemon
            gate.open()
            since = time.monotonic()
            wait_for(
                lambda: (daemon.store.tidy(), daemon.store.status.state == "ok")[1], what="the disk again"
            )
            daemon.stories(50)
            return _outcome(daemon, consumer, since, reason=full.reason)


def disk_read_only(folder: Path) -> Outcome:
    """The daemon starts with a read-only disk that holds messages of before, and can write again later."""
    with (
        Broker(folder, settings=_UNLIMITED) as broker,
        Gate(broker.port) as gate,
        _mounted(folder / "disk", "size=16m,mode=700") as disk,
    ):
        gate.shut()
        with Daemon(disk, gate.port) as before:
            before.stories(50)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with Daemon(disk, gate.port) as daemon:
            daemon.sent, daemon._number = list(before.sent), before._number
            daemon.stories(50)
            status = daemon.store.status
            with Consumer(broker.port) as consumer:  # there before the daemon
                gate.open()
                since = time.monotonic()
                wait_for(consumer.has(daemon.sent), what="what waited on disk and in memory")
                subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
                daemon.stories(50)
                wait_for(
                    lambda: (daemon.store.tidy(), daemon.store.status.state == "ok")[1], what="the disk again"
                )
                return _outcome(daemon, consumer, since, reason=status.reason)


_CONFIG = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: posewatch-test}}
storage: {{path: state}}
stats_interval: 1s
cameras:
  street:
    url: {clip}
    enabled: {enabled}
    loop: true
    fps: 5
    zones: {{everywhere: {{points: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}}
    rules: {{about: {{type: loitering, for: 500ms, cooldown: 0s, zones: [everywhere]}}}}
"""


def killed_daemon(folder: Path, clip: Path) -> Outcome:
    """SIGKILL of `posewatch run` while alerts are on and the broker is away; it starts again with it."""
    port = free_port()
    config, state = folder / "posewatch.yaml", folder / "state"
    config.write_text(_CONFIG.format(port=port, clip=clip, enabled="true"))

    def run() -> subprocess.Popen[bytes]:
        with (folder / "daemon.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "daemon.cli", "run", "-c", str(config)], stderr=log
            )

    def stored() -> list[dict[str, Any]]:
        if not (state / "posewatch.db").exists():
            return []
        return [{"topic": one.topic, **one.payload} for one in read_history(state, HistoryFilter())]

    process = run()
    try:
        wait_for(lambda: sum(one["type"] == "raised" for one in stored()) >= 2, _SLOW, "two alerts")
    finally:
        process.kill()
        process.wait()
    before = [_key(one) for one in stored()]
    ids = {kind: {one["id"] for one in stored() if one["type"] == kind} for kind in ("raised", "cleared")}
    config.write_text(_CONFIG.format(port=port, clip=clip, enabled="false"))
    with Broker(folder, port, settings=_UNLIMITED), Consumer(port) as consumer:
        since = time.monotonic()
        process = run()
        try:
            wait_for(consumer.has(before), _SLOW, "what waited")
            sent = before + [key for key in map(_key, stored()) if key not in set(before)]
            wait_for(consumer.has(sent), _SLOW, "what was ended")
            seconds = max(0.0, consumer.last_at - since)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
        ended = [one for one in stored() if one.get("reason") == "restart"]
        return Outcome(
            sent, list(consumer.keys), seconds, dict(consumer.state),
            {"ended": ended, "open": ids["raised"] - ids["cleared"]},
        )  # fmt: skip


def _key(body: dict[str, Any]) -> Key:
    named = body.get("after") or body
    return body["topic"], named["id"], body.get("seq", body["type"])


def packets_dropped(folder: Path) -> Outcome:
    """A network between daemon and broker whose cable is pulled: the kernel drops every packet."""
    if os.environ.get("POSEWATCH_NETWORK_TESTS") != "1":
        raise Unavailable("changes this machine's network: set POSEWATCH_NETWORK_TESTS=1 and run as root")
    name = f"pw{os.getpid()}"
    run: Callable[..., object] = lambda *command: subprocess.run(command, check=True, capture_output=True)  # noqa: E731
    with ExitStack() as stack:
        run("ip", "netns", "add", name)
        stack.callback(run, "ip", "netns", "delete", name)
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "inside", "netns", name)
        run("ip", "address", "add", "10.213.77.1/30", "dev", name)
        run("ip", "link", "set", name, "up")
        for command in ("address add 10.213.77.2/30 dev inside", "link set inside up", "link set lo up"):
            run("ip", "-n", name, *command.split())
        host, within = "10.213.77.2", ["ip", "netns", "exec", name]
        broker = stack.enter_context(Broker(folder, settings=_UNLIMITED, host=host, within=within))
        consumer = stack.enter_context(Consumer(broker.port, host=host))
        daemon = stack.enter_context(Daemon(folder / "state", broker.port, host=host))
        daemon.stories(10)
        wait_for(lambda: daemon.is_done)
        run("ip", "-n", name, "link", "set", "inside", "down")
        dropped = time.monotonic()
        daemon.stories(50)
        wait_for(lambda: not daemon.publisher.connected, what="noticing")
        noticed = time.monotonic() - dropped
        daemon.stories(50)
        run("ip", "-n", name, "link", "set", "inside", "up")
        since = time.monotonic()
        return _outcome(daemon, consumer, since, noticed=noticed)


SCENARIOS: dict[str, Callable[[Path], Outcome]] = {
    "broker killed mid-alert, three times": killed_mid_alert,
    "broker restarted without persistence": restarted_without_persistence,
    "broker refuses the password, then takes it": refused_credentials,
    "half-open connection (nothing passes, nothing closes)": half_open,
    "connection stalls or breaks ten times at random": flapping,
    "consumer takes 2 ms a message": slow_consumer,
    "10,000 events queued": ten_thousand,
    "disk full for a while": disk_full,
    "disk read-only for a while": disk_read_only,
    "cable pulled (every packet dropped)": packets_dropped,
}
