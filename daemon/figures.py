"""How the service is, in figures: one picture of it at one moment, for statistics, metrics and health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from daemon.timing import Histogram

__all__ = [
    "CameraFigures",
    "ConfigFigures",
    "MqttFigures",
    "ProcessFigures",
    "ServiceFigures",
    "StageFigures",
]


@dataclass(frozen=True, slots=True)
class StageFigures:
    """Time in one stage since the camera was added.

    Attributes:
        seconds: sum.
        calls: how often it ran.
    """

    seconds: float
    calls: int


@dataclass(frozen=True, slots=True)
class CameraFigures:
    """One camera. Counts are since it was added to the configuration of this process; they never go back.

    Attributes:
        name: in the configuration.
        enabled: whether it is switched on.
        state: what it is doing, as in its status topic.
        reason: why it gives no pictures; None while it does.
        since: UTC epoch seconds of the last change of state.
        tamper: what somebody does to it, as in its tamper topic; None where nothing or not known.
        overloaded: whether there is no time for many of its frames.
        fps_in: frames a second received, over the last ten seconds.
        fps_processed: frames a second processed, likewise.
        frames_in: frames received.
        frames_processed: frames processed.
        frames_dropped: frames that a newer one replaced, or that there was no time to decode.
        frames_damaged: frames that were not looked at because the stream was damaged.
        reconnects: connections after the first one.
        errors: frames whose processing failed.
        restarts: how often the camera's code was started anew after it had failed.
        latency: from the picture's time to its messages, in seconds, of every frame since the start.
        latency_ms: {"p50", "p95"} of the last frames in milliseconds; None before the first.
        stages: by name, such as detect, pose, action.
        people: confirmed tracks now.
        alerts: names of the rules that are ON.
        models: name and short sha256 by kind: detector, pose, actions, fights.
        frame_age: seconds since a frame was processed last; None before the first.
    """

    name: str
    enabled: bool
    state: str
    reason: str | None
    since: float
    tamper: str | None
    overloaded: bool
    fps_in: float
    fps_processed: float
    frames_in: int
    frames_processed: int
    frames_dropped: int
    frames_damaged: int
    reconnects: int
    errors: int
    restarts: int
    latency: Histogram
    latency_ms: Mapping[str, float | None]
    stages: Mapping[str, StageFigures]
    people: int
    alerts: tuple[str, ...]
    models: Mapping[str, Mapping[str, str]]
    frame_age: float | None


@dataclass(frozen=True, slots=True)
class MqttFigures:
    """The broker.

    Attributes:
        enabled: whether anything is published at all.
        connected: whether the broker has accepted the connection.
        queued: messages that wait for it.
        dropped: messages given up since the start.
        commands_ignored: what came in and was no command.
    """

    enabled: bool
    connected: bool
    queued: int
    dropped: int
    commands_ignored: int


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """The process.

    Attributes:
        cpu: cores in use since the last report: 1.0 is one whole core.
        rss: resident memory in bytes; None if unknown.
        threads: how many; None if unknown.
        files: open file descriptors; None if unknown.
    """

    cpu: float
    rss: int | None
    threads: int | None
    files: int | None


@dataclass(frozen=True, slots=True)
class ConfigFigures:
    """The configuration.

    Attributes:
        state: `ok`, or `invalid` where the file was refused at the last reload and the former one holds.
        error: one line that says what is wrong with the file; None where it is ok.
        loaded_at: UTC epoch seconds when what holds now was loaded.
        reloads: how often another one was applied.
    """

    state: str
    error: str | None
    loaded_at: float
    reloads: int


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """The whole service.

    Attributes:
        version: of posewatch.
        started_at: UTC epoch seconds.
        ready: whether configuration, models and workers are up; cameras and broker may be down.
        hung: what makes no progress, such as `worker-1`; empty where all is well.
        workers: number of workers.
        workers_busy: that have a frame in hand now.
        load: share of the workers' time with a frame in hand of late, 0..1; near 1 no further camera fits.
        storage_state: `ok` or `degraded`.
        storage_reason: what the disk says; None where it is ok.
        profile: in use; None where the configuration has none.
        config: the configuration.
        mqtt: the broker.
        process: this process.
        cameras: in the order of the configuration.
        providers: what runs the models of the first camera, by kind, such as `cpu`.
    """

    version: str
    started_at: float
    ready: bool
    hung: tuple[str, ...]
    workers: int
    workers_busy: int
    load: float
    storage_state: str
    storage_reason: str | None
    profile: str | None
    config: ConfigFigures
    mqtt: MqttFigures
    process: ProcessFigures
    cameras: tuple[CameraFigures, ...] = field(default_factory=tuple)
    providers: Mapping[str, str] = field(default_factory=dict)

    @property
    def overloaded(self) -> tuple[str, ...]:
        """Names of the cameras for whose frames there is too little time."""
        return tuple(camera.name for camera in self.cameras if camera.overloaded)
