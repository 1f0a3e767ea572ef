"""`posewatch replay`: the daemon's pipeline on files, faster than real time, the same result every run.

Every time in the output comes from the clip (its presentation times on top of `start_time`), none from the
machine's clock, so two runs over the same input give the same bytes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from daemon.annotate import annotate
from daemon.capture import EndOfStream, Frame, FrameReader
from daemon.config import CameraConfig, Config
from daemon.config.rules import LineCrossingRule, rules_of
from daemon.engines import Engines
from daemon.errors import UsageError
from daemon.expectations import RaisedAlert
from daemon.landmark_log import LandmarkLog
from daemon.media.privacy import PrivacyMasks
from daemon.messages import Message
from daemon.pipeline import CameraPipeline, FrameResult
from daemon.providers import session_pool
from daemon.scene import Scene
from daemon.timing import StageClock
from daemon.topics import Topics
from daemon.video_writer import VideoWriter
from tracker.association import TrackState

__all__ = ["ReplayOutputs", "ReplaySummary", "pick_camera", "pick_profile", "replay"]


@dataclass(frozen=True, slots=True)
class ReplayOutputs:
    """Where to write what; None leaves it out. With several clips `tracks` and `annotate` name folders."""

    events: str | None = None
    tracks: Path | None = None
    landmarks: Path | None = None
    annotate: Path | None = None


@dataclass(slots=True)
class ReplaySummary:
    """What a replay saw."""

    clips: int = 0
    frames: int = 0
    seconds: float = 0.0
    people: set[str] = field(default_factory=set)
    events: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    alerts: list[RaisedAlert] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def frames_per_second(self) -> float:
        """Whole pipeline, reading and writing included."""
        return self.frames / self.seconds if self.seconds else 0.0


def replay(
    clips: Sequence[Path],
    config: Config,
    outputs: ReplayOutputs,
    *,
    camera: str | None = None,
    profile: str | None = None,
    start_time: float = 0.0,
    max_seconds: float | None = None,
    progress: Callable[[str, int], None] = lambda *_: None,
) -> ReplaySummary:
    """Runs every clip through a fresh pipeline with the settings of one camera of the configuration.

    Args:
        clips: video files, each taken from its first frame to its last.
        config: the configuration.
        outputs: files to write.
        camera: whose settings to use; the first camera of the configuration by default.
        profile: in which to run; the first one of the configuration by default.
        start_time: UTC epoch seconds of the first clip's first frame; each next clip starts a second after
            the end of the one before, so that ids stay unique.
        max_seconds: only this much of each clip.
        progress: called with the clip's name and the frames done so far.

    Raises:
        UsageError: no such camera or profile, or outputs that cannot be.
        CaptureError: a clip cannot be opened or decoded.
        ModelError: a model cannot be loaded.
        OSError: an output cannot be written.
    """
    name, settings = pick_camera(config, camera)
    profile = pick_profile(config, profile)
    several = len(clips) > 1
    _prepare(clips, outputs)
    engines = Engines(session_pool(config.performance))
    clock, summary = StageClock(), ReplaySummary()
    topics = Topics(config.mqtt.prefix)
    started = time.perf_counter()
    with ExitStack() as stack:
        events = _TextOutput.open(outputs.events, stack)
        for clip in clips:
            pipeline = CameraPipeline(name, settings, topics, clock=clock, profile=profile)
            run = _ClipRun(clip, name, settings, pipeline, outputs, events, summary, several)
            start_time = run.run(engines, start_time, max_seconds, progress) + 1.0
            summary.clips += 1
    summary.seconds = time.perf_counter() - started
    summary.stages = clock.milliseconds()
    return summary


def _prepare(clips: Sequence[Path], outputs: ReplayOutputs) -> None:
    """Makes the folders of the outputs, so that a wrong path ends the replay before the work."""
    several = len(clips) > 1
    names = [clip.stem for clip in clips]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None and (outputs.tracks or outputs.annotate or outputs.landmarks):
        raise UsageError(f"two clips are called {twice}: their outputs would replace each other, rename one")
    for target in (outputs.tracks, outputs.annotate):
        if target is None or (str(target) == "-" and not several):
            continue
        if several and (target.suffix or str(target) == "-"):
            raise UsageError(f"{target}: with several clips this must be a folder")
        if not several and target.is_dir():
            raise UsageError(f"{target}: is a folder: name a file in it")
        (target if several else target.parent).mkdir(parents=True, exist_ok=True)
    if outputs.events is not None and outputs.events != "-":
        Path(outputs.events).parent.mkdir(parents=True, exist_ok=True)


def pick_camera(config: Config, camera: str | None) -> tuple[str, CameraConfig]:
    """Name and settings of a camera; of the first one where none is named.

    Raises:
        UsageError: the configuration has no such camera.
    """
    if camera is None:
        camera = next(iter(config.cameras))
    if camera not in config.cameras:
        raise UsageError(f"--camera {camera}: not in the configuration; it has {', '.join(config.cameras)}")
    return camera, config.cameras[camera]


def pick_profile(config: Config, profile: str | None) -> str | None:
    """The profile to run in: the first one of the configuration where none is named; None where it has none.

    Raises:
        UsageError: the configuration has no such profile.
    """
    if profile is None:
        return next(iter(config.profiles), None)
    if profile not in config.profiles:
        names = ", ".join(config.profiles) or "none"
        raise UsageError(f"--profile {profile}: not in the configuration, whose profiles are: {names}")
    return profile


class _TextOutput:
    """A text file that appears whole under its name, or standard output for "-"."""

    def __init__(self, stream: IO[str], temporary: Path | None, final: Path | None) -> None:
        self._stream, self._temporary, self._final = stream, temporary, final

    @classmethod
    def open(cls, target: str | Path | None, stack: ExitStack) -> _TextOutput | None:
        if target is None:
            return None
        if str(target) == "-":
            return cls(sys.stdout, None, None)
        final = Path(target)
        temporary = final.with_name(f".{final.name}.part")
        output = cls(temporary.open("w", encoding="utf-8"), temporary, final)
        stack.push(output._finish)
        return output

    def line(self, text: str) -> None:
        self._stream.write(text + "\n")

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._temporary is None or self._final is None:
            return
        self._stream.close()
        if kind is None:
            self._temporary.replace(self._final)
        else:
            self._temporary.unlink(missing_ok=True)


class _ClipRun:
    """One clip through one pipeline, with its outputs."""

    def __init__(
        self,
        clip: Path,
        camera: str,
        settings: CameraConfig,
        pipeline: CameraPipeline,
        outputs: ReplayOutputs,
        events: _TextOutput | None,
        summary: ReplaySummary,
        several: bool,
    ) -> None:
        self._clip, self._camera, self._settings = clip, camera, settings
        self._pipeline, self._outputs, self._events, self._summary = pipeline, outputs, events, summary
        self._several = several
        rules = rules_of(camera, settings.rules, settings.zones)
        self._lines = {name: rule for name, rule in rules.items() if isinstance(rule, LineCrossingRule)}
        self._masks = PrivacyMasks(settings.privacy_masks)
        self._begin = 0.0  # UTC epoch seconds of the first frame

    def run(
        self,
        engines: Engines,
        start_time: float,
        max_seconds: float | None,
        progress: Callable[[str, int], None],
    ) -> float:
        """Returns the time of the last frame."""
        clock, frames, now = self._pipeline.clock, 0, start_time
        with ExitStack() as stack:
            reader = FrameReader(self._camera, str(self._clip), start_time=start_time)
            stack.callback(reader.close)
            tracks = _TextOutput.open(self._named(self._outputs.tracks, ".txt"), stack)
            video = self._video(reader, stack)
            landmarks = LandmarkLog(self._outputs.landmarks, self._clip, reader.rate, stack)
            self._begin = start_time
            self._report(self._pipeline.initial_messages(), start_time)
            while True:
                try:
                    with clock.stage("read"):
                        frame = reader.read()
                except EndOfStream:
                    break
                if max_seconds is not None and frame.captured_at - start_time >= max_seconds:
                    break
                result = self._pipeline.process(frame, engines)
                frames, now = frames + 1, frame.captured_at
                self._report(result.messages, now)
                self._write(frame, result, tracks, video, landmarks)
                progress(self._clip.name, frames)
            self._report(self._pipeline.close(now), now)
        self._summary.frames += frames
        return now

    def _named(self, target: Path | None, suffix: str) -> Path | None:
        return target / (self._clip.stem + suffix) if target is not None and self._several else target

    def _video(self, reader: FrameReader, stack: ExitStack) -> VideoWriter | None:
        path = self._named(self._outputs.annotate, ".mp4")
        return None if path is None else stack.enter_context(VideoWriter(path, reader.rate))

    def _report(self, messages: Sequence[Message], now: float) -> None:
        for message in messages:
            self._count(message, now)
            if self._events is not None:
                payload = message.payload
                if isinstance(payload, bytes):
                    payload = f"<{len(payload)} bytes>"
                row = {"topic": message.topic, "payload": payload, "t": round(now, 3)}
                self._events.line(json.dumps(row, ensure_ascii=False, separators=(",", ":")))

    def _count(self, message: Message, now: float) -> None:
        payload, summary = message.payload, self._summary
        if not isinstance(payload, dict):
            return
        kind, last = payload.get("type"), message.topic.rsplit("/", 1)[-1]
        if last == "events":
            summary.events += 1
        elif last == "actions" and kind == "start":
            action = str(payload["action"])
            summary.actions[action] = summary.actions.get(action, 0) + 1
        elif last == "alerts" and kind == "raised":
            alert = RaisedAlert(
                clip=self._clip.name,
                rule=str(payload["rule"]),
                at=round(now - self._begin, 3),
                zones=tuple(payload["zones"]),
                score=float(payload["score"]),
                id=str(payload["id"]),
            )
            summary.alerts.append(alert)

    def _write(
        self,
        frame: Frame,
        result: FrameResult,
        tracks: _TextOutput | None,
        video: VideoWriter | None,
        landmarks: LandmarkLog,
    ) -> None:
        scene = result.scene
        self._summary.people.update(
            person.track.id for person in scene.people if person.track.state is TrackState.CONFIRMED
        )
        if tracks is not None:
            for row in _mot_rows(scene, frame.index + 1):
                tracks.line(row)
        landmarks.write(frame.index, scene)
        if video is not None:
            with self._pipeline.clock.stage("annotate"):
                drawn = annotate(
                    frame.image,
                    scene,
                    {name: zone.points for name, zone in self._settings.zones.items()},
                    self._pipeline.active_alerts,
                    masks={name: mask.points for name, mask in self._settings.masks.items()},
                    lines=self._lines,
                    tamper=self._pipeline.tamper,
                )
                video.write(self._masks.cover(drawn))


def _mot_rows(scene: Scene, number: int) -> list[str]:
    """MOT Challenge rows of the people who are confirmed and seen in this frame."""
    rows = []
    for person in scene.people:
        track = person.track
        if track.state is TrackState.CONFIRMED and track.last_monotonic == scene.monotonic:
            left, top, right, bottom = (float(value) for value in track.box)
            rows.append(
                f"{number},{track.number},{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f},"
                f"{track.score:.3f},-1,-1,-1"
            )
    return rows
