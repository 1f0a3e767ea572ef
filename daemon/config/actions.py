"""Naming what each person is doing."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from daemon.config.base import ConfigModel, Duration, ExistingPath

__all__ = ["ActionsConfig", "LabelConfig", "LabelSettings"]


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """Effective hysteresis of one label: scores in 0..1, confirm in seconds."""

    min_score: float
    exit_ratio: float
    confirm: float


class LabelConfig(ConfigModel):
    """What differs for one label; what is left out is taken from `actions`."""

    min_score: float | None = Field(
        default=None, title="Enter at", description="Score that this label needs.", ge=0.0, le=1.0
    )
    exit_ratio: float | None = Field(
        default=None,
        title="Leave below",
        description="Share of min_score below which this label ends.",
        gt=0.0,
        le=1.0,
    )
    confirm: Duration | None = Field(
        default=None, title="Confirm for", description="Time for which this label must hold.", ge=0.0, le=60.0
    )


class ActionsConfig(ConfigModel):
    """The action classifier and the evidence that a label needs."""

    model: ExistingPath | None = Field(
        default=None,
        title="Model",
        description="ONNX file of `posewatch train`; the bundled one when left out.",
    )
    every: Duration = Field(
        default=0.2,
        title="Interval",
        description="Time between two classifications of a person.",
        ge=0.02,
        le=5.0,
    )
    min_score: float = Field(
        default=0.5,
        title="Enter at",
        description="Score from which a label may appear; below it: unknown. The model's own where left out.",
        ge=0.0,
        le=1.0,
    )
    exit_ratio: float = Field(
        default=0.7,
        title="Leave below",
        description="A label ends below min_score times this.",
        gt=0.0,
        le=1.0,
    )
    confirm: Duration = Field(
        default=0.4,
        title="Confirm for",
        description="Time for which a label must hold before it appears.",
        ge=0.0,
        le=60.0,
    )
    labels: dict[str, LabelConfig] = Field(
        default_factory=dict, title="By label", description="Other values for single labels, such as falling."
    )

    def for_label(self, label: str, usual: float | None = None) -> LabelSettings:
        """The effective hysteresis of a label.

        Args:
            label: its name.
            usual: score that the model itself asks for it, which counts where the configuration has none.
        """
        own = self.labels.get(label) or LabelConfig()
        asked = self.min_score if usual is None or "min_score" in self.model_fields_set else usual
        return LabelSettings(
            min_score=asked if own.min_score is None else own.min_score,
            exit_ratio=self.exit_ratio if own.exit_ratio is None else own.exit_ratio,
            confirm=self.confirm if own.confirm is None else own.confirm,
        )
