"""One camera's way from a frame to its messages; reads top to bottom like the picture in the documentation.

Frame -> detections -> tracks -> poses -> windows -> action scores -> scene -> events and alerts -> messages

A pipeline holds the state of one camera (tracks, windows, actions, alerts) and is driven by one thread at a
time. The networks come with each call, so that workers can share nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from daemon.action_reader import ActionReader
from daemon.alerts import AlertEngine
from daemon.attention import may_fall, needing_attention
from daemon.capture import Frame
from daemon.config import CameraConfig, PoseConfig, TrackConfig
from daemon.config.rules import rules_of
from daemon.engines import Engines
from daemon.events import EventReporter
from daemon.fight_reader import FightReader, watches_fights
from daemon.media import AlertMedia
from daemon.messages import Message
from daemon.reasons import EndReason
from daemon.scene import FightPlace, Person, Scene
from daemon.sifting import Sieve
from daemon.tamper import KnownView, TamperState, TamperWatch
from daemon.timing import StageClock
from daemon.topics import Topics
from daemon.zones import ZoneMap, ZonePresence
from tracker.appearance import describe
from tracker.association import Track, Tracker, TrackState
from tracker.carrying import PoseCarrier
from tracker.cuts import CutDetector
from tracker.detector import Detections
from tracker.duplicates import DuplicateFinder
from tracker.following import Followed, PoseFollower
from tracker.pacing import DetectorPacing
from tracker.pose import Pose
from tracker.pose_pacing import PosePacing
from tracker.smoothing import OneEuro, PoseSmoother

__all__ = ["CameraPipeline", "FrameResult", "make_tracker"]

_Boxes: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class FrameResult:
    """What one frame led to: the scene, and the messages to publish in this order."""

    scene: Scene
    messages: list[Message]


class CameraPipeline:
    """Everything that is remembered about one camera.

    Args:
        name: the camera's name in the configuration.
        settings: the camera's effective settings.
        topics: where its messages go.
        clock: sums the time of each stage; one of its own by default.
        profile: that is in use; None where the configuration has none.
        media: gives alerts their pictures and clips; None gives none.
        view: that the camera should have, of the pipeline before this one; None learns it.
    """

    def __init__(
        self,
        name: str,
        settings: CameraConfig,
        topics: Topics,
        *,
        clock: StageClock | None = None,
        profile: str | None = None,
        media: AlertMedia | None = None,
        view: KnownView | None = None,
    ) -> None:
        self.name = name
        self.clock = clock or StageClock()
        self.alerts_enabled = True
        self._settings = settings
        self._media = media
        self._topics = topics
        self._rules = rules_of(name, settings.rules, settings.zones)
        self._tamper = TamperWatch(name, settings.tamper, topics, view)
        self._sieve = Sieve(settings.filters, settings.masks)
        self._tracker = make_tracker(name, settings.track)
        self._cuts = CutDetector()
        self._size: tuple[int, int] | None = None
        detect = settings.detect
        self._pacing = DetectorPacing(detect.every, pause=detect.pause, idle=detect.idle)
        self._tracks: list[Track] = []
        self._follower = PoseFollower(PosePacing(settings.pose.steady_rate))
        self._carrier = PoseCarrier()
        self._attention: set[str] = set()
        self._may_fall = False
        self._duplicates = DuplicateFinder()
        self._smoother = _smoother(settings.pose)
        self._actions = ActionReader(name, settings.actions, self._rules)
        self._zones = ZoneMap(settings.zones)
        self._presence = ZonePresence(settings.zones)
        self._events = EventReporter(name, topics, zones=tuple(settings.zones))
        self._alerts = AlertEngine(name, self._rules, topics, profile)
        self._fights = FightReader(self._zones, settings.fights)

    def process(self, frame: Frame, engines: Engines) -> FrameResult:
        """Takes the camera's next frame; frames must come in the order of their time."""
        clock = self.clock
        if not self._alerts.models:
            self._alerts.models = engines.versions(self._settings, fights=watches_fights(self._settings))
        estimator = engines.estimator(self._settings.pose)
        with clock.stage("tamper"):
            tampering = self._tamper.update(frame)
        with clock.stage("track"):
            cut = self._cuts.update(frame.luma, frame.luma_range)
            size, self._size = self._size, frame.size
            if cut or size not in (None, frame.size):  # boxes in pixels would lie elsewhere
                cut = True
                self._tracker.reset()
            self._fights.see(frame.monotonic, cut=cut, flash=self._cuts.flash)
            expected = self._tracker.predict(frame.monotonic)
        with clock.stage("pose"):
            followed = self._follower.follow(
                lambda: frame.image, expected, estimator, frame.monotonic, self._attention, frame.size[1]
            )
        if self._tamper.blank:
            followed = {}  # one flat colour: there is nobody to look for
        doubt = self._follower.failed > 0
        due = self._pacing.due(
            self._tracks, doubt, frame.monotonic, lambda: frame.luma, pressing=self._may_fall
        )
        detected = due and not self._tamper.blank
        if detected:
            tracks, people, features = self._detect(frame, engines, followed)
        else:
            features = None
            with clock.stage("track"):
                tracks = self._nobody(frame) if due else self._follow(frame, followed)
            people = _boxes_of(tracks, frame.monotonic)
        self._tracks = tracks
        renamed = {track.was: track.id for track in tracks if track.was is not None}
        if renamed:
            self._rename(renamed)
        with clock.stage("pose"):
            # Whoever is still tentative is often a thing, which is searched for a pose in vain.
            seen = [
                track
                for track in tracks
                if track.last_monotonic == frame.monotonic and track.state is TrackState.CONFIRMED
            ]
            read = self._follower.estimate(lambda: frame.image, seen, estimator, followed, detected)
            if self._smoother is not None:
                read = self._smoother.update(read, frame.monotonic)
            poses = self._carrier.update(seen, read, self._follower.resting, frame.monotonic)
            self._tracker.merge(self._duplicates.update(seen, poses, frame.monotonic))
        with clock.stage("action"):
            confirmed = [track.id for track in tracks if track.state is TrackState.CONFIRMED]
            model = engines.actions(self._settings.actions)
            self._actions.update(read, confirmed, frame.size, frame.monotonic, model)
        with clock.stage("fight"):
            fights = self._fight_places(frame, people, features, engines)
        with clock.stage("report"):
            scene = replace(self._scene(frame, tracks, poses), cut=cut, renamed=renamed, fights=fights)
            self._actions.watch(scene)
            messages = [*tampering, *self._events.update(scene)]
            if self.alerts_enabled:
                messages += self._alerts.evaluate(scene)
            self._attention = needing_attention(scene, self._alerts.pending)
            self._may_fall = may_fall(scene)
        if self._media is not None:
            with clock.stage("media"):
                messages = self._media.attach(frame, scene, messages)
        with clock.stage("report"):
            if self._settings.publish_tracks:
                messages.append(self._events.tracks_message(scene))
        self._forget([track.id for track in tracks if track.state is TrackState.REMOVED])
        clock.frames += 1
        return FrameResult(scene, messages)

    def _detect(
        self, frame: Frame, engines: Engines, followed: Mapping[str, Followed]
    ) -> tuple[list[Track], _Boxes, NDArray[np.float32] | None]:
        """Tracks, boxes and scores of everybody who is seen, however little, and the detector's features."""
        with self.clock.stage("detect"):
            detections = engines.detector(self._settings.detect).detect(frame.image)
            features = detections.features
            detections = self._sieve.sift(detections, *frame.size)
        with self.clock.stage("track"):
            tracks = self._tracker.update(
                detections,
                monotonic=frame.monotonic,
                captured_at=frame.captured_at,
                appearance=describe(frame.image, detections.boxes),
                poses={key: (one.box, one.likeness) for key, one in followed.items()},
                coasting=self._follower.resting,
            )
        return tracks, (detections.boxes, detections.scores), features

    def _follow(self, frame: Frame, followed: Mapping[str, Followed]) -> list[Track]:
        """Tracks of a frame in which nothing was detected."""
        boxes = {key: one.box for key, one in followed.items()}
        coasting = set() if self._tamper.blank else self._follower.resting
        return self._tracker.follow(boxes, monotonic=frame.monotonic, coasting=coasting)

    def _nobody(self, frame: Frame) -> list[Track]:
        """Tracks of a frame of one colour, which the detector need not see: there is nobody in it."""
        return self._tracker.update(
            Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32)),
            monotonic=frame.monotonic,
            captured_at=frame.captured_at,
        )

    def initial_messages(self) -> list[Message]:
        """Retained state before the first frame: nothing known of tampering, nobody seen, every rule OFF."""
        return [*self._tamper.states(), *self._events.states(), *self._alerts.states()]

    def set_alerts_enabled(self, enabled: bool, captured_at: float) -> list[Message]:
        """Switches the rules on or off; alerts that are ON are cleared when switched off."""
        self.alerts_enabled = enabled
        return [] if enabled else self._close_alerts(captured_at, EndReason.SWITCHED_OFF)

    def set_profile(self, profile: str | None, captured_at: float) -> list[Message]:
        """Changes to another profile; alerts of rules that are no part of it are cleared."""
        return self._concluded(self._alerts.set_profile(profile, captured_at))

    @property
    def errors(self) -> int:
        """How often one rule or one person failed, and the rest of the frame did not."""
        return self._alerts.errors + self._actions.errors + self._events.errors

    @property
    def people(self) -> int:
        """Confirmed tracks, as last told."""
        return self._events.people

    @property
    def active_alerts(self) -> tuple[str, ...]:
        """Names of the rules that are ON."""
        return self._alerts.active

    @property
    def tamper(self) -> str | None:
        """What is done to the camera, as on its topic; None where nothing is, or it is not known."""
        fine = self._tamper.state in (TamperState.OK, TamperState.UNKNOWN)
        return None if fine else self._tamper.state.value

    @property
    def view(self) -> KnownView | None:
        """The view that the camera should have, for the next pipeline; None while it is not known."""
        return self._tamper.view

    def close(self, captured_at: float, reason: EndReason = EndReason.SHUTDOWN) -> list[Message]:
        """Ends whatever is still open: alerts, actions and events."""
        messages = self._close_alerts(captured_at, reason)
        if self._media is not None:
            self._media.close()
        tampering = self._tamper.close(captured_at, reason)
        return [*tampering, *messages, *self._events.close(captured_at, reason)]

    def _close_alerts(self, captured_at: float, reason: EndReason) -> list[Message]:
        return self._concluded(self._alerts.close(captured_at, reason))

    def _concluded(self, messages: list[Message]) -> list[Message]:
        """Messages that come without a frame, with what media has to say of them."""
        return messages if self._media is None else self._media.conclude(messages)

    def _fight_places(
        self, frame: Frame, people: _Boxes, features: NDArray[np.float32] | None, engines: Engines
    ) -> tuple[FightPlace, ...]:
        fighters = self._alerts.fighters(frame.captured_at) if self.alerts_enabled else None
        if fighters is None:
            return ()
        model = engines.fights(self._settings.fights)
        if features is not None and not model.sees_as(engines.detector(self._settings.detect)):
            features = None
        return self._fights.read(frame, *people, fighters, model, features)

    def _scene(self, frame: Frame, tracks: Sequence[Track], poses: dict[str, Pose]) -> Scene:
        width, height = frame.size
        people = []
        for track in tracks:
            action, score, scores = self._actions.current(track.id, frame.monotonic)
            touched = self._zones.containing(track.box, width, height)
            people.append(
                Person(
                    track=track,
                    pose=poses.get(track.id),
                    scores=scores,
                    action=action,
                    action_score=score,
                    zones=self._presence.update(track.id, touched, frame.monotonic),
                )
            )
        return Scene(
            camera=self.name,
            width=width,
            height=height,
            captured_at=frame.captured_at,
            monotonic=frame.monotonic,
            people=tuple(people),
            index=frame.index,
        )

    def _rename(self, names: Mapping[str, str]) -> None:
        """What was collected of a body goes on under the id that it has now."""
        self._follower.rename(names)
        self._carrier.rename(names)
        self._actions.rename(names)
        self._presence.rename(names)
        if self._smoother is not None:
            self._smoother.drop(names)

    def _forget(self, gone: Sequence[str]) -> None:
        self._follower.drop(gone)
        self._carrier.drop(gone)
        self._actions.drop(gone)
        self._presence.drop(gone)
        if self._smoother is not None:
            self._smoother.drop(gone)


def _boxes_of(tracks: Sequence[Track], now: float) -> _Boxes:
    """Boxes of who was seen or followed in this frame."""
    seen = [track for track in tracks if track.last_monotonic == now]
    boxes = np.stack([track.box for track in seen]) if seen else np.empty((0, 4), np.float32)
    return boxes, np.array([track.quality for track in seen], np.float32)


def make_tracker(camera: str, settings: TrackConfig) -> Tracker:
    """The tracker of a camera of this name."""
    return Tracker(
        camera,
        high_score=settings.high_score,
        low_score=settings.low_score,
        new_score=settings.new_score,
        confirm_hits=settings.confirm_hits,
        sure_score=settings.sure_score,
        doubt_seconds=settings.doubt,
        lost_seconds=settings.lost,
    )


def _smoother(settings: PoseConfig) -> PoseSmoother | None:
    """What steadies poses over time.

    Raises:
        ModelError: the network is missing or damaged.
    """
    if settings.smoothing == "refine":
        from tracker.refinement import PoseRefiner

        return PoseRefiner()
    return OneEuro() if settings.smoothing == "one_euro" else None
