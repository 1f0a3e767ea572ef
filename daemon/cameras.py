"""The cameras of the service and the workers that process their frames; each one's failures end at it."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from daemon import reports
from daemon.capture import CameraStatus, Frame
from daemon.channel import Channel, Successor
from daemon.deadline import Deadline
from daemon.engines import Engines
from daemon.media.complaints import Complaints
from daemon.messages import Message
from daemon.reasons import EndReason
from daemon.scheduler import Scheduler
from daemon.timing import RateMeter
from daemon.topics import Topics

__all__ = ["BusyError", "Cameras", "awaited", "held"]

_log = logging.getLogger(__name__)
_PATIENCE = 5.0  # seconds to wait for the frame that is in hand
_LEAVING = 1.0  # seconds for streams to end politely


class BusyError(Exception):
    """A camera's frame is in hand for too long."""


@contextlib.contextmanager
def awaited(channels: Iterable[Channel]) -> Iterator[None]:
    """No worker begins another frame of these cameras. One thread at a time does that.

    A lock is not fair: where frame follows frame, who waits for it may never get it.
    """
    channels = list(channels)
    for channel in channels:
        channel.awaited = True
    try:
        yield
    finally:
        for channel in channels:
            channel.awaited = False


@contextlib.contextmanager
def held(channel: Channel, seconds: float = _PATIENCE) -> Iterator[None]:
    """Holds the lock of a camera; while it is `awaited`.

    Raises:
        BusyError: somebody else does for longer than this.
    """
    if not channel.lock.acquire(timeout=seconds):
        raise BusyError(f"camera {channel.name}: its frame has been in hand for more than {seconds:.0f} s")
    try:
        yield
    finally:
        channel.lock.release()


class Cameras:
    """Runs the cameras: starts and stops them, and looks after what dies or fails.

    Args:
        channels: of the configuration, in its order.
        engines: the models, one set a worker.
        publish: hands messages to the broker.
        topics: where messages go.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        engines: Sequence[Engines],
        publish: Callable[[list[Message]], None],
        topics: Topics,
    ) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._publish, self.topics = publish, topics
        self._complaints = Complaints(_log)
        self._running = self._overloaded = False
        self._load = RateMeter()  # microseconds in which workers are busy
        self.scheduler: Scheduler[Channel, Frame, Engines] = Scheduler(channels, engines, self._work)

    def __iter__(self) -> Iterator[Channel]:
        return iter(list(self._channels.values()))

    def __getitem__(self, name: str) -> Channel:
        return self._channels[name]

    @property
    def load(self) -> float:
        """Share of the workers' time with a frame in hand, over the last ten seconds."""
        return round(min(1.0, self._load.rate / 1e6 / max(1, self.scheduler.workers)), 2)

    def start(self) -> None:
        """Starts the workers and every camera that is switched on."""
        self._running = True
        self.scheduler.start()
        for channel in self:
            self._connect(channel)

    def look_after(self) -> None:
        """What is to be done now and then: for cameras that are away, that fail, whose threads died."""
        now = time.monotonic()
        for channel in self:
            try:
                self._look_after(channel, now)
            except Exception as error:
                self._complaints.say("camera_not_looked_after", channel.name, error)
        self._load.add(int(1e6 * self.scheduler.busy_seconds), now)
        self._look_at_the_load()
        for worker in self.scheduler.revive():
            _log.error("worker_died worker=%s; started anew", worker)

    def add(self, channel: Channel) -> None:
        """Begins to watch one more camera."""
        self._channels[channel.name] = channel
        self._publish(channel.pipeline.initial_messages())
        self.scheduler.add(channel)
        self._connect(channel)

    def remove(self, name: str) -> None:
        """Ends a camera and whatever is open of it. The caller holds its lock."""
        channel = self._channels.pop(name)
        self._disconnect(channel)
        self.scheduler.remove(name)
        with channel.telling:
            channel.closed = True
        self._publish(channel.close(EndReason.CONFIG))

    def change(self, name: str, successor: Successor, restore: Callable[[Channel], None]) -> None:
        """Lets a camera go on under other settings; what is open ends. The caller holds its lock.

        Args:
            name: of the camera.
            successor: what it goes on with.
            restore: sets its switches as they were left.
        """
        channel = self._channels[name]
        if successor.camera is not None:
            self._disconnect(channel)
        self._publish(channel.go_on_with(successor))
        restore(channel)
        self._publish(channel.pipeline.initial_messages())
        if successor.camera is not None:
            self._connect(channel)
        self.tell(channel)

    def sort(self, names: Sequence[str]) -> None:
        """Puts the cameras into this order."""
        self._channels = {name: self._channels[name] for name in names}

    def switch(self, channel: Channel, on: bool) -> None:
        """Switches a camera on or off.

        Raises:
            BusyError: its frame is in hand for too long; nothing was changed.
        """
        if on == channel.enabled or not self._running:
            return
        if on:
            channel.enabled = True
            channel.camera.start()
            return
        with awaited([channel]), held(channel):
            channel.enabled = False
            channel.camera.stop()
            self._publish(channel.end(EndReason.SWITCHED_OFF))

    def leave(self, deadline: Deadline) -> None:
        """Stops every stream at once, then the workers."""
        self._running = False
        for channel in self:
            channel.camera.on_status = channel.camera.on_frame = None
            channel.camera.stop(timeout=0.0)
        polite = Deadline(deadline.left(_LEAVING))
        for channel in self:
            channel.camera.stop(timeout=polite.left())
        if not self.scheduler.stop(deadline.left(2.0)):
            _log.error("worker_left_behind; its frame has been in hand for too long")

    def close(self) -> None:
        """Ends whatever is open, also where a worker hangs with a frame."""
        for channel in self:
            free = channel.lock.acquire(timeout=0.05)
            with channel.telling:
                channel.closed = True
            try:
                close = channel.close if free else channel.close_as_told
                self._publish(close(EndReason.SHUTDOWN))
            except Exception as error:
                self._complaints.say("not_closed", channel.name, error)
            finally:
                if free:
                    channel.lock.release()

    def _connect(self, channel: Channel) -> None:
        camera = channel.camera
        camera.on_frame = lambda: self.scheduler.wake(channel.name)
        camera.on_status = lambda _name, _status: self.tell(channel)
        if channel.enabled:
            camera.start()
        else:
            self.tell(channel)

    def _disconnect(self, channel: Channel) -> None:
        """Lets go of a stream; its thread ends as soon as the camera lets it."""
        channel.camera.on_status = channel.camera.on_frame = None
        channel.camera.stop(timeout=0.0)

    def _work(self, channel: Channel, frame: Frame, engines: Engines) -> None:
        with channel.lock:
            if not channel.enabled or channel.closed:
                return  # switched off or removed while this frame waited
            failed = channel.failed
            messages = channel.process(frame, engines)
            with channel.telling:
                if channel.closed:
                    return  # it has ended without this frame, which took too long
                self._publish(messages)
        channel.latency.add(time.monotonic() - frame.monotonic)
        if channel.failed != failed:
            self.tell(channel)

    def _look_after(self, channel: Channel, now: float) -> None:
        """A camera that is away sees nobody: no count and no alert may stay as it was."""
        overloaded = channel.load.overloaded
        channel.sample(now)
        if channel.load.overloaded != overloaded:
            self.tell(channel)
        if channel.camera.has_died:
            channel.restarts += 1
            _log.error("capture_died camera=%s; started anew", channel.name)
            channel.camera.start()
        if not (channel.gone or channel.is_broken) or not channel.lock.acquire(blocking=False):
            return  # or a worker has its frame, and may be about to see somebody again
        try:
            if channel.gone:
                self._publish(channel.end(EndReason.CAMERA_LOST))
            if channel.is_broken:
                self._publish(channel.start_anew())
        finally:
            channel.lock.release()
        self.tell(channel, again=False)

    def _look_at_the_load(self) -> None:
        """One line where there is too little time for the cameras, and one where there is enough again."""
        names = [channel.name for channel in self if channel.load.overloaded]
        if bool(names) == self._overloaded:
            return
        self._overloaded = bool(names)
        if not names:
            _log.info("overload_over load=%.2f", self.load)
            return
        shares = [one.load.share for one in self if one.load.share is not None]
        _log.warning(
            "overloaded cameras=%s processed=%.0f%% load=%.2f workers=%d; the newest frame of each camera in "
            "turn is looked at, others are dropped: lower `fps`, take fewer cameras or more cores",
            ",".join(names), 100.0 * min(shares, default=0.0), self.load, self.scheduler.workers,
        )  # fmt: skip

    def tell(self, channel: Channel, *, again: bool = True) -> None:
        """Says how a camera is; not `again` where nothing but its rate can have changed."""
        with channel.telling:  # two threads may have something to tell: the later state is the last one said
            if channel.closed:
                return
            status: CameraStatus = channel.status
            now = (status.state, status.reason, status.overloaded)
            if not again and now == channel.told:
                return
            level = logging.DEBUG if now == channel.told else logging.INFO  # its rate only
            channel.told = now
            reason = status.reason.value if status.reason else None
            _log.log(
                level,
                "camera_state camera=%s state=%s reason=%s fps=%s overloaded=%s",
                channel.name, status.state.value, reason, status.fps, "yes" if status.overloaded else "no",
            )  # fmt: skip
            self._publish([reports.camera_status(self.topics, channel.name, status)])
