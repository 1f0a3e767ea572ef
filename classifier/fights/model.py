"""The networks: a picture to features, and how features change over two seconds to whether people fight."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from tracker.letterbox import fitting_size, letterbox
from tracker.runtime import ModelError, OpenSession, create_session

if TYPE_CHECKING:
    from tracker.detector import Detector
    from tracker.tiles import TiledDetector

__all__ = ["FIGHTS_VERSION", "FightModel", "Looker", "covering", "look_beside", "shares_of"]

FIGHTS_VERSION = "2"
"""Of the way pictures are looked at; stored in the model, which fits only this one."""

STRIDE = 32
_BUNDLED = "fights.onnx"
_PIXELS = 416 * 416  # of the picture that the network sees
_FLOOR = 1e-3  # grey levels: motion everywhere, so that there is some

Floats = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]


class Looker:
    """The network that looks at pictures.

    Args:
        path: NAME_look.onnx.
        threads: intra-op threads.
        open_session: loads the network: on the CPU, or as a `tracker.runtime.SessionPool` is told.

    Raises:
        ModelError: the file is missing, damaged or another model.
    """

    def __init__(self, path: Path, threads: int = 1, open_session: OpenSession = create_session) -> None:
        self._session = open_session(path, threads=threads)
        if [one.name for one in self._session.get_inputs()] != ["images"]:
            raise ModelError(f"{path}: does not look at pictures: fetch it and the fight model again")
        self._stage = self._session.get_modelmeta().custom_metadata_map.get("look")

    def look(self, image: Image) -> Floats:
        """Features (C, rows, columns) of a picture (H, W, 3) uint8 BGR; the cells cover the picture."""
        height, width = image.shape[:2]
        columns, rows = fitting_size(width, height, _PIXELS)
        canvas, _ = letterbox(image, columns, rows, centred=False)
        blob = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], dtype=np.float32)
        return covering(np.asarray(self._session.run(None, {"images": blob})[0][0], np.float32), image)

    def sees_as(self, detector: Detector | TiledDetector) -> bool:
        """Whether a detector's features of a picture are those that `look` would give."""
        return self._stage is not None and (detector.look, detector.pixels) == (self._stage, _PIXELS)


def covering(cells: Floats, image: Image) -> Floats:
    """The cells (C, rows, columns) of an input that cover a picture (H, W, 3), without the padding."""
    height, width = image.shape[:2]
    columns, rows = fitting_size(width, height, _PIXELS)
    scale = min(columns / width, rows / height) / STRIDE
    return cells[:, : max(1, int(np.ceil(height * scale))), : max(1, int(np.ceil(width * scale)))]


class FightModel(Looker):
    """What `python -m classifier.training.fights` makes: NAME.onnx, and NAME_look.onnx beside it.

    Args:
        model: the file NAME.onnx; None for the bundled one.
        threads: intra-op threads.
        open_session: loads the network that looks; what judges is small, and stays on the CPU.

    Attributes:
        seconds: of looks that are judged together.
        least: looks from which is judged.
        shortest: seconds from which is judged.
        interval: seconds between two looks.

    Raises:
        ModelError: a file is missing, damaged or of another version.
    """

    def __init__(
        self, model: Path | None = None, threads: int = 1, open_session: OpenSession = create_session
    ) -> None:
        if model is None:
            with as_file(files("classifier") / "models") as folder:
                self._load(folder / _BUNDLED, threads, open_session)
        else:
            self._load(model, threads, open_session)

    def _load(self, path: Path, threads: int, open_session: OpenSession) -> None:
        self._judge = create_session(path, threads=threads)
        metadata = self._judge.get_modelmeta().custom_metadata_map
        if metadata.get("fights") != FIGHTS_VERSION:
            raise ModelError(
                f"{path}: no fight model of this version: leave out `fights.model`, or train one"
            )
        try:
            self.seconds, self.shortest = float(metadata["seconds"]), float(metadata["shortest"])
            self.least, self.interval = int(metadata["least"]), float(metadata["interval"])
            if not (0 < self.seconds <= 60 and 0 < self.shortest <= 60 and 0 < self.interval <= 60):
                raise ValueError("times out of range")
        except (KeyError, ValueError) as error:
            raise ModelError(f"{path}: damaged metadata ({error}): fetch it again") from error
        super().__init__(look_beside(path), threads, open_session)

    def judge(self, features: Floats, energy: Floats, interval: float) -> float:
        """Probability that people fight.

        Args:
            features: (T, C, rows, columns), the oldest first, T >= `least`.
            energy: any size, where people moved meanwhile.
            interval: mean seconds between two looks.
        """
        shares = shares_of(energy, features.shape[2:])
        given = {"features": features, "shares": shares, "interval": np.array([interval], np.float32)}
        return float(self._judge.run(None, given)[0][0])


def look_beside(path: Path) -> Path:
    """NAME_look.onnx of NAME.onnx."""
    return path.with_name(f"{path.stem}_look.onnx")


def shares_of(energy: Floats, cells: tuple[int, ...]) -> Floats:
    """(rows, columns) share of all motion in each cell."""
    resized = np.asarray(cv2.resize(energy, cells[::-1], interpolation=cv2.INTER_AREA), np.float32) + _FLOOR
    return np.asarray(resized / resized.sum(), np.float32)
