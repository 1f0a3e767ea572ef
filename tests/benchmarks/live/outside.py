"""Somebody outside: subscribes to everything and notes when each frame's message came."""

from __future__ import annotations

import re
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

__all__ = ["Outside", "Percentiles", "percentiles", "since_sent"]

_TIME = re.compile(rb'"time":([0-9.]+)')

Percentiles = dict[str, float | None]
"""{"p50", "p95", "max"} in milliseconds."""


class Outside:
    """A client of the broker. All times are UTC epoch seconds of the clock that everybody here has.

    Attributes:
        frames: by camera: (time of the frame as its message says, when the message came, people in it).
        first: when the first message of each kind (events, tracks, alerts, ...) came.
        stats: payloads of `posewatch/stats`.
    """

    def __init__(self, port: int) -> None:
        self.frames: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
        self.first: dict[str, float] = {}
        self.stats: list[bytes] = []
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._take
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Outside:
        self._client.loop_start()
        self._client.subscribe("posewatch/#", 1)
        if not self._subscribed.wait(20):
            raise TimeoutError("the broker does not answer")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        now = time.time()
        levels = message.topic.split("/")
        kind = levels[-1]
        self.first.setdefault(kind, now)
        if kind == "tracks":
            found = _TIME.search(message.payload)
            if found is not None:
                people = message.payload.count(b'"id":')
                self.frames[levels[-2]].append((float(found[1]), now, people))
        elif kind == "stats":
            self.stats.append(message.payload)


def percentiles(seconds: Iterable[float]) -> Percentiles:
    """Of durations in seconds; None where there are none."""
    values = np.asarray(list(seconds)) * 1000.0
    if not len(values):
        return {"p50": None, "p95": None, "max": None}
    p50, p95 = np.percentile(values, (50, 95))
    return {
        "p50": round(float(p50), 1), "p95": round(float(p95), 1), "max": round(float(values.max()), 1)
    }  # fmt: skip


def since_sent(
    frames: Sequence[tuple[float, float, int]], sent: Sequence[float], period: float
) -> list[float]:
    """Seconds from the moment at which the camera sent each frame to its message.

    A frame's time is when it arrived without the network's jitter, so the picture is the one that was sent
    last before it; it may be told up to a tenth of a period too early.

    Args:
        frames: as in `Outside`.
        sent: when pictures were sent, in order, UTC epoch seconds.
        period: between two of them.
    """
    found = []
    for taken, came, _ in frames:
        place = bisect_left(sent, taken + 0.1 * period) - 1
        if place >= 0 and taken - sent[place] < 2.0 * period:
            found.append(came - sent[place])
    return found
