"""The networks: a small picture of a region to features, a row of features to whether people fight."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.fights.crops import SIDE
from tracker.runtime import ModelError, create_session

__all__ = ["FIGHTS_VERSION", "FightModel"]

FIGHTS_VERSION = "1"
"""Of the way regions and crops are made; stored in the model, which fits only these."""

_BUNDLED = "fights.onnx"
_LOOK = "_look"  # fights.onnx and, beside it, fights_look.onnx


class FightModel:
    """What `python -m classifier.training.fights` makes: NAME.onnx, and NAME_look.onnx beside it.

    Args:
        model: the file NAME.onnx; None for the bundled one.
        threads: intra-op threads.

    Raises:
        ModelError: a file is missing, damaged or of another version.
    """

    def __init__(self, model: Path | None = None, threads: int = 1) -> None:
        if model is None:
            with as_file(files("classifier") / "models") as folder:
                self._load(folder / _BUNDLED, threads)
        else:
            self._load(model, threads)

    def _load(self, path: Path, threads: int) -> None:
        self._judge = create_session(path, threads=threads)
        metadata = self._judge.get_modelmeta().custom_metadata_map
        if metadata.get("fights") != FIGHTS_VERSION:
            raise ModelError(f"{path}: not a fight model of this version: leave `fights.model` out, or train one")
        self._look = create_session(path.with_name(f"{path.stem}{_LOOK}.onnx"), threads=threads)
        try:
            self.samples = int(metadata["samples"])
            self.least = int(metadata["least"])
            self.interval = float(metadata["interval"])
            self.threshold = float(json.loads(metadata["threshold"]))
        except (KeyError, ValueError) as error:
            raise ModelError(f"{path}: damaged metadata ({error}): fetch it again") from error
        shape = self._judge.get_inputs()[0].shape
        if len(shape) != 5 or shape[2:] != self._look.get_outputs()[0].shape[1:]:
            raise ModelError(f"{path}: does not fit {path.stem}{_LOOK}.onnx: fetch both again")

    def look(self, crops: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Features (N, C, 9, 9) of crops, (288, 288, 3) uint8 BGR each."""
        if not crops:
            return np.empty((0, *self._look.get_outputs()[0].shape[1:]), np.float32)
        batch = np.empty((len(crops), 3, SIDE, SIDE), np.float32)
        for place, one in zip(batch, crops, strict=True):
            place[...] = one.transpose(2, 0, 1)
        return np.asarray(self._look.run(None, {"crops": batch})[0], np.float32)

    def judge(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(N,) probability of a fight for rows of features (N, T, C, 9, 9), the oldest first, T >= `least`."""
        return np.asarray(self._judge.run(None, {"features": features})[0], np.float32)
