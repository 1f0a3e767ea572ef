"""Draws and writes clips in a thread of its own, so that nothing waits for a disk or an encoder."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from daemon.config.zones import Zone
from daemon.media.backdrop import blank, paint_patches
from daemon.media.complaints import Complaints
from daemon.media.moments import Moment
from daemon.media.picture import Caption, draw_picture
from daemon.media.privacy import PrivacyMasks
from daemon.media.store import MediaStore
from daemon.media.subject import Subject
from daemon.video_writer import VideoWriter

__all__ = ["ClipOrder", "ClipRecorder"]

_log = logging.getLogger(__name__)
_MODE = 0o600
_NICENESS = 5  # of the thread: frames that wait to be looked at go first


@dataclass(frozen=True, slots=True, eq=False)
class ClipOrder:
    """A clip that is to be made.

    Attributes:
        camera: name.
        alert: id of the alert that it is named after.
        size: width and height in px, both even.
        fps: frames a second, about.
        patches: of the blurred scene behind it; None for a blank one, or where the moments have pictures.
        zones: of the camera.
        masks: the camera's privacy masks.
    """

    camera: str
    alert: str
    size: tuple[int, int]
    fps: float
    patches: NDArray[np.uint8] | None
    zones: Mapping[str, Zone]
    masks: PrivacyMasks


@dataclass(frozen=True, slots=True)
class _Step:
    """A frame for a clip, or its end where there is no moment."""

    order: ClipOrder
    moment: Moment | None = None
    subjects: tuple[Subject, ...] = ()
    named: tuple[Subject, ...] = ()

    @property
    def size(self) -> int:
        return 0 if self.moment is None else self.moment.size


class ClipRecorder:
    """Makes the clips of every camera, some at a time.

    Nothing here blocks or raises: where the thread cannot keep up, frames are left out; a clip that fails is
    thrown away and said so in the log.

    Args:
        store: where clips go.
        most: clips at a time.
        max_waiting: bytes of frames that may wait to be drawn.
    """

    def __init__(self, store: MediaStore, *, most: int = 4, max_waiting: int = 128_000_000) -> None:
        self._store, self._most, self._max_waiting = store, most, max_waiting
        self._complaints = Complaints(_log)
        self._changed = threading.Condition()
        self._steps: deque[_Step] = deque()
        self._waiting = 0
        self._open: set[ClipOrder] = set()
        self._thread: threading.Thread | None = None
        self._closing_at: float | None = None  # monotonic seconds from which frames are left out

    @property
    def open_clips(self) -> int:
        """Clips that have begun and are not whole yet."""
        with self._changed:
            return len(self._open)

    def begin(self, order: ClipOrder) -> str | None:
        """Begins a clip; `add` its frames, then `end` it.

        Returns:
            The path from the state directory that the file will have, or None where there will be none.
        """
        with self._changed:
            if self._closing_at is not None:
                return None
            too_many = len(self._open) >= self._most
        if too_many:
            self._complaints.say("clip_left_out", order.camera, f"{self._most} clips are being made already")
            return None
        path = self._store.clip_path(order.camera, order.alert)
        if path is None:
            return None
        with self._changed:
            self._open.add(order)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="clips", daemon=True)
                self._thread.start()
        return self._store.clip_name(path)

    def add(
        self, order: ClipOrder, moment: Moment, subjects: Sequence[Subject], named: Sequence[Subject]
    ) -> None:
        """Adds a frame.

        Args:
            order: the clip.
            moment: the frame.
            subjects: whom to show up in it.
            named: alerts whose rules are named in it, those that are raised by then.
        """
        step = _Step(order, moment, tuple(subjects), tuple(named))
        with self._changed:
            if self._waiting + step.size <= self._max_waiting:
                self._push(step)
                return
        self._complaints.say("clip_frame_left_out", order.camera, "frames come faster than they are written")

    def end(self, order: ClipOrder) -> None:
        """The clip has all its frames: it is finished as soon as they are written."""
        with self._changed:
            self._push(_Step(order))

    def close(self, timeout: float = 5.0) -> None:
        """Finishes every clip that has begun, within about `timeout` seconds: then frames are left out."""
        with self._changed:
            self._closing_at = time.monotonic() + 0.6 * timeout
            thread = self._thread
            self._changed.notify()
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                self._complaints.say("clips_not_finished", "-", f"not within {timeout:g} s")

    def _push(self, step: _Step) -> None:
        self._steps.append(step)
        self._waiting += step.size
        self._changed.notify()

    def _next(self) -> _Step | None:
        """What to do next; None at the end."""
        with self._changed:
            while not self._steps:
                if self._closing_at is not None:
                    return None
                self._changed.wait()
            step = self._steps.popleft()
            self._waiting -= step.size
            return step

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)  # of this thread alone
        clips: dict[ClipOrder, _Clip] = {}
        while (step := self._next()) is not None:
            late = self._closing_at is not None and time.monotonic() > self._closing_at
            if step.moment is None:
                self._finish(step.order, clips.pop(step.order, None))
            elif not late:
                try:
                    if step.order not in clips:
                        clips[step.order] = _Clip(step.order, self._store)
                    clips[step.order].write(step.moment, step.subjects, step.named)
                except Exception as error:  # a clip never touches anything else
                    self._complaints.say("clip_failed", step.order.camera, error)
                    if step.order in clips:
                        clips[step.order].give_up()
        for order in list(self._open):
            self._finish(order, clips.pop(order, None))

    def _finish(self, order: ClipOrder, clip: _Clip | None) -> None:
        try:
            if clip is not None:
                clip.close()
        except Exception as error:
            self._complaints.say("clip_failed", order.camera, error)
        finally:
            with self._changed:
                self._open.discard(order)


class _Clip:
    """A clip that is being written.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, order: ClipOrder, store: MediaStore) -> None:
        self._order, self._store = order, store
        path = store.clip_path(order.camera, order.alert)
        if path is None:
            raise OSError("no folder for clips")
        self._path = path
        self._writer: VideoWriter | None = VideoWriter(path, order.fps, threads=1, mode=_MODE)
        self._first: float | None = None
        self._ground = blank(order.size)
        if order.patches is not None:
            self._ground = paint_patches(order.patches, order.masks, order.size)

    def write(self, moment: Moment, subjects: Sequence[Subject], named: Sequence[Subject]) -> None:
        """Draws and adds a frame; none after it was given up."""
        if self._writer is None:
            return
        scene, order = moment.scene, self._order
        canvas = self._ground.copy() if moment.jpeg is None else _decode(moment.jpeg, order.size)
        caption = Caption(order.camera, scene.captured_at, named, steady=True)
        draw_picture(canvas, scene, order.zones, order.masks, subjects, caption)
        if self._first is None:
            self._first = scene.monotonic
        self._writer.write(canvas, scene.monotonic - self._first)

    def give_up(self) -> None:
        """Throws away what there is."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(Exception):
                writer.close(keep=False)

    def close(self) -> None:
        """Makes the file appear under its name."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            self._store.clip_written(self._order.camera, self._path)


def _decode(jpeg: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("a frame cannot be decoded")
    if size != (image.shape[1], image.shape[0]):
        image = cv2.resize(image, size)
    return np.asarray(image, np.uint8)
