"""Pictures and clips of the daemon itself: a real RTSP camera, a real broker, real people."""

from __future__ import annotations

import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from listening import Listener
from running import Daemon
from servers import Broker, RtspServer, wait_for

from daemon.demo.servers import transcode

SLOW = 40.0
CONFIG = """\
mqtt: {{host: 127.0.0.1, port: {port}}}
storage: {{path: state}}
clips: {{enabled: true, style: blur, before: 2s, after: {after}}}
cameras:
  street:
    url: {url}
    fps: 5
    read_timeout: 2s
    reconnect: {{min: 200ms, max: 500ms}}
    zones:
      everywhere: {{points: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
    privacy_masks:
      house: {{points: [[0.5, 0.0], [1.0, 0.0], [1.0, 0.4], [0.5, 0.4]]}}
    rules:
      about: {{type: loitering, for: 1s, cooldown: 1h, clear: 1s, zones: [everywhere]}}
"""


def raised(listener: Listener) -> list[dict[str, Any]]:
    """Alerts that were raised."""
    return [alert for alert in listener.bodies("street/alerts") if alert["type"] == "raised"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, footage: Path, pose_model: Path) -> Path:
    assert pose_model.is_file()
    folder = tmp_path_factory.mktemp("videos")
    transcode(footage, folder / "street.mp4", seconds=60.0)
    return folder


@contextmanager
def watching(folder: Path, broker: int, url: str, after: str) -> Iterator[tuple[Any, Listener]]:
    config = folder / "posewatch.yaml"
    config.write_text(CONFIG.format(port=broker, url=url, after=after))
    with Listener(broker) as listener, Daemon(config) as daemon:
        yield daemon.process, listener


def files(folder: Path) -> set[str]:
    """Every file of the state directory but the database's own and the lock."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if "/" in name}


def frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def test_pictures_come_before_their_alerts_and_clips_follow(videos: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with RtspServer(videos) as camera, Broker(tmp_path) as broker:
        with watching(tmp_path, broker.port, camera.url("street.mp4"), "1s") as (process, listener):
            wait_for(lambda: process.poll() is not None or len(raised(listener)) >= 2, SLOW, "two alerts")
            clip = state / raised(listener)[0]["clip"]["file"]
            wait_for(clip.is_file, SLOW, "the first clip")  # while the daemon runs on
            process.terminate()
            assert process.wait(20) == 0
        alerts = raised(listener)
    # Each picture right before its alert, the same as the file.
    names = {"posewatch/street/snapshot/about": "snapshot", "posewatch/street/alerts": "alerts"}
    order = [names[one.topic] for one in listener.received if one.topic in names]
    kinds = [alert["type"] for alert in listener.bodies("street/alerts")]
    expected: list[str] = []
    for kind in kinds:
        expected += ["snapshot", "alerts"] if kind == "raised" else ["alerts"]
    assert order == expected
    for alert, picture in zip(alerts, listener.bodies("street/snapshot/about"), strict=True):
        assert (state / alert["snapshot"]["file"]).read_bytes() == picture
        image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        assert image[:200, 420:].max() <= 8  # the privacy mask
    named = {alert["snapshot"]["file"] for alert in alerts} | {alert["clip"]["file"] for alert in alerts}
    assert files(state) == named
    for name in named:
        assert stat.S_IMODE((state / name).stat().st_mode) == 0o600
    shown = frames(clip)
    assert len(shown) >= 8
    assert max(frame[:200, 420:].max() for frame in shown) <= 8


def test_sigterm_and_a_lost_camera_leave_clips_that_play(videos: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with ExitStack() as stack:
        camera, broker = stack.enter_context(RtspServer(videos)), stack.enter_context(Broker(tmp_path))
        url = camera.url("street.mp4")
        process, listener = stack.enter_context(watching(tmp_path, broker.port, url, "5m"))
        wait_for(lambda: process.poll() is not None or raised(listener), SLOW, "an alert")
        lost = state / raised(listener)[0]["clip"]["file"]
        assert not lost.exists()
        camera.kill()
        wait_for(lost.is_file, SLOW, "the end of the clip")
        count = len(raised(listener))
        camera.start()
        wait_for(lambda: len(raised(listener)) > count, SLOW, "an alert of the camera that is back")
        ended = state / raised(listener)[-1]["clip"]["file"]
        assert ended != lost
        assert not ended.exists()
        started = time.monotonic()
        process.terminate()
        assert process.wait(20) == 0
        assert time.monotonic() - started < 10
    assert len(frames(lost)) > 3
    assert len(frames(ended)) > 1
    assert not [name for name in files(state) if name.endswith(".part")]


def test_after_kill_9_nothing_half_written_stays(videos: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with RtspServer(videos) as camera, Broker(tmp_path) as broker:
        url = camera.url("street.mp4")
        with watching(tmp_path, broker.port, url, "5m") as (process, listener):
            wait_for(lambda: process.poll() is not None or raised(listener), SLOW, "an alert")
            wait_for(
                lambda: any(one.endswith(".part") for one in files(state)), SLOW, "a clip that is written"
            )
            process.kill()
            process.wait(10)
            kept = {alert["snapshot"]["file"] for alert in raised(listener)}
        assert any(name.endswith(".part") for name in files(state))
        with watching(tmp_path, broker.port, url, "5m") as (process, again):
            wait_for(lambda: process.poll() is not None or raised(again), SLOW, "an alert")
            left = {name for name in files(state) if name.endswith(".part")}
            assert not {name for name in left if raised(again)[0]["id"] not in name}
            process.terminate()
            assert process.wait(20) == 0
    assert kept <= files(state)
    assert not [name for name in files(state) if name.endswith(".part")]
    assert sqlite3.connect(state / "posewatch.db").execute("pragma integrity_check").fetchone() == ("ok",)
