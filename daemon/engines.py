"""The networks of one worker: detector, pose estimator and action model, loaded once per setting.

What prepares pictures and reads outputs is shared by all cameras of a worker but never by two workers. The
ONNX Runtime sessions below it come from a `SessionPool`, which all workers share: each calculates in its own
thread, and the weights are in memory once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from classifier.fights.model import FightModel
from classifier.model import ActionModel
from daemon.model_files import Stamp, model_files, stamp_of
from daemon.model_versions import model_versions
from tracker.detector import Detector
from tracker.pose import PoseBackend, PoseEstimator
from tracker.pose_choice import ChosenPoseEstimator
from tracker.runtime import MissingModelError, SessionPool
from tracker.tiles import TiledDetector

if TYPE_CHECKING:
    from daemon.config import ActionsConfig, CameraConfig, DetectConfig, FightsConfig, PoseConfig

__all__ = ["Engines"]

_log = logging.getLogger(__name__)
_POSE_VARIANTS = ("full", "lite", "heavy")
_KeyT = TypeVar("_KeyT")
_ValueT = TypeVar("_ValueT")


class Engines:
    """Loads each model once and hands it out by the settings that ask for it.

    Args:
        sessions: opens the models; the same for all workers. None is a pool of its own, on the CPU.
    """

    def __init__(self, sessions: SessionPool | None = None) -> None:
        self.sessions = SessionPool() if sessions is None else sessions
        self._detectors: dict[tuple[object, ...], Detector] = {}
        self._estimators: dict[tuple[object, ...], PoseBackend] = {}
        self._models: dict[str, ActionModel] = {}
        self._fights: dict[str, FightModel] = {}
        self._versions: dict[tuple[str, ...], dict[str, dict[str, str]]] = {}
        self._files: dict[str, Stamp] = {}  # of the user, as they were when they were loaded

    def detector(self, settings: DetectConfig) -> Detector | TiledDetector:
        """The detector for these settings.

        Raises:
            ModelError: the model file is missing, damaged, of an unknown layout or of another input size.
        """
        key = _detector_key(settings)
        if key not in self._detectors:
            self._detectors[key] = Detector(
                settings.model,
                score=settings.score,
                iou=settings.iou,
                max_detections=settings.max_people,
                pixels=None if settings.size is None else settings.size**2,
                open_session=self.sessions,
            )
        columns, rows = settings.grid
        if columns * rows == 1:
            return self._detectors[key]
        return TiledDetector(  # holds no network of its own
            self._detectors[key],
            columns=columns,
            rows=rows,
            iou=settings.iou,
            max_detections=settings.max_people,
        )

    def estimator(self, settings: PoseConfig) -> PoseBackend:
        """The pose estimator for these settings; a model name is looked up in the model store.

        Raises:
            ModelError: the model file is missing or damaged, or the backend is not installed.
        """
        key = _pose_key(settings)
        if key not in self._estimators:
            self._estimators[key] = _load_estimator(settings, self.sessions)
        return self._estimators[key]

    def actions(self, settings: ActionsConfig) -> ActionModel:
        """The action model for these settings.

        Raises:
            ModelError: the model file is missing or damaged.
        """
        key = str(settings.model)
        if key not in self._models:
            self._models[key] = ActionModel(settings.model, open_session=self.sessions.on_cpu)
        return self._models[key]

    def fights(self, settings: FightsConfig) -> FightModel:
        """The fight model for these settings.

        Raises:
            ModelError: a model file is missing or damaged.
        """
        key = str(settings.model)
        if key not in self._fights:
            self._fights[key] = FightModel(settings.model, open_session=self.sessions)
        return self._fights[key]

    def versions(self, settings: CameraConfig, *, fights: bool) -> dict[str, dict[str, str]]:
        """Name and short sha256 of the models for these settings; each file is read once.

        Raises:
            ModelError: a pose model is missing or damaged.
        """
        key = _versions_key(settings, fights=fights)
        if key not in self._versions:
            self._versions[key] = model_versions(settings, fights=fights)
        return self._versions[key]

    def run_by(self, settings: CameraConfig, *, fights: bool) -> dict[str, str]:
        """What runs each of the models for these settings now, such as `cpu`."""
        pictures = self.sessions.run_by
        found = {"detector": pictures, "pose": pictures, "actions": "cpu"}
        if settings.pose.backend == "mediapipe":
            found["pose"] = "mediapipe"
        return found | ({"fights": pictures} if fights else {})

    def load(self, settings: CameraConfig, *, fights: bool) -> dict[str, dict[str, str]]:
        """Loads everything that a camera needs; returns name and short sha256 of each model.

        May be called while a worker uses what was loaded before.

        Raises:
            ModelError: a model file is missing or damaged, or a backend is not installed.
        """
        for _, path in model_files(settings):
            self._files.setdefault(path, stamp_of(path))  # before it is read: what comes later is another one
        self.detector(settings.detect)
        self.estimator(settings.pose)
        self.actions(settings.actions)
        if fights:
            self.fights(settings.fights)
        return self.versions(settings, fights=fights)

    def replaced_files(self) -> set[str]:
        """Model files that others have taken the place of since they were loaded."""
        return {path for path, stamp in self._files.items() if stamp_of(path) != stamp}

    def keep(self, used: Sequence[tuple[CameraConfig, bool]]) -> None:
        """Lets go of what none of these cameras needs, each given with whether it watches for fights."""
        _keep(self._detectors, {_detector_key(one.detect) for one, _ in used})
        _keep(self._estimators, {_pose_key(one.pose) for one, _ in used})
        _keep(self._models, {str(one.actions.model) for one, _ in used})
        _keep(self._fights, {str(one.fights.model) for one, fights in used if fights})
        _keep(self._files, {path for one, _ in used for _, path in model_files(one)})
        _keep(self._versions, {_versions_key(one, fights=fights) for one, fights in used})


def _keep(loaded: dict[_KeyT, _ValueT], used: set[_KeyT]) -> None:
    for key in list(loaded):
        if key not in used:
            loaded.pop(key, None)


def _detector_key(settings: DetectConfig) -> tuple[object, ...]:
    return (str(settings.model), settings.size, settings.score, settings.iou, settings.max_people)


def _pose_key(settings: PoseConfig) -> tuple[object, ...]:
    return (settings.backend, str(settings.model), settings.min_score)


def _versions_key(settings: CameraConfig, *, fights: bool) -> tuple[str, ...]:
    pose = settings.pose
    used = (settings.detect.model, pose.backend, pose.model, settings.actions.model)
    return (*map(str, used), str(settings.fights.model if fights else fights))


def _load_estimator(settings: PoseConfig, sessions: SessionPool) -> PoseBackend:
    name = str(settings.model)
    if settings.backend == "mediapipe":
        from tracker.mediapipe_pose import MediapipePoseEstimator

        name = "full" if name == "auto" else name
        return MediapipePoseEstimator(variant=name, min_score=settings.min_score)
    if name == "auto":
        return _load_auto(settings.min_score, sessions)
    if name in _POSE_VARIANTS:
        return PoseEstimator(variant=name, min_score=settings.min_score, open_session=sessions)
    return PoseEstimator(Path(name), min_score=settings.min_score, open_session=sessions)


def _load_auto(min_score: float, sessions: SessionPool) -> PoseBackend:
    """Both networks; the full one alone where the light one was not fetched."""
    full = PoseEstimator(variant="full", min_score=min_score, open_session=sessions)
    try:
        lite = PoseEstimator(variant="lite", min_score=min_score, open_session=sessions)
    except MissingModelError:
        _log.warning("pose_lite_missing using=%s; posewatch models fetch pose_lite", "pose_full")
        return full
    return ChosenPoseEstimator(full, lite)
