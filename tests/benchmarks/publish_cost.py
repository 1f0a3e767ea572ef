"""What `Publisher.publish` costs a frame's worker, with the store on a real disk.

python tests/benchmarks/publish_cost.py [--folder DIR]        DIR is on the disk to measure
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from daemon.config.mqtt import MqttConfig
from daemon.messages import Message
from daemon.mqtt import Publisher
from daemon.storage import Store

_ROUNDS = 2000


def event(number: int, people: int) -> list[Message]:
    after: dict[str, Any] = {
        "camera": "door", "start_time": 1.0, "end_time": None, "box": [0.1, 0.2, 0.3, 0.4], "zones": ["lawn"],
        "entered_zones": ["lawn"], "action": "walking", "action_score": 0.9, "actions": ["walking"],
        "pose_score": 0.9, "state": "confirmed", "stationary": False, "speed": 1.0, "quality": 0.8,
    }  # fmt: skip
    return [
        Message(
            "posewatch/door/events",
            {"type": "update", "seq": number, "reason": None, "before": after | {"id": f"1-door-{person}"},
             "after": after | {"id": f"1-door-{person}"}},
            qos=1,
        )
        for person in range(people)
    ]  # fmt: skip


def alert(number: int, image: int) -> list[Message]:
    payload = {
        "type": "raised", "id": f"1-door-{number}", "seq": 0, "rule": "fall", "camera": "door", "score": 0.8,
        "start_time": 1.0, "end_time": None, "reason": None, "evidence": {"scores": [[0.1, 0.8]] * 32},
    }  # fmt: skip
    messages = [Message("posewatch/door/alerts", payload, qos=1)]
    if image:
        messages.insert(0, Message("posewatch/door/snapshot/fall", b"\xff" * image, qos=1, expendable=True))
    return [*messages, Message("posewatch/door/alert/fall", "ON", 1, True)]


def measure(folder: Path, name: str, make: Any, rounds: int = _ROUNDS) -> None:
    store = Store(folder / name.replace(" ", "_"))
    publisher = Publisher(MqttConfig(), store)
    times = []
    stop = threading.Event()

    def keep() -> None:  # as the daemon does, only more often
        while not stop.wait(0.05):
            store.tidy()

    keeper = threading.Thread(target=keep)
    keeper.start()
    for number in range(rounds):
        messages = make(number)
        start = time.perf_counter()
        publisher.publish(messages)
        times.append((time.perf_counter() - start) * 1000)
        stop.wait(0.002)
    median, late, worst = np.percentile(times, [50, 99, 100])
    print(f"| {name} | {median:.2f} | {late:.2f} | {worst:.2f} |", flush=True)
    stop.set()
    keeper.join()
    store.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="on the disk to measure (default: the temporary folder)")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as name:
        folder = Path(name)
        print("| messages of a frame | median ms | p99 ms | worst ms |\n|---|---:|---:|---:|")
        measure(folder, "none", lambda _: [])
        measure(folder, "one update", lambda number: event(number, 1))
        measure(folder, "five updates", lambda number: event(number, 5))
        measure(folder, "an alert", lambda number: alert(number, 0), 300)
        measure(folder, "an alert with a picture of 60 kB", lambda number: alert(number, 60_000), 300)
    return 0


if __name__ == "__main__":
    sys.exit(main())
