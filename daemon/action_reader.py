"""What each person of a camera is doing: windows of poses, the action model now and then, steady labels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from classifier.model import ActionModel, ActionScores
from classifier.stream import PoseStream
from classifier.window import PoseWindows
from daemon.actions import ActionHysteresis
from daemon.config import ActionsConfig, Rule
from daemon.media.complaints import Complaints
from daemon.posture import Posture, Postures, plausible
from daemon.scene import Scene
from daemon.watchers import labels_of
from tracker.pose import Pose
from tracker.tracks import rename

__all__ = ["ActionReader"]

_log = logging.getLogger(__name__)
_TOLERANCE = 0.02  # seconds: at 10 fps an interval of 200 ms means every second frame, jitter or not


class ActionReader:
    """Names the actions of a camera's people.

    Args:
        camera: its name, for the log.
        settings: interval of classifications, and the evidence that labels need.
        rules: of the camera, which are named in the log where the model lacks their labels.
    """

    def __init__(self, camera: str, settings: ActionsConfig, rules: Mapping[str, Rule]) -> None:
        self._camera, self._settings, self._rules = camera, settings, rules
        self._windows: PoseStream | PoseWindows | None = None
        self._labels = ActionHysteresis(settings)
        self._postures = Postures()
        self._seen: dict[str, Posture] = {}
        self._scores: dict[str, ActionScores] = {}
        self._last: float | None = None
        self.errors = 0  # how often one person's poses made something fail
        self._complaints = Complaints(_log)

    def update(
        self,
        poses: Mapping[str, Pose],
        people: Sequence[str],
        size: tuple[int, int],
        monotonic: float,
        model: ActionModel,
    ) -> None:
        """Takes the poses of a frame and classifies when it is time.

        Args:
            poses: by track.
            people: tracks that are seen and confirmed.
            size: width and height of the image in px.
            monotonic: seconds of the frame.
            model: the action model.
        """
        windows = self._windows
        if windows is None:
            windows = self._windows = model.stream()
            self._labels.adopt(model.thresholds)
            self._warn_of_missing(model.labels)
        landmarks = {track: pose.landmarks for track, pose in poses.items()}
        try:
            windows.push_all(landmarks, monotonic)
        except Exception:
            self._one_by_one(lambda track: windows.push_all({track: landmarks[track]}, monotonic), landmarks)
        if self._last is not None and monotonic - self._last < self._settings.every - _TOLERANCE:
            return
        self._last = monotonic
        try:
            found = model.classify(windows, people, size)
        except Exception:
            found = self._one_by_one(lambda track: model.classify(windows, [track], size), people)
        for scores in found:
            self._scores[scores.track] = scores
            self._labels.update(plausible(scores, self._seen.get(scores.track)))

    def _one_by_one(
        self, work: Callable[[str], list[ActionScores] | None], tracks: Iterable[str]
    ) -> list[ActionScores]:
        """What one person's poses made fail for all, for the others; that person is begun anew.

        Raises:
            Exception: it fails for each of them: the model's failure, and not a person's.
        """
        found: list[ActionScores] = []
        failed: dict[str, Exception] = {}
        tracks = list(tracks)
        for track in tracks:
            try:
                found += work(track) or []
            except Exception as error:
                failed[track] = error
        for track, problem in failed.items():
            if len(failed) == len(tracks) > 1:
                raise problem
            self.errors += 1
            self._complaints.say(
                "track_failed", self._camera, f"{track}: {type(problem).__name__}: {problem}"
            )
            self.drop([track])
        return found

    def watch(self, scene: Scene) -> None:
        """Takes the scene that was made of the frame: bodies tell what the next label can be."""
        self._seen = self._postures.update(scene)

    def current(self, track: str, monotonic: float) -> tuple[str, float, ActionScores | None]:
        """Action of a track, its score, and the latest classification."""
        return *self._labels.current(track, monotonic), self._scores.get(track)

    def rename(self, names: Mapping[str, str]) -> None:
        """Goes on with bodies under other ids, the new one by the old one."""
        self._labels.rename(names)
        rename(self._scores, names)
        rename(self._seen, names)
        self._scores |= {
            new: replace(self._scores[new], track=new) for new in names.values() if new in self._scores
        }
        if self._windows is not None:
            self._windows.rename(names)

    def drop(self, tracks: Iterable[str]) -> None:
        """Forgets tracks."""
        for track in tracks:
            self._scores.pop(track, None)
            self._labels.drop(track)
            if self._windows is not None:
                self._windows.drop(track)

    def _warn_of_missing(self, labels: Sequence[str]) -> None:
        """A rule that can say nothing with this action model must not be silent about that."""
        for name, rule in self._rules.items():
            missing = [label for label in labels_of(rule) if label not in labels]
            if missing:
                _log.warning(
                    "rule_without_label camera=%s rule=%s label=%s",
                    self._camera,
                    name,
                    ",".join(missing),
                )
