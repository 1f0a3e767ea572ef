"""The figures as Prometheus metrics (text format 0.0.4); names and units follow its conventions.

https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from daemon.figures import CameraFigures, ServiceFigures
from daemon.timing import LATENCY_BUCKETS, Histogram

__all__ = ["CONTENT_TYPE", "MetricsPage"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATES = ("streaming", "connecting", "stalled", "disabled")  # each has its sample, 1 or 0
_BOUNDS = (*(repr(float(bound)) for bound in LATENCY_BUCKETS), "+Inf")


class MetricsPage:
    """Writes figures as metrics. Has a registry of its own: nothing else in the process is told."""

    def __init__(self) -> None:
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)  # process_cpu_seconds_total and others, as dashboards know

    def render(self, figures: ServiceFigures) -> bytes:
        """The page."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(figures))
        return generate_latest(registry) + generate_latest(self._process)


class _Families(Collector):
    """Metric families of one picture of the service."""

    def __init__(self, figures: ServiceFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield from _service(self._figures)
        yield from _connections(self._figures)
        cameras = self._figures.cameras
        yield from _frames(cameras)
        yield from _states(cameras)
        yield from _scenes(cameras)


def _service(figures: ServiceFigures) -> Iterator[Metric]:
    yield InfoMetricFamily("posewatch_build", "Version of posewatch.", {"version": figures.version})
    yield _gauge("start_time_seconds", "When the service started, UTC.", figures.started_at)
    yield _gauge("ready", "1 when configuration, models and workers are up.", figures.ready)
    yield _gauge("hung", "Parts that make no progress; not 0 is unhealthy.", len(figures.hung))
    yield _gauge("workers", "Frames that can be processed at the same time.", figures.workers)
    yield _gauge("workers_busy", "Workers that have a frame in hand.", figures.workers_busy)
    yield _gauge("load_ratio", "Share of the workers' time with a frame in hand, of late.", figures.load)
    if figures.process.threads is not None:
        yield _gauge("threads", "Threads of the process.", figures.process.threads)
    yield _gauge("storage_degraded", "1 while the disk fails and messages wait in memory.",
                 figures.storage_state != "ok")  # fmt: skip
    if figures.profile is not None:
        yield InfoMetricFamily("posewatch_profile", "The profile in use.", {"profile": figures.profile})
    config = figures.config
    yield _gauge("config_valid", "0 where the file was refused at the last reload.", config.state == "ok")
    yield _gauge("config_loaded_time_seconds", "When what holds now was loaded, UTC.", config.loaded_at)
    yield _counter("config_reloads", "Other configurations that were applied.", config.reloads)


def _connections(figures: ServiceFigures) -> Iterator[Metric]:
    mqtt = figures.mqtt
    yield _gauge("mqtt_enabled", "1 where anything is published.", mqtt.enabled)
    yield _gauge("mqtt_connected", "1 while the broker has accepted the connection.", mqtt.connected)
    yield _gauge("mqtt_queued_messages", "Messages that wait for the broker.", mqtt.queued)
    yield _counter("mqtt_dropped_messages", "Messages given up.", mqtt.dropped)
    yield _counter("mqtt_commands_ignored", "What came in and was no command.", mqtt.commands_ignored)


def _frames(cameras: tuple[CameraFigures, ...]) -> Iterator[Metric]:
    """Counts and times of frames."""
    for name, text, values in (
        ("frames_received", "Frames received.", [one.frames_in for one in cameras]),
        ("frames_processed", "Frames processed.", [one.frames_processed for one in cameras]),
        ("frames_dropped", "Frames that a newer one replaced.", [one.frames_dropped for one in cameras]),
        ("frames_damaged", "Frames not looked at: damaged.", [one.frames_damaged for one in cameras]),
        ("errors", "Frames whose processing failed.", [one.errors for one in cameras]),
        ("reconnects", "Connections after the first.", [one.reconnects for one in cameras]),
        ("restarts", "Times that the camera's code was started anew.", [one.restarts for one in cameras]),
    ):
        counters = CounterMetricFamily(f"posewatch_camera_{name}", text, labels=("camera",))
        for camera, count in zip(cameras, values, strict=True):
            counters.add_metric((camera.name,), count)
        yield counters
    yield _gauges("fps_received", "Frames a second received, of late.", cameras, (c.fps_in for c in cameras))
    yield _gauges("fps_processed", "Frames a second processed, of late.", cameras,
                  (c.fps_processed for c in cameras))  # fmt: skip
    latency = HistogramMetricFamily(
        "posewatch_camera_latency_seconds", "From the picture's time to its messages.", labels=("camera",)
    )
    stages = SummaryMetricFamily(
        "posewatch_camera_stage_seconds", "Time in each stage.", labels=("camera", "stage")
    )
    age = GaugeMetricFamily(
        "posewatch_camera_frame_age_seconds", "Since a frame was processed last.", labels=("camera",)
    )
    for camera in cameras:
        latency.add_metric((camera.name,), buckets(camera.latency), camera.latency.total)
        for stage, time in camera.stages.items():
            stages.add_metric((camera.name, stage), time.calls, time.seconds)
        if camera.frame_age is not None:
            age.add_metric((camera.name,), camera.frame_age)
    yield from (latency, stages, age)


def _states(cameras: tuple[CameraFigures, ...]) -> Iterator[Metric]:
    """What each camera is doing."""
    yield _gauges("enabled", "1 where it is switched on.", cameras, (c.enabled for c in cameras))
    yield _gauges("overloaded", "1 where there is too little time for its frames.", cameras,
                  (c.overloaded for c in cameras))  # fmt: skip
    yield _gauges("state_since_seconds", "When its state changed last, UTC.", cameras,
                  (c.since for c in cameras))  # fmt: skip
    state = GaugeMetricFamily(
        "posewatch_camera_state", "1 for the state it is in, 0 for the others.", labels=("camera", "state")
    )
    reason = GaugeMetricFamily(
        "posewatch_camera_fault", "1 with the reason why it gives no pictures.", labels=("camera", "reason")
    )
    tamper = GaugeMetricFamily(
        "posewatch_camera_tamper", "1 with what somebody does to it.", labels=("camera", "kind")
    )
    for camera in cameras:
        for name in dict.fromkeys((*_STATES, camera.state)):
            state.add_metric((camera.name, name), name == camera.state)
        if camera.reason is not None:
            reason.add_metric((camera.name, camera.reason), 1)
        if camera.tamper is not None:
            tamper.add_metric((camera.name, camera.tamper), 1)
    yield from (state, reason, tamper)


def _scenes(cameras: tuple[CameraFigures, ...]) -> Iterator[Metric]:
    """What each camera sees, and by which models."""
    yield _gauges("people", "People seen now.", cameras, (c.people for c in cameras))
    yield _gauges("alerts", "Rules that are ON.", cameras, (len(c.alerts) for c in cameras))
    alert = GaugeMetricFamily(
        "posewatch_camera_alert", "1 for each rule that is ON.", labels=("camera", "rule")
    )
    models = InfoMetricFamily("posewatch_model", "Models in use.", labels=("camera", "kind"))
    for camera in cameras:
        for rule in camera.alerts:
            alert.add_metric((camera.name, rule), 1)
        for kind, model in camera.models.items():
            models.add_metric((camera.name, kind), {key: str(model[key]) for key in ("name", "sha256")})
    yield from (alert, models)


def buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Upper bounds and cumulative counts, as Prometheus wants them: [("0.01", 3), ..., ("+Inf", 17)]."""
    return list(zip(_BOUNDS, map(float, accumulate(histogram.counts)), strict=True))


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"posewatch_{name}", text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"posewatch_{name}", text, value=float(value))


def _gauges(
    name: str, text: str, cameras: tuple[CameraFigures, ...], values: Iterable[float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"posewatch_camera_{name}", text, labels=("camera",))
    for camera, value in zip(cameras, values, strict=True):
        family.add_metric((camera.name,), float(value))
    return family
