"""What health, metrics and the log cost: `python tests/benchmarks/health_cost.py [CAMERAS]`."""

from __future__ import annotations

import io
import json
import logging
import socket
import statistics
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from service_figures import camera_figures, service_figures  # noqa: E402

from daemon.config import HealthConfig  # noqa: E402
from daemon.health.answers import Answers  # noqa: E402
from daemon.health.server import HealthServer  # noqa: E402
from daemon.health.stats import stats_payload  # noqa: E402
from daemon.logs.handler import EventHandler  # noqa: E402
from daemon.logs.repeats import Repeats  # noqa: E402
from daemon.masking import Masker  # noqa: E402

ROUNDS = 50


def milliseconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median CPU time of this thread for one round."""
    taken = []
    for _ in range(rounds):
        start = time.thread_time()
        work()
        taken.append(time.thread_time() - start)
    return 1000 * statistics.median(taken)


def pages(cameras: int) -> None:
    """CPU time and size of each page; wall time of a scrape over a socket."""
    figures = service_figures(*(camera_figures(f"camera-{index}") for index in range(cameras)))
    clock = iter(range(10**9))
    answers = Answers(lambda: figures, clock=lambda: float(next(clock)))  # never the same answer twice
    print(f"{cameras} cameras")
    for path in ("/healthz", "/readyz", "/status", "/metrics"):
        size = len(answers.to(path).body)
        print(f"  {path:9} {milliseconds(lambda path=path: answers.to(path)):6.2f} ms  {size / 1000:6.1f} kB")
    size = len(json.dumps(stats_payload(figures)))
    print(f"  stats     {milliseconds(lambda: stats_payload(figures)):6.2f} ms  {size / 1000:6.1f} kB")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
    server = HealthServer(HealthConfig(port=port), lambda: figures)
    server.start()
    while not server.addresses:
        time.sleep(0.01)
    walls = []
    for _ in range(20):
        time.sleep(0.3)  # as a scraper: not the answer of a moment ago
        connection = HTTPConnection("127.0.0.1", port)
        start = time.perf_counter()
        connection.request("GET", "/metrics")
        connection.getresponse().read()
        walls.append(time.perf_counter() - start)
        connection.close()
    print(f"  a scrape over a socket: {1000 * statistics.median(walls):.1f} ms")
    server.stop()


def lines() -> None:
    """CPU time of a log line."""
    logging.raiseExceptions = False
    secrets = [f"S3cret-password-{index}!" for index in range(32)]
    for name, as_json, mask, limit in (
        ("text, no secrets", False, Masker(), 10**9),
        ("text, 32 secrets", False, Masker(secrets), 10**9),
        ("json, 32 secrets", True, Masker(secrets), 10**9),
        ("text, 32 secrets, kept back", False, Masker(secrets), 1),
    ):
        handler = EventHandler(io.StringIO(), as_json=as_json, mask=mask, repeats=Repeats(limit))
        arguments = (
            "garden",
            "auth",
            0.8,
            "rtsp://***@10.0.0.5/live: cannot be opened: refused",
        )

        def say(handler: EventHandler = handler, arguments: tuple[object, ...] = arguments) -> None:
            for _ in range(100):
                handler.handle(
                    logging.LogRecord(
                        "daemon.capture", logging.WARNING, "", 0,
                        "camera_lost camera=%s reason=%s retry_in=%.1fs error=%s", arguments, None,
                    )
                )  # fmt: skip

        print(f"  a line, {name}: {10 * milliseconds(say, 20):.1f} µs")
        handler.close()
    repeats = Repeats(10)
    keys = [("daemon.capture", "camera_lost", f"camera-{index}") for index in range(16)]

    def admit() -> None:
        for index in range(1600):
            repeats.due(float(index))
            repeats.admit(keys[index % 16], logging.WARNING, float(index))

    print(f"  the limit alone: {1000 * milliseconds(admit, 20) / 1600:.2f} µs")


if __name__ == "__main__":
    pages(int(sys.argv[1]) if len(sys.argv) > 1 else 16)
    lines()
