"""A real RTSP camera that somebody covers and turns away, as a subscriber at a real broker sees it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from listening import Listener
from numpy.typing import NDArray
from running import Daemon
from servers import Broker, RtspServer, wait_for

from daemon.capture import Frame, FrameReader
from daemon.config import Config
from daemon.config.detect import DetectConfig
from daemon.engines import Engines
from daemon.pipeline import CameraPipeline
from daemon.replay import ReplayOutputs, replay
from daemon.topics import Topics

Image = NDArray[np.uint8]

CONFIG = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: posewatch-test}}
storage: {{path: state}}
tamper: {{for: 1s, clear: 500ms, learn: 1s}}
cameras:
  door:
    url: {url}
    fps: 10
    read_timeout: 2s
    reconnect: {{min: 200ms, max: 500ms}}
    track: {{lost: 500ms}}
"""
SLOW = 60.0  # seconds to wait for what takes a few on an idle machine
RATE = 15


def view(seed: int) -> Image:
    random = np.random.default_rng(seed)
    image = cv2.resize(
        random.integers(60, 200, (4, 6, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC
    )
    for x, y, w, h in random.integers((0, 0, 6, 6), (300, 220, 60, 60), (50, 4)).tolist():
        cv2.rectangle(
            image, (x, y), (x + w, y + h), [int(level) for level in random.integers(30, 230, 3)], -1
        )
    return np.asarray(image, np.uint8)


def write(path: Path, *parts: tuple[float, Image]) -> None:
    """A clip: so many seconds of each picture, with noise."""
    noise = np.random.default_rng(0).normal(0, 2, (5, 240, 320, 3))
    pictures: Iterable[Image] = (image for seconds, image in parts for _ in range(round(seconds * RATE)))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": str(RATE), "bf": "0", "crf": "23"}
        for index, image in enumerate(pictures):
            noisy = np.clip(image + noise[index % 5], 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="bgr24")))
        container.mux(stream.encode())


def covered(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 80) // 3 + 40, np.uint8)


def test_a_camera_that_is_covered_and_comes_back_turned_away(pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    clips = tmp_path / "clips"
    clips.mkdir()
    write(clips / "door.mp4", (6.0, view(1)), (90.0, np.full((240, 320, 3), 70, np.uint8)))
    with RtspServer(clips) as camera, Broker(tmp_path) as broker:
        config = tmp_path / "posewatch.yaml"
        config.write_text(CONFIG.format(port=broker.port, url=camera.url("door.mp4")))
        with Listener(broker.port) as listener, Daemon(config):

            def says(state: str, reason: str | None = None) -> bool:
                last: dict[str, Any] = listener.last("door/tamper") or {}
                return (last.get("state"), last.get("reason")) == (state, reason)

            wait_for(lambda: says("covered") or says("no_signal"), SLOW, "it is covered")
            states = [body["state"] for body in listener.bodies("door/tamper")]
            assert states[:2] == ["unknown", "ok"]
            camera.kill()
            wait_for(lambda: says("unknown", "camera_lost"), SLOW, "nothing is known of a lost camera")
            write(clips / "door.mp4", (90.0, view(2)))
            camera.start()
            wait_for(lambda: says("moved"), SLOW, "it came back turned away")
            listener.say("door/enabled/set", "OFF")
            wait_for(lambda: says("unknown", "switched_off"), SLOW, "switched off")
            listener.say("door/enabled/set", "ON")
            wait_for(lambda: says("ok"), SLOW, "the new view is the right one")


@pytest.fixture
def config() -> Config:
    settings = {"for": "1s", "clear": "500ms", "learn": "1s"}
    return Config.model_validate({"cameras": {"door": {"url": "door.mp4", "tamper": settings}}})


def test_replay_tells_it_as_the_daemon_does(config: Config, pose_model: Path, tmp_path: Path) -> None:
    assert pose_model.is_file()
    clip, events = tmp_path / "door.mp4", tmp_path / "events.jsonl"
    write(clip, (3.0, view(1)), (3.0, covered(view(1))), (2.0, view(1)))
    replay([clip], config, ReplayOutputs(events=str(events), annotate=tmp_path / "drawn.mp4"))
    lines = [line for line in events.read_text().splitlines() if "posewatch/door/tamper" in line]
    states = [line.split('"state":"')[1].split('"')[0] for line in lines]
    assert states == ["unknown", "ok", "covered", "ok", "unknown"]


def test_pictures_without_anything_are_not_searched_for_people(
    config: Config, pose_model: Path, tmp_path: Path
) -> None:
    assert pose_model.is_file()
    clip = tmp_path / "loss.mp4"
    blue = np.full((240, 320, 3), (200, 40, 20), np.uint8)
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for image in [view(1)] * 5 + [blue] * 20:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    settings = config.cameras["door"].model_copy(update={"detect": DetectConfig(every=1)})
    pipeline, engines = CameraPipeline("door", settings, Topics()), Engines()
    with FrameReader("door", str(clip)) as reader:
        for _ in range(25):
            pipeline.process(reader.read(), engines)
    assert pipeline.clock.calls["tamper"] == 25
    assert pipeline.clock.calls["detect"] == 5
    assert pipeline.tamper == "no_signal"


def test_nobody_stays_in_a_picture_without_anything(config: Config, street: Path, pose_model: Path) -> None:
    assert pose_model.is_file()
    pipeline, engines = CameraPipeline("door", config.cameras["door"], Topics()), Engines()
    with FrameReader("door", str(street)) as reader:
        frames = [reader.read() for _ in range(15)]
    blue = np.full_like(frames[0].image, (200, 40, 20))
    for frame in frames:
        pipeline.process(frame, engines)
    assert pipeline.people
    detections = pipeline.clock.calls["detect"]
    for number in range(1, 16):  # every 400 ms
        at = number * 0.4
        lost = Frame("door", 15 + number, blue, frame.captured_at + at, frame.monotonic + at)
        scene = pipeline.process(lost, engines).scene
        assert not scene.confirmed
    assert pipeline.people == len(scene.people) == 0
    assert pipeline.clock.calls["detect"] == detections
