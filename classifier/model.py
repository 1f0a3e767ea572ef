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
from classifier.stream import FeatureWindows, PoseStream
from classifier.window import PoseWindow
from tracker.runtime import ModelError, create_session

__all__ = ["ActionModel", "ActionScores"]

_BUNDLED = "actions.onnx"


@dataclass(frozen=True, slots=True)
class ActionScores:
    """What a track is doing.

    Attributes:
        track: the track's id.
        labels: names of the C classes.
        probabilities: (C,) float32, sum 1, calibrated by temperature.
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

    Attributes:
        labels: names of the C classes.
        rate: samples per second of a window.
        seconds: length of a window.
        thresholds: by label the score from which on its own F1 was best.
        held_out: groups of recordings that the network has not seen; empty when it was trained on all.

    Raises:
        ModelError: the file is missing, damaged or was not made by `posewatch train`.
    """

    def __init__(self, model: Path | None = None, threads: int = 1) -> None:
        if model is None:
            with as_file(files("classifier") / "models" / _BUNDLED) as path:
                self._session = create_session(path, threads=threads)
            name = f"bundled {_BUNDLED}"
        else:
            self._session = create_session(model, threads=threads)
            name = str(model)
        metadata = self._session.get_modelmeta().custom_metadata_map
        shape = self._session.get_inputs()[0].shape
        if metadata.get("features") != FEATURES_VERSION or len(shape) != 3 or shape[2] != FEATURE_COUNT:
            raise ModelError(f"{name}: not an action model of this version: make one with `posewatch train`")
        self._input = self._session.get_inputs()[0].name
        try:
            self.labels = _labels(metadata["labels"])
            self.rate = float(metadata["rate"])
            self.seconds = float(metadata["seconds"])
            self.thresholds: Mapping[str, float] = json.loads(metadata.get("thresholds", "{}"))
            self.held_out = frozenset(json.loads(metadata.get("held_out", "[]")))
        except (KeyError, ValueError) as error:
            raise ModelError(f"{name}: damaged metadata ({error}): train or fetch it again") from error
        if self._session.get_outputs()[0].shape[-1] != len(set(self.labels)):
            raise ModelError(f"{name}: labels do not fit the output: train or fetch it again")
        if not (self.rate > 0 and self.seconds > 0) or shape[1] != self.samples:
            raise ModelError(f"{name}: rate and seconds do not fit the input: train or fetch it again")

    @property
    def samples(self) -> int:
        """Samples T of a window."""
        return max(2, round(self.rate * self.seconds))

    def stream(self) -> PoseStream:
        """What keeps the windows of a camera's tracks for this model."""
        return PoseStream(self.rate, self.seconds)

    def classify(self, stream: PoseStream, tracks: Sequence[str]) -> list[ActionScores]:
        """Scores in one call those of these tracks that have a window, in their order.

        Args:
            stream: from `stream`.
            tracks: ids.
        """
        return self.scores(stream.windows(tracks))

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

    def predict(self, windows: Sequence[PoseWindow]) -> list[ActionScores]:
        """Scores the windows of all tracks in one call, in their order.

        Raises:
            ValueError: a window of another length than the model's.
        """
        if not windows:
            return []
        landmarks = np.stack([window.landmarks for window in windows])
        if landmarks.shape[1] != self.samples:
            raise ValueError(f"windows of {landmarks.shape[1]} samples for a model of {self.samples}")
        valid = np.stack([window.valid for window in windows])
        probabilities = self.probabilities(landmarks, valid)
        return [
            ActionScores(window.track, self.labels, row, window.monotonic)
            for window, row in zip(windows, probabilities, strict=True)
        ]

    def probabilities(
        self, landmarks: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float32]:
        """(N, C) for landmarks (N, T, 33, 4) in px and valid (N, T)."""
        return self._run(features(landmarks, valid, self.rate))

    def _run(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(self._session.run(None, {self._input: values})[0], np.float32)


def _labels(text: str) -> tuple[str, ...]:
    labels = json.loads(text)
    if not isinstance(labels, list) or not all(isinstance(label, str) and label for label in labels):
        raise ValueError("labels must be a list of names")
    return tuple(labels)
