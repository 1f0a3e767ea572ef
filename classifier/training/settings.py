"""What may be chosen of a training, and of the changes to windows that it trains on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from classifier.training.errors import TrainingError

__all__ = ["Augmentation", "TrainingSettings"]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How strongly windows are changed; 0 leaves a change out.

    Attributes:
        mirror: share of windows that are mirrored, left for right, with the label of the other side.
        speed: standard half range of the natural logarithm of the speed: 0.18 plays 0.84 to 1.2 as fast.
        frames: share of windows thinned out as by cameras of 5 to 15 frames a second.
        yaw: largest turn of the camera about the vertical, degrees.
        pitch: largest tilt of the camera up or down, degrees.
        roll: standard deviation of the turn of the picture, degrees.
        distance: share by which the nearest camera's perspective may enlarge what is half a body nearer.
        stretch: standard deviation of the logarithm of the picture's width to height.
        shear: standard deviation of the shear.
        noise: strongest jitter of landmarks, in body scales.
        dropout: largest share of landmarks that are not seen, and badly placed, for a whole window.
        crop: share of windows of which what lies below a line is not seen, as under the edge of a picture.
        doubt: share of windows whose hardly visible landmarks get any visibility: how sure a pose network is
            of what it does not see hangs on the camera, not on the action.
        young: share of windows whose start is cut off, as of a person who has just come in.
    """

    mirror: float = 0.5
    speed: float = 0.18
    frames: float = 0.6
    yaw: float = 20.0
    pitch: float = 8.0
    roll: float = 5.0
    distance: float = 0.15
    stretch: float = 0.08
    shear: float = 0.05
    noise: float = 0.03
    dropout: float = 0.2
    crop: float = 0.3
    doubt: float = 0.3
    young: float = 0.25

    @classmethod
    def named(cls, changes: Mapping[str, float]) -> Augmentation:
        """The usual strengths with some of them changed.

        Raises:
            TrainingError: no such change, or a strength out of range.
        """
        known = {one.name for one in fields(cls)}
        for name, value in changes.items():
            if name not in known:
                raise TrainingError(f"augmentation {name}: choose of {', '.join(sorted(known))}")
            most = {"yaw": 60.0, "pitch": 45.0, "roll": 45.0}.get(name, 1.0)
            if not 0.0 <= value <= most:
                raise TrainingError(f"augmentation {name}={value:g}: must be within 0..{most:g}")
        return cls(**changes)

    @classmethod
    def none(cls) -> Augmentation:
        """Nothing is changed."""
        return cls(**{one.name: 0.0 for one in fields(cls)})


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What may be chosen.

    Attributes:
        recipe: "posewatch", or "classic" for the recipe of the tutorials.
        sample_rate: samples per second of a window.
        seconds: length of a window.
        epochs: passes at most; each sees up to `windows_per_epoch` windows, of every class alike.
        patience: passes without a better validation loss after which training stops; 0 never stops.
        windows_per_epoch: at most.
        batch: windows per step.
        hidden: width of the LSTM.
        layers: LSTM layers.
        learning_rate: peak of the schedule.
        seed: of everything random.
        threads: CPU threads of PyTorch.
        folds: parts of a cross-validation by group; 1 holds some groups out once, 0 decides by size.
        final: trains once more on all groups after the scores are known, and writes that network; a
            cross-validation always does.
        augmentation: changes to the windows.
        swaps: labels that are each other's mirror image beside those that their names tell.
    """

    recipe: str = "posewatch"
    sample_rate: float = 15.0
    seconds: float = 2.0
    epochs: int = 30
    patience: int = 10
    windows_per_epoch: int = 12000
    batch: int = 256
    hidden: int = 80
    layers: int = 2
    learning_rate: float = 3e-3
    seed: int = 1
    threads: int = 2
    folds: int = 0
    final: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    swaps: tuple[tuple[str, str], ...] = ()

    @property
    def samples(self) -> int:
        """Samples T of a window."""
        return max(2, round(self.sample_rate * self.seconds))
