"""Gives the alerts of a camera their picture and their clip."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from daemon.config import CameraConfig, Style
from daemon.media.backdrop import blank, full, paint_patches, patches, target_size
from daemon.media.clips import ClipOrder, ClipRecorder
from daemon.media.complaints import Complaints
from daemon.media.moments import Moment, PreRoll
from daemon.media.picture import Caption, draw_picture
from daemon.media.privacy import PrivacyMasks
from daemon.media.store import MediaStore
from daemon.media.subject import Subject
from daemon.messages import Message
from daemon.reader import Frame
from daemon.scene import Scene
from daemon.topics import Topics

__all__ = ["AlertMedia", "RulePolicy", "render"]

RulePolicy: TypeAlias = tuple[Style | None, bool | None]
"""A rule's own style of snapshots and whether it has clips; None is what the camera has."""

_log = logging.getLogger(__name__)
_REMEMBERED = 256  # alerts whose media are known for their later messages
_RING_QUALITY = 88  # of the pictures that wait for an alert
_TOLERANCE = 0.02  # seconds by which a frame of a clip may be early: at 15 fps every third one is one of 5


@dataclass(slots=True, eq=False)
class _Running:
    """A clip that gets frames: until when, and the alerts that it shows with when each was raised."""

    order: ClipOrder
    file: str
    first: float
    until: float
    subjects: dict[str, tuple[float, Subject]]


class AlertMedia:
    """Pictures and clips of one camera. Driven by the thread that drives the camera's pipeline.

    Nothing that goes wrong here loses or holds up an alert: it is logged, and the alert has no picture.

    Args:
        camera: its name.
        settings: its effective settings.
        topics: where pictures go.
        store: where files go; None keeps none.
        recorder: makes the clips; None makes none.
        rules: what rules have of their own, by name.
    """

    def __init__(
        self,
        camera: str,
        settings: CameraConfig,
        topics: Topics,
        *,
        store: MediaStore | None = None,
        recorder: ClipRecorder | None = None,
        rules: Mapping[str, RulePolicy] | None = None,
    ) -> None:
        self._camera, self._settings, self._topics = camera, settings, topics
        self._store, self._recorder = store, recorder
        self._rules = dict(rules or {})
        self._masks = PrivacyMasks(settings.privacy_masks)
        self._alerts_topic = topics.alerts(camera)
        self._complaints = Complaints(_log)
        self._given: dict[str, dict[str, Any]] = {}  # by alert
        clips = settings.clips
        self._ring = PreRoll(clips.before, clips.buffer) if self._has_clips() else None
        self._last_moment: float | None = None
        self._running: list[_Running] = []

    @property
    def buffered(self) -> int:
        """Bytes of what is remembered from before an alert."""
        return 0 if self._ring is None else self._ring.size

    def attach(self, frame: Frame, scene: Scene, messages: Sequence[Message]) -> list[Message]:
        """Takes a frame and what it led to.

        Args:
            frame: the frame.
            scene: what was found in it.
            messages: of this frame, those of alerts among them.

        Returns:
            The same messages in the same order; alerts name their picture and clip, and the picture of one
            that is raised comes right before it.
        """
        if self._ring is not None:
            try:
                self._remember(frame, scene, self._ring)
            except Exception as error:
                self._complaints.say("clip_failed", self._camera, error)
        result: list[Message] = []
        for message in messages:
            if message.topic != self._alerts_topic or not isinstance(message.payload, dict):
                result.append(message)
                continue
            try:
                result += self._with_media(frame, scene, message, message.payload)
            except Exception as error:
                self._complaints.say("snapshot_failed", self._camera, error)
                result.append(message)
        return result

    def conclude(self, messages: Sequence[Message]) -> list[Message]:
        """The messages of alerts that end without a frame; they name their picture and clip."""
        return [
            replace(one, payload=self._named(one.payload))
            if one.topic == self._alerts_topic and isinstance(one.payload, dict)
            else one
            for one in messages
        ]

    def close(self) -> None:
        """The camera gives no more frames for now: clips end, and what was before is forgotten."""
        for clip in self._running:
            self._end(clip)
        self._running.clear()
        self._last_moment = None
        if self._ring is not None:
            self._ring.clear()

    def _has_clips(self) -> bool:
        clips = self._settings.clips
        if self._recorder is None or clips.style == "none":
            return False
        return any(self._wants_clip(rule) for rule in (*self._settings.rules, *self._rules))

    def _wants_clip(self, rule: str) -> bool:
        own = self._rules.get(rule, (None, None))[1]
        return self._settings.clips.enabled if own is None else own

    def _style(self, rule: str) -> Style:
        return self._rules.get(rule, (None, None))[0] or self._settings.snapshots.style

    def _with_media(
        self, frame: Frame, scene: Scene, message: Message, payload: dict[str, Any]
    ) -> list[Message]:
        if payload["type"] != "raised":
            subject = Subject.of(payload)
            for clip in self._running:
                if subject.alert in clip.subjects:
                    clip.subjects[subject.alert] = (clip.subjects[subject.alert][0], subject)
            return [replace(message, payload=self._named(payload))]
        subject = Subject.of(payload)
        pictures, snapshot = self._snapshot(frame, scene, subject)
        given = {"snapshot": snapshot, "clip": self._clip(frame, scene, subject)}
        self._given[subject.alert] = given
        for alert in list(self._given)[:-_REMEMBERED]:
            del self._given[alert]
        return [*pictures, replace(message, payload={**payload, **given})]

    def _named(self, payload: dict[str, Any]) -> dict[str, Any]:
        alert = str(payload.get("id"))
        given = self._given.get(alert, {"snapshot": None, "clip": None})
        if payload.get("type") == "cleared":
            self._given.pop(alert, None)
        return {**payload, **given}

    def _snapshot(
        self, frame: Frame, scene: Scene, subject: Subject
    ) -> tuple[list[Message], dict[str, Any] | None]:
        settings, style = self._settings.snapshots, self._style(subject.rule)
        publish = settings.publish
        if style == "none" or not (publish or self._store):
            return [], None
        try:
            size = target_size(scene.width, scene.height, settings.width)
            caption = Caption(self._camera, scene.captured_at, (subject,))
            picture = render(style, frame.image, scene, self._settings, self._masks, [subject], caption, size)
            jpeg = _encode(picture, settings.quality)
        except Exception as error:
            self._complaints.say("snapshot_failed", self._camera, error)
            return [], None
        file = None
        if self._store is not None:
            file = self._store.write_snapshot(self._camera, subject.alert, jpeg)
        topic = self._topics.snapshot(self._camera, subject.rule)
        messages = [Message(topic, jpeg, qos=1, retain=settings.retain, expendable=True)] if publish else []
        if not publish and file is None:
            return [], None
        return messages, {"topic": topic if publish else None, "file": file, "style": style}

    def _clip(self, frame: Frame, scene: Scene, subject: Subject) -> dict[str, Any] | None:
        if self._ring is None or self._recorder is None or not self._wants_clip(subject.rule):
            return None
        try:
            clip = self._longer(scene, subject) or self._begin(frame, scene, subject, self._ring)
        except Exception as error:
            self._complaints.say("clip_failed", self._camera, error)
            return None
        return None if clip is None else {"file": clip.file}

    def _longer(self, scene: Scene, subject: Subject) -> _Running | None:
        """A clip that runs and may go on for this alert as well."""
        settings = self._settings.clips
        until = scene.monotonic + settings.after
        for clip in self._running:
            if until - clip.first <= settings.longest:
                clip.until = max(clip.until, until)
                clip.subjects[subject.alert] = (scene.monotonic, subject)
                return clip
        return None

    def _begin(self, frame: Frame, scene: Scene, subject: Subject, ring: PreRoll) -> _Running | None:
        settings = self._settings.clips
        assert self._recorder is not None
        order = ClipOrder(
            camera=self._camera,
            alert=subject.alert,
            size=target_size(scene.width, scene.height, settings.width),
            fps=settings.fps,
            # The same through the whole clip: however many frames, they tell no more than one.
            patches=patches(frame.image, scene, self._masks) if settings.style == "blur" else None,
            zones=self._settings.zones,
            masks=self._masks,
        )
        file = self._recorder.begin(order)
        if file is None:
            return None
        moments = list(ring)
        first = moments[0].scene.monotonic if moments else scene.monotonic
        subjects = {subject.alert: (scene.monotonic, subject)}
        clip = _Running(order, file, first, scene.monotonic + settings.after, subjects)
        self._running.append(clip)
        for moment in moments:
            self._add(clip, moment)
        return clip

    def _add(self, clip: _Running, moment: Moment) -> None:
        assert self._recorder is not None
        subjects = [subject for _, subject in clip.subjects.values()]
        named = [one for raised, one in clip.subjects.values() if raised <= moment.scene.monotonic]
        self._recorder.add(clip.order, moment, subjects, named)

    def _end(self, clip: _Running) -> None:
        if self._recorder is not None:
            self._recorder.end(clip.order)

    def _remember(self, frame: Frame, scene: Scene, ring: PreRoll) -> None:
        settings, now = self._settings.clips, scene.monotonic
        for clip in [one for one in self._running if now > one.until]:
            self._running.remove(clip)
            self._end(clip)
        last = self._last_moment
        if last is not None and now - last < 1.0 / settings.fps - _TOLERANCE:
            return
        self._last_moment = now
        jpeg = None
        if settings.style == "full":
            size = target_size(scene.width, scene.height, settings.width)
            jpeg = _encode(full(frame.image, self._masks, size), _RING_QUALITY)
        moment = Moment(scene, jpeg)
        ring.push(moment)
        for clip in self._running:
            self._add(clip, moment)


def render(
    style: Style,
    image: NDArray[np.uint8],
    scene: Scene,
    settings: CameraConfig,
    masks: PrivacyMasks,
    subjects: Sequence[Subject],
    caption: Caption,
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    """A picture (H, W, 3) of a scene in a style that is not none, with the privacy masks covered."""
    if style == "full":
        canvas = full(image, masks, size)
    elif style == "blur":
        canvas = paint_patches(patches(image, scene, masks), masks, size)
    else:
        canvas = blank(size)
    return draw_picture(canvas, scene, settings.zones, masks, subjects, caption)


def _encode(image: NDArray[np.uint8], quality: int) -> bytes:
    """A JPEG without any metadata."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("the picture cannot be encoded")
    return data.tobytes()
