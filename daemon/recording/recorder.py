"""Drives a recording: frames through the daemon's own pipeline into takes, with previews beside it."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from daemon.capture import CaptureError, EndOfStream, Frame
from daemon.config import CameraConfig
from daemon.engines import Engines
from daemon.pipeline import CameraPipeline
from daemon.recording.frames import FrameFeed, open_feed
from daemon.recording.session import SOURCE_ENDED, Phase, Prominence, TakeSession, TakeSettings
from daemon.recording.takes import TakeWriter, WrittenTake
from daemon.recording.view import Preview, View
from daemon.topics import Topics

__all__ = ["RecordingResult", "record", "stop_on_signals"]

_NAME = "record"


@dataclass(slots=True)
class RecordingResult:
    """What came of a recording.

    Attributes:
        takes: what was written.
        notes: why a take is shorter than asked for, or is not there.
        interrupted: whether somebody has stopped it.
    """

    takes: list[WrittenTake] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False


def record(
    settings: CameraConfig,
    take: TakeSettings,
    writer: TakeWriter,
    *,
    takes: int = 1,
    previews: Sequence[Preview] = (),
    stopping: threading.Event | None = None,
    written: Callable[[int, list[WrittenTake], str], None] = lambda *_: None,
) -> RecordingResult:
    """Records takes, one after the other.

    Args:
        settings: the source, and how to detect, follow and read poses.
        take: what each take is to be.
        writer: where they go.
        takes: how many.
        previews: show every frame; each may ask to end.
        stopping: ends the recording when set; what the running take has is kept.
        written: told after each take: its number, what was written, and why it ended early.

    Raises:
        CaptureError: the source cannot be opened, or fails before anything was recorded.
        ModelError: a model cannot be loaded.
        OSError: a take cannot be written.
    """
    stopping = stopping or threading.Event()
    result = RecordingResult()
    with open_feed(_NAME, settings) as feed:
        run = _Run(feed, settings, previews, stopping)
        for number in range(1, takes + 1):
            session = TakeSession(take, run.prominence)
            run.take(session, writer.label, number, takes)
            found = session.results()
            done = [writer.write(one, session.frames, of_many=take.everyone) for one in found]
            result.takes += done
            note = session.early if done else session.problem()
            if note:
                result.notes.append(f"take {number}: {note}" if takes > 1 else note)
            for preview in previews:
                preview.release()
            written(number, done, note)
            if run.over:
                break
        result.interrupted = run.interrupted
        if run.error is not None and not result.takes:
            raise run.error
    return result


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGINT, SIGTERM and SIGHUP set; a second SIGINT interrupts as usual."""
    stopping = threading.Event()

    def ask(number: int, _: object) -> None:
        if stopping.is_set() and number == signal.SIGINT:
            signal.default_int_handler(number, None)
        stopping.set()

    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                stack.callback(signal.signal, number, signal.signal(number, ask))
        yield stopping


class _Run:
    """One pass over a source; the pipeline goes on from take to take, so that track numbers stay."""

    def __init__(
        self,
        feed: FrameFeed,
        settings: CameraConfig,
        previews: Sequence[Preview],
        stopping: threading.Event,
    ) -> None:
        self._feed, self._previews, self._stopping = feed, previews, stopping
        # Nothing is published and nobody is warned: no rules, no zones.
        plain = settings.model_copy(update={"rules": {}, "zones": {}, "publish_tracks": False})
        # A take has every frame of the motion.
        plain = plain.model_copy(update={"pose": settings.pose.model_copy(update={"steady_rate": 0.0})})
        self._pipeline = CameraPipeline(_NAME, plain, Topics(_NAME))
        self._engines = Engines()
        self._engines.detector(settings.detect)
        self._engines.estimator(settings.pose)
        self._times: deque[float] = deque(maxlen=31)
        self.prominence = Prominence()
        self.over = self.interrupted = False
        self.error: CaptureError | None = None

    def take(self, session: TakeSession, label: str, number: int, takes: int) -> None:
        """Runs a take to its end."""
        typed = [preview.wanted_track() for preview in self._previews]  # of the take before
        while session.phase is not Phase.DONE:
            if self._stopping.is_set() or any(preview.wants_to_end() for preview in self._previews):
                self.over = self.interrupted = True
                session.finish("stopped")
                break
            for place, preview in enumerate(self._previews):
                wanted = preview.wanted_track()
                if wanted is not None and wanted != typed[place]:
                    typed[place] = wanted
                    session.want(wanted)
            try:
                frame = self._feed.read()
            except EndOfStream:
                self._end(session, SOURCE_ENDED)
                break
            except CaptureError as error:
                self.error = error
                self._end(session, str(error))
                break
            if frame is not None:
                self._process(frame, session, label, number, takes)

    def _process(self, frame: Frame, session: TakeSession, label: str, number: int, takes: int) -> None:
        scene = self._pipeline.process(frame, self._engines).scene
        session.add(frame.index, scene)
        self._times.append(frame.monotonic)
        rate = (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-3)
        view = View.of(session, frame, scene, label=label, take=number, takes=takes, rate=rate)
        for preview in self._previews:
            preview.show(view)

    def _end(self, session: TakeSession, reason: str) -> None:
        self.over = True
        session.finish(reason)
