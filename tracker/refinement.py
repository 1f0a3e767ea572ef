"""Refines poses over time with a small recurrent network: jitter, hidden landmarks, swapped sides.

After Luo et al., "LSTM Pose Machines", CVPR 2018. For each track the network keeps a belief of where
the landmarks are, and per frame mixes for each what was observed, what was observed on the other side
of the body, where it was, and a place that it works out. `tracker/models/pose_refiner.md` says how it
was trained and what it is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tracker.landmarks import LANDMARKS, MIRROR
from tracker.pose import Pose
from tracker.runtime import ModelError, create_session
from tracker.smoothing import TrackMemory

__all__ = ["PoseRefiner", "bundled_refiner"]

Floats = npt.NDArray[np.float32]

_STATE = ("belief", "speed", "confidence", "hidden", "cell")


def bundled_refiner() -> Path:
    """The network that comes with posewatch."""
    return Path(__file__).with_name("models") / "pose_refiner.onnx"


@dataclass(frozen=True, slots=True)
class _State:
    """What the network keeps: belief (33, 2) px, its speed (33, 2), confidence (33,), h and c (H,)."""

    values: tuple[Floats, ...]
    monotonic: float


class PoseRefiner(TrackMemory[_State]):
    """Refines the poses of one camera's tracks: a `tracker.smoothing.PoseSmoother`.

    All tracks of a frame are one call. Of a landmark x and y are refined; where the network undoes a swap,
    z, visibility and the world landmark are taken from the other side, too. `score` and `next_roi` stay.

    Args:
        model: ONNX file; None takes the bundled one.
        confidence: whether the refined landmarks carry the network's own probability of being right (within a
            twentieth of the body height) instead of BlazePose's visibility.
        memory: seconds without a pose after which a track begins anew.
        threads: threads of one call.

    Raises:
        ModelError: the model is missing, or is no pose refiner.
    """

    def __init__(
        self,
        model: Path | None = None,
        *,
        confidence: bool = False,
        memory: float = 1.0,
        threads: int = 1,
    ) -> None:
        super().__init__(memory)
        path = model or bundled_refiner()
        self._session = create_session(path, threads=threads)
        shapes = {item.name: item.shape[1:] for item in self._session.get_inputs()}
        made = {item.name for item in self._session.get_outputs()}
        wanted = {f"{name}_out" for name in _STATE} | {"mirrored"}
        if shapes.keys() != {"landmarks", "seconds", "new", *_STATE} or made != wanted:
            raise ModelError(f"{path}: not a pose refiner: train one with python -m tracker.training.refiner")
        self._blank = tuple(np.zeros(shapes[name], np.float32) for name in _STATE)
        self._outputs = [*(f"{name}_out" for name in _STATE), "mirrored"]
        self._confidence = confidence

    def update(self, poses: Mapping[str, Pose], monotonic: float) -> dict[str, Pose]:
        """Refines the poses of one frame; see `PoseSmoother`."""
        if not poses:
            return {}
        before = [self._last(track, monotonic) for track in poses]
        kept = zip(*(self._blank if state is None else state.values for state in before), strict=True)
        seconds = [0.0 if state is None else monotonic - state.monotonic for state in before]
        observed = np.stack([pose.landmarks for pose in poses.values()]).astype(np.float32)
        world = np.stack([pose.world for pose in poses.values()])
        inputs = {name: np.stack(values) for name, values in zip(_STATE, kept, strict=True)}
        inputs["landmarks"] = observed[:, :, [0, 1, 3]]
        inputs["seconds"] = np.array(seconds, np.float32)[:, None]
        inputs["new"] = np.array([[state is None] for state in before], np.float32)
        *values, mirrored = self._session.run(self._outputs, inputs)
        source = np.where(mirrored > 0.5, MIRROR, np.arange(LANDMARKS))[..., None]
        landmarks, world = np.take_along_axis(observed, source, 1), np.take_along_axis(world, source, 1)
        landmarks[:, :, :2] = values[0]
        if self._confidence:
            landmarks[:, :, 3] = values[_STATE.index("confidence")]
        sound = np.isfinite(values[0]).all(axis=(1, 2))
        made = {}
        for number, (track, pose) in enumerate(poses.items()):
            if sound[number]:
                self._states[track] = _State(tuple(value[number] for value in values), monotonic)
                made[track] = Pose(landmarks[number], world[number], pose.score, pose.next_roi)
            else:  # landmarks that are not finite: nothing of them may stay
                self._states.pop(track, None)
                made[track] = pose
        return made
