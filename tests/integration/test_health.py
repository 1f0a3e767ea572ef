"""Health, metrics, statistics and `posewatch status` of the real daemon, with a real camera and broker."""

from __future__ import annotations

import json
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest
from listening import Listener
from prometheus_client.parser import text_string_to_metric_families
from running import Daemon
from servers import MOSQUITTO, Broker, RtspServer, free_port, wait_for, write_clip

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
SLOW = 90.0  # seconds that a loaded machine may take


def get(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=SLOW)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def metric(port: int, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(get(port, "/metrics")[1]):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None


def status(config: Path) -> int:
    command = [sys.executable, "-m", "daemon.cli", "status", "-c", str(config)]
    return subprocess.run(command, capture_output=True, timeout=SLOW, check=False).returncode


def test_a_running_daemon_tells_how_it_is(tmp_path):
    write_clip(tmp_path / "street.mp4", seconds=30)
    port, config = free_port(), tmp_path / "posewatch.yaml"
    with RtspServer(tmp_path) as rtsp, Broker(tmp_path) as broker:
        cameras = {
            "street": {"url": rtsp.url("street.mp4"), "reconnect": {"min": "100ms", "max": "200ms"}},
            "garden": {"url": rtsp.url("nowhere.mp4"), "username": "admin", "password": "S3cret-word"},
        }
        config.write_text(
            json.dumps(
                {
                    "mqtt": {"port": broker.port},
                    "health": {"port": port},
                    "stats_interval": 1,
                    "cameras": cameras,
                }
            )
        )
        assert status(config) == 1
        with Daemon(config) as daemon, Listener(broker.port) as listener:
            wait_for(lambda: get(port, "/readyz")[0] == 200, SLOW, "ready")
            assert get(port, "/healthz") == (200, "ok\n")
            processed = "posewatch_camera_frames_processed_total"
            wait_for(lambda: (metric(port, processed, camera="street") or 0) > 10, SLOW, "frames")
            assert metric(port, "posewatch_camera_state", camera="street", state="streaming") == 1
            wait_for(
                lambda: metric(port, "posewatch_camera_fault", camera="garden", reason="not_found"), SLOW
            )
            assert "garden (not_found)" in get(port, "/readyz")[1]
            assert (
                metric(port, "posewatch_camera_stage_seconds_sum", camera="street", stage="detect") or 0
            ) > 0
            assert metric(port, "posewatch_mqtt_connected") == 1
            assert status(config) == 0
            wait_for(lambda: (listener.last("stats") or {}).get("threads"), SLOW, "statistics")
            pages = "".join(get(port, path)[1] for path in ("/status", "/metrics", "/readyz"))
            assert "S3cret" not in pages
            assert str(tmp_path) not in pages
            broker.kill()
            wait_for(lambda: metric(port, "posewatch_mqtt_connected") == 0, SLOW, "the loss of the broker")
            assert get(port, "/readyz")[0] == 200
            broker.start()
            wait_for(lambda: metric(port, "posewatch_mqtt_connected") == 1, SLOW, "the broker again")
            assert daemon.ask_to_stop()[0] == 0
        assert status(config) == 1
