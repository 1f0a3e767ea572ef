"""`posewatch run` as systemd starts it: a real RTSP camera, a real broker, and what happens when they go."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from listening import Listener
from running import Daemon
from servers import Broker, Gate, RtspServer, free_port, wait_for

from daemon.config import load_config
from daemon.demo.servers import transcode
from daemon.media.retained import pictures_that_stay
from daemon.storage import Store
from daemon.topics import Topics

CONFIG = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: posewatch-test}}
storage: {{path: state}}
stats_interval: 1s
cameras:
  street:
    url: {url}
    fps: 5
    open_timeout: 8s
    read_timeout: 2s
    reconnect: {{min: 200ms, max: 500ms}}
    zones:
      everywhere: {{points: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
    rules:
      about: {{type: loitering, for: 1s, cooldown: 0s, zones: [everywhere]}}
"""
SLOW = 40.0  # seconds to wait for what takes a few on an idle machine


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, footage: Path, pose_model: Path) -> Path:
    """A folder with a minute of real footage for the RTSP server, which does not repeat it."""
    assert pose_model.is_file()
    folder = tmp_path_factory.mktemp("videos")
    transcode(footage, folder / "street.mp4", seconds=70.0)
    return folder


@contextmanager
def watching(
    folder: Path, broker: int, url: str, wait: Callable[[Listener], object]
) -> Iterator[tuple[Daemon, Listener]]:
    """A daemon and a listener, once the condition is true."""
    config = folder / "posewatch.yaml"
    config.write_text(CONFIG.format(port=broker, url=url))
    with Listener(broker) as listener, Daemon(config) as daemon:
        wait_for(lambda: daemon.process.poll() is not None or wait(listener), SLOW, "the daemon's start")
        assert daemon.process.poll() is None, daemon.log.read_text()
        yield daemon, listener


def sees_people(listener: Listener) -> bool:
    return listener.state() == "streaming" and listener.people() >= 2


def numbers_by_track(messages: list[Any]) -> dict[str, list[int]]:
    """`seq` of the events of every track; QoS 1 may bring one twice."""
    found: dict[str, list[int]] = defaultdict(list)
    for body in messages:
        numbers = found[body["after"]["id"]]
        if body["seq"] not in numbers:
            numbers.append(body["seq"])
    return found


def latest_time(body: dict[str, Any]) -> float:
    """When the track, action or alert of a message ended, or else began."""
    what = body.get("after", body)
    return float(what["end_time"] or what["start_time"])


def test_it_reports_what_it_sees_until_sigterm_ends_it_cleanly(videos: Path, tmp_path: Path) -> None:
    with RtspServer(videos) as camera, Broker(tmp_path) as broker:
        url = camera.url("street.mp4")
        with watching(tmp_path, broker.port, url, sees_people) as (daemon, listener):
            assert listener.last("status") == "online"
            assert listener.last("info")["cameras"] == ["street"]
            # Its rate, and whether it is overloaded, may be told as well.
            states = [state for state, _ in groupby(one["state"] for one in listener.bodies("street/status"))]
            assert states[-2:] == ["connecting", "streaming"]
            wait_for(lambda: listener.bodies("street/actions"), SLOW, "an action")
            wait_for(lambda: listener.last("street/alert/about") == "ON", SLOW, "an alert")
            (new, *_) = [body for body in listener.bodies("street/events") if body["type"] == "new"]
            assert abs(new["after"]["start_time"] - time.time()) < 60
            assert all(0 <= share <= 1 for share in new["after"]["box"])
            wait_for(lambda: len(listener.bodies("stats")) >= 4, SLOW, "statistics")
            figures = listener.last("stats")["cameras"]["street"]
            assert figures["fps_in"] > 2
            assert 0 < figures["fps_processed"] < 6.5  # `fps: 5` of the configuration
            assert figures["errors"] == 0
            assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p95"]
            assert listener.last("stats")["rss"] > 50e6

            status, seconds = daemon.ask_to_stop()
            assert status == 0
            assert seconds < 10
            wait_for(lambda: listener.last("status") == "offline", what="offline")
            assert listener.people() == 0
            assert listener.last("street/alert/about") == "OFF"
            events = listener.bodies("street/events")
            kinds = {body["after"]["id"]: body["type"] for body in events}
            assert set(kinds.values()) == {"end"}
            assert all(numbers == list(range(len(numbers))) for numbers in numbers_by_track(events).values())
            raised, cleared = (
                {body["id"] for body in listener.bodies("street/alerts") if body["type"] == kind}
                for kind in ("raised", "cleared")
            )
            assert raised == cleared
        with Listener(broker.port) as late:
            wait_for(lambda: late.last("status") == "offline", what="the retained state")
            late.catch_up()
            assert late.last("street/alert/about") == "OFF"
            assert late.last("street/people") == 0
            assert {one.topic.rpartition("/")[2] for one in late.received if one.retained}.isdisjoint(
                {"events", "actions", "alerts", "stats"}
            )


def test_kill_9_leaves_offline_by_last_will(pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    url = f"rtsp://127.0.0.1:{free_port()}/nobody"
    with (
        Broker(tmp_path) as broker,
        watching(tmp_path, broker.port, url, lambda one: one.last("status") == "online") as (
            daemon,
            listener,
        ),
    ):
        daemon.kill()
        wait_for(lambda: listener.last("status") == "offline", what="the last will")


def test_sigterm_ends_it_without_camera_and_broker(pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    config = tmp_path / "posewatch.yaml"
    config.write_text(CONFIG.format(port=free_port(), url=f"rtsp://127.0.0.1:{free_port()}/nobody"))
    with Daemon(config) as daemon:
        wait_for(lambda: "mqtt_unavailable" in daemon.log.read_text(), SLOW, "the first attempt")
        wait_for(lambda: "camera_lost" in daemon.log.read_text(), SLOW, "the first attempt")
        status, seconds = daemon.ask_to_stop()
    assert status == 0
    assert seconds < 10
    assert "Traceback" not in daemon.log.read_text()


def test_a_camera_that_goes_takes_its_people_along_and_comes_back(videos: Path, tmp_path: Path) -> None:
    with RtspServer(videos) as camera, Broker(tmp_path) as broker:
        url = camera.url("street.mp4")
        with watching(tmp_path, broker.port, url, sees_people) as (daemon, listener):
            wait_for(lambda: listener.last("street/alert/about") == "ON", SLOW, "an alert")
            camera.kill()
            wait_for(lambda: listener.state() in ("connecting", "stalled"), SLOW, "noticing the loss")
            wait_for(lambda: listener.last("street/status")["reason"] == "network", SLOW, "the reason")
            # Nobody is seen any more: neither a count nor an alert stays as it was.
            wait_for(lambda: listener.people() == 0, SLOW, "no people")
            wait_for(lambda: listener.last("street/alert/about") == "OFF", SLOW, "no alert")
            gone = {body["after"]["id"] for body in listener.bodies("street/events")}
            ended = {
                body["after"]["id"] for body in listener.bodies("street/events") if body["type"] == "end"
            }
            assert gone == ended
            camera.start()
            wait_for(lambda: sees_people(listener), SLOW, "people again")
            again = {body["after"]["id"] for body in listener.bodies("street/events")} - gone
            assert again
            assert daemon.process.poll() is None


def test_a_broker_that_dies_misses_nothing(videos: Path, tmp_path: Path) -> None:
    """The way to the broker breaks, the broker dies and starts anew without memory, the way opens again."""
    with ExitStack() as stack:
        camera = stack.enter_context(RtspServer(videos))
        broker = stack.enter_context(Broker(tmp_path))
        gate = stack.enter_context(Gate(broker.port))
        config = tmp_path / "posewatch.yaml"
        config.write_text(CONFIG.format(port=gate.port, url=camera.url("street.mp4")))
        with Listener(broker.port) as before:
            daemon = stack.enter_context(Daemon(config))
            wait_for(lambda: sees_people(before), SLOW, "people")
            gate.shut()
            outage = time.time()
            before.catch_up()
            assert before.last("status") == "offline"  # the last will
            events = before.bodies("street/events")
        broker.kill()
        log = daemon.log
        wait_for(lambda: log.read_text().count("mqtt_unavailable") >= 1, SLOW, "noticing the loss")
        broker.start()
        with Listener(broker.port) as after:
            # The daemon watches on; in five seconds of this footage somebody comes, goes or acts.
            wait_for(lambda: time.time() - outage > 5.0, what="an outage of five seconds")
            assert after.received == []
            reopened = time.time()
            gate.open()
            wait_for(lambda: after.last("status") == "online", SLOW, "online")
            wait_for(lambda: after.bodies("stats"), SLOW, "what follows the outage")
            after.catch_up()
            missed = [
                body
                for kind in ("events", "actions", "alerts")
                for body in after.bodies(f"street/{kind}")
                if outage < latest_time(body) < reopened
            ]
            assert missed
            every = numbers_by_track(events + after.bodies("street/events"))
            assert {track: sorted(numbers) for track, numbers in every.items()} == {
                track: list(range(len(numbers))) for track, numbers in every.items()
            }
            with Listener(broker.port) as late:
                late.catch_up()
                kept = {one.topic: one.body for one in late.received if one.retained}
            assert kept["posewatch/status"] == "online"
            assert kept["posewatch/street/status"]["state"] == "streaming"
            assert kept["posewatch/street/enabled/state"] == "ON"
            assert kept["posewatch/street/alerts/state"] == "ON"
            assert kept["posewatch/street/alert/about"] in ("ON", "OFF")
            assert "posewatch/street/people" in kept
            assert "posewatch/info" in kept
        assert daemon.process.poll() is None


def test_switches(videos: Path, tmp_path: Path) -> None:
    with RtspServer(videos) as camera, Broker(tmp_path) as broker:
        url = camera.url("street.mp4")
        with watching(tmp_path, broker.port, url, sees_people) as (daemon, listener):
            assert listener.last("street/enabled/state") == "ON"
            assert listener.last("street/alerts/state") == "ON"

            def raised() -> int:
                return sum(body["type"] == "raised" for body in listener.bodies("street/alerts"))

            def let_pass(reports: int) -> None:
                """Waits for the daemon's own clock: one report a second."""
                until = len(listener.bodies("stats")) + reports
                wait_for(lambda: len(listener.bodies("stats")) >= until, SLOW, "statistics")

            wait_for(lambda: listener.last("street/alert/about") == "ON", SLOW, "an alert")
            listener.say("street/alerts/set", "OFF")
            wait_for(lambda: listener.last("street/alerts/state") == "OFF", what="alerts off")
            assert listener.last("street/alert/about") == "OFF"
            count = raised()
            let_pass(3)
            assert raised() == count
            assert listener.people() >= 1  # people are followed all the same
            listener.say("street/alerts/set", "ON")
            wait_for(lambda: raised() > count, SLOW, "alerts again")
            assert listener.last("street/alerts/state") == "ON"

            listener.say("street/enabled/set", "OFF")
            wait_for(lambda: listener.last("street/enabled/state") == "OFF", what="the camera off")
            assert listener.state() == "disabled"
            assert listener.people() == 0
            assert listener.last("street/alert/about") == "OFF"
            seen = len(listener.bodies("street/events"))
            let_pass(3)
            assert listener.last("stats")["cameras"]["street"]["fps_in"] == 0
            assert len(listener.bodies("street/events")) == seen
            listener.say("street/enabled/set", "ON")
            wait_for(lambda: sees_people(listener), SLOW, "people again")
            assert listener.last("street/enabled/state") == "ON"
            ids = [body["after"]["id"] for body in listener.bodies("street/events") if body["type"] == "new"]
            assert len(set(ids)) == len(ids)
            assert daemon.process.poll() is None


def test_switches_hold_after_a_restart_and_commands_are_exact(pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    url = f"rtsp://127.0.0.1:{free_port()}/nobody"

    def is_up(listener: Listener) -> bool:
        return listener.last("status") == "online" and listener.last("street/alerts/state") is not None

    with Broker(tmp_path) as broker:
        with watching(tmp_path, broker.port, url, is_up) as (daemon, listener):
            assert listener.last("storage") == {
                "state": "ok", "reason": None, "since": pytest.approx(time.time(), abs=60), "dropped": 0,
            }  # fmt: skip
            for topic, payload in (("alerts", "off"), ("enabled", "0"), ("nothing", "ON")):
                listener.say(f"street/{topic}/set", payload)
            listener.say("street/alerts/set", "OFF")
            wait_for(lambda: listener.last("street/alerts/state") == "OFF", what="alerts off")
            listener.say("street/enabled/set", "OFF")
            wait_for(lambda: listener.last("street/enabled/state") == "OFF", what="the camera off")
            wait_for(lambda: (listener.last("stats") or {}).get("commands_ignored") == 2, what="the count")
            stats = listener.last("stats")
            assert stats["mqtt"] == {"connected": True, "queued": 0, "dropped": 0}
            assert stats["storage"] == {"state": "ok", "reason": None}
            daemon.kill()
        with watching(tmp_path, broker.port, url, is_up) as (_, listener):
            listener.catch_up()
            assert listener.last("street/alerts/state") == "OFF"
            assert listener.last("street/enabled/state") == "OFF"
            assert listener.state() == "disabled"


def test_a_second_daemon_in_the_same_state_directory_says_what_to_do(
    pose_model: Path, tmp_path: Path
) -> None:
    assert pose_model.is_file()
    url = f"rtsp://127.0.0.1:{free_port()}/nobody"
    with Broker(tmp_path) as broker:
        with watching(tmp_path, broker.port, url, lambda one: one.last("status") == "online"):
            command = [sys.executable, "-m", "daemon.cli", "run", "-c", str(tmp_path / "posewatch.yaml")]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == (
            f"posewatch: {tmp_path / 'state'} is in use by another posewatch: "
            "stop it, or give each its own storage.path"
        )


def test_it_runs_where_nothing_can_be_stored_and_says_so(pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    url = f"rtsp://127.0.0.1:{free_port()}/nobody"
    (tmp_path / "state").write_text("a file where the folder should be")
    with Broker(tmp_path) as broker:
        with watching(tmp_path, broker.port, url, lambda one: one.last("stats")) as (daemon, listener):
            assert listener.last("storage")["state"] == "degraded"
            assert listener.last("stats")["storage"]["reason"] == listener.last("storage")["reason"]
            (tmp_path / "state").unlink()
            wait_for(lambda: listener.last("storage")["state"] == "ok", SLOW, "the disk")
            assert daemon.process.poll() is None
        assert "state_directory_unusable" in daemon.log.read_text()


def test_home_assistant_is_told_everything_again_when_it_starts(pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    url = f"rtsp://127.0.0.1:{free_port()}/nobody"
    with (
        Broker(tmp_path) as broker,
        watching(tmp_path, broker.port, url, lambda one: one.last("status") == "online") as (_, listener),
    ):

        def told(topic: str) -> int:
            return sum(one.topic == topic for one in list(listener.received))

        device, state = "homeassistant/device/posewatch/street/config", "posewatch/street/alert/about"
        wait_for(lambda: told(device) == 1 and told(state) == 1, SLOW, "the first time")
        listener.client.publish("homeassistant/status", "offline", qos=1)
        listener.client.publish("homeassistant/status", "online", qos=1)
        wait_for(lambda: told(device) == 2 and told(state) == 2, SLOW, "the second time")
        rule = next(one.body for one in listener.received if one.topic == device)["components"]["rule_about"]
        assert rule["state_topic"] == state


@pytest.mark.parametrize(
    ("settings", "before", "stays"),
    [
        ("{retain: true}", "{retain: true, quality: 60}", True),
        ("{retain: false}", "{retain: true}", False),
        ("{retain: true, publish: false}", "{retain: true}", False),
        ("{retain: true, style: none}", "{retain: true}", False),
        ("{retain: true}", "{retain: true, style: full}", False),  # it shows more than it may now
    ],
)
def test_a_picture_that_no_other_will_replace_does_not_stay_at_the_broker(
    settings: str, before: str, stays: bool, pose_model: Path, tmp_path: Path
) -> None:
    assert pose_model.is_file()
    topic = "posewatch/street/snapshot/about"
    config = tmp_path / "posewatch.yaml"
    url = f"rtsp://127.0.0.1:{free_port()}/nobody"
    with Broker(tmp_path) as broker, Listener(broker.port) as listener:
        config.write_text(f"{CONFIG.format(port=broker.port, url=url)}snapshots: {before}\n")
        store, settings_before = Store(tmp_path / "state"), load_config(config).cameras["street"]
        store.remember_retained([topic])
        pictures_that_stay("street", settings_before, settings_before.rules, Topics(), store)
        store.close()
        config.write_text(f"{CONFIG.format(port=broker.port, url=url)}snapshots: {settings}\n")
        picture = b"\xff\xd8\xff of a former process"
        listener.client.publish(topic, picture, qos=1, retain=True).wait_for_publish(10)
        with Daemon(config) as daemon:
            wait_for(lambda: listener.last("status") == "online", SLOW, "online")
            assert daemon.ask_to_stop()[0] == 0
        with Listener(broker.port) as late:
            late.catch_up()
            assert (late.last("street/snapshot/about") == picture) is stays
