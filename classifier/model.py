"""The action model: windows of poses in, calibrated probabilities out, one ONNX call for all tracks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.features import FEATURE_COUNT, FEATURES_VERSION, features
from classifier.raw import RAW_COUNT, RAW_VERSION, raw_features
from classifier.rejection import Rejection
from classifier.stream import FeatureWindows, PoseStream
from classifier.window import PoseWindow, PoseWindows
from tracker.runtime import ModelError, OpenSession, create_session

__all__ = ["ActionModel", "ActionScores"]

_BUNDLED = "actions.onnx"
_INPUTS = {FEATURES_VERSION: FEATURE_COUNT, RAW_VERSION: RAW_COUNT}  # by the metadata's `features`


@dataclass(frozen=True, slots=True)
class ActionScores:
    """What a track is doing.

    Attributes:
        track: the track's id.
        labels: names of the C classes.
        probabilities: (C,) float32, calibrated by temperature; what they lack to a sum of 1 is the share of
            "unknown": the window is unlike anything the model was taught.
        monotonic: time of the window's end in s.
    """

    track: str
    labels: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    monotonic: float


class ActionModel:
    """A classifier made by `posewatch train`.

    Args:
        model: the ONNX file; None for the bundled one.
        threads: intra-op threads.
        open_session: loads the model.

    Attributes:
        labels: names of the C classes.
        rate: samples per second of a window.
        seconds: length of a window.
        thresholds: by label the score that nearly all right answers on held-out people reach.
        held_out: groups of recordings that the network has not seen; empty when it was trained on all.

    Raises:
        ModelError: the file is missing, damaged or was not made by `posewatch train`.
    """

    def __init__(
        self, model: Path | None = None, threads: int = 1, open_session: OpenSession = create_session
    ) -> None:
        if model is None:
            with as_file(files("classifier") / "models" / _BUNDLED) as path:
                self._session = open_session(path, threads=threads)
            name = f"bundled {_BUNDLED}"
        else:
            self._session = open_session(model, threads=threads)
            name = str(model)
        metadata = self._session.get_modelmeta().custom_metadata_map
        shape = self._session.get_inputs()[0].shape
        self._features = metadata.get("features")
        inputs = _INPUTS.get(str(self._features))
        if inputs is None or len(shape) != 3 or shape[2] != inputs:
            raise ModelError(f"{name}: not an action model of this version: make one with `posewatch train`")
        self._input = self._session.get_inputs()[0].name
        try:
            self.labels = _labels(metadata["labels"])
            self.rate = float(metadata["rate"])
            self.seconds = float(metadata["seconds"])
            self.thresholds: Mapping[str, float] = _thresholds(metadata.get("thresholds", "{}"))
            self.held_out = frozenset(map(str, json.loads(metadata.get("held_out", "[]"))))
            rule = metadata.get("rejection")
            self._rejection = None if rule is None else Rejection.parse(rule)
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise ModelError(f"{name}: damaged metadata ({error}): train or fetch it again") from error
        if self._rejection is not None and len(self._session.get_outputs()) != 2:
            raise ModelError(f"{name}: says when to reject but gives no distance: train or fetch it again")
        if self._session.get_outputs()[0].shape[-1:] != [len(set(self.labels))]:
            raise ModelError(f"{name}: labels do not fit the output: train or fetch it again")
        plausible = 0 < self.rate <= 1000 and 0 < self.seconds <= 3600
        if not plausible or shape[1] != self.samples:
            raise ModelError(f"{name}: rate and seconds do not fit the input: train or fetch it again")

    @property
    def samples(self) -> int:
        """Samples T of a window."""
        return max(2, round(self.rate * self.seconds))

    def stream(self) -> PoseStream | PoseWindows:
        """What keeps the windows of a camera's tracks for this model."""
        kind = PoseWindows if self._features == RAW_VERSION else PoseStream
        return kind(self.rate, self.seconds)

    def classify(
        self, stream: PoseStream | PoseWindows, tracks: Sequence[str], size: tuple[int, int] | None = None
    ) -> list[ActionScores]:
        """Scores in one call those of these tracks that have a window, in their order.

        Args:
            stream: from `stream`.
            tracks: ids.
            size: width and height of the images in px, which models of raw landmarks need.
        """
        if isinstance(stream, PoseStream):
            return self.scores(stream.windows(tracks))
        windows = (stream.window(track) for track in tracks)
        return self.predict([window for window in windows if window is not None], size)

    def scores(self, windows: FeatureWindows) -> list[ActionScores]:
        """Scores windows in one call, in their order."""
        if not windows.tracks:
            return []
        probabilities = self._run(windows.values)
        return [
            ActionScores(track, self.labels, row, monotonic)
            for track, row, monotonic in zip(
                windows.tracks, probabilities, windows.monotonic.tolist(), strict=True
            )
        ]

    def predict(
        self, windows: Sequence[PoseWindow], size: tuple[int, int] | None = None
    ) -> list[ActionScores]:
        """Scores the windows of all tracks in one call, in their order.

        Args:
            windows: of one camera.
            size: width and height of its images in px, which models of raw landmarks need.

        Raises:
            ValueError: a window of another length than the model's.
        """
        if not windows:
            return []
        landmarks = np.stack([window.landmarks for window in windows])
        if landmarks.shape[1] != self.samples:
            raise ValueError(f"windows of {landmarks.shape[1]} samples for a model of {self.samples}")
        valid = np.stack([window.valid for window in windows])
        sizes = None if size is None else np.array(size, np.float32)
        probabilities = self.probabilities(landmarks, valid, sizes)
        return [
            ActionScores(window.track, self.labels, row, window.monotonic)
            for window, row in zip(windows, probabilities, strict=True)
        ]

    def probabilities(
        self,
        landmarks: npt.NDArray[np.float32],
        valid: npt.NDArray[np.bool_],
        size: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float32]:
        """(N, C) for landmarks (N, T, 33, 4) in px, valid (N, T) and the images' size in px, (2,) or (N, 2).

        Raises:
            ValueError: a model of raw landmarks and no size.
        """
        if self._features != RAW_VERSION:
            inputs = features(landmarks, valid, self.rate)
        elif size is None:
            raise ValueError("a model of raw landmarks needs the size of the images")
        else:
            inputs = raw_features(landmarks, valid, size)
        return self._run(inputs)

    def _run(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        outputs = self._session.run(None, {self._input: inputs})
        probabilities = np.asarray(outputs[0], np.float32)
        if self._rejection is not None:
            probabilities = probabilities * self._rejection.known(outputs[1])[:, None]
        return probabilities


def _thresholds(text: str) -> dict[str, float]:
    thresholds = json.loads(text)
    good = isinstance(thresholds, dict) and all(
        isinstance(value, (int, float)) and 0.0 <= value <= 1.0 for value in thresholds.values()
    )
    if not good:
        raise ValueError("thresholds must be scores 0..1 by label")
    return {label: float(value) for label, value in thresholds.items()}


def _labels(text: str) -> tuple[str, ...]:
    labels = json.loads(text)
    if not isinstance(labels, list) or not all(isinstance(label, str) and label for label in labels):
        raise ValueError("labels must be a list of names")
    return tuple(labels)
