"""Runs a clip through a camera's pipeline with its media, as the daemon does, in a process of its own.

python media_run.py CONFIG CLIP STATE_DIRECTORY OUTPUT.jsonl SECONDS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from daemon.capture import EndOfStream, FrameReader
from daemon.config import load_config
from daemon.engines import Engines
from daemon.media import MediaLibrary
from daemon.messages import Message
from daemon.pipeline import CameraPipeline
from daemon.topics import Topics


def main(config_path: Path, clip: str, state: Path, output: Path, seconds: float) -> None:
    config = load_config(config_path)
    name = next(iter(config.cameras))
    topics = Topics(config.mqtt.prefix)
    library = MediaLibrary(config, topics, state)
    pipeline = CameraPipeline(name, config.cameras[name], topics, media=library.camera(name))
    engines, messages, last = Engines(), list[Message](), 0.0
    with FrameReader(name, clip, start_time=1_700_000_000.0) as reader:
        while True:
            try:
                frame = reader.read()
            except EndOfStream:
                break
            if frame.monotonic > seconds:
                break
            messages += pipeline.process(frame, engines).messages
            last = frame.captured_at
    messages += pipeline.close(last)
    library.close(30.0)
    library.prune(time.time())
    with output.open("w") as file:
        for message in messages:
            body = message.payload.hex() if isinstance(message.payload, bytes) else message.payload
            file.write(json.dumps({"topic": message.topic, "payload": body}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), float(sys.argv[5]))
