"""Finding people in a frame."""

from __future__ import annotations

from pydantic import Field

from daemon.config.base import ConfigModel, ExistingPath

__all__ = ["DetectConfig"]


class DetectConfig(ConfigModel):
    """The person detector."""

    model: ExistingPath | None = Field(
        default=None,
        title="Model",
        description="ONNX file (YOLOX, or ultralytics v8, 11, 26); the bundled one when left out.",
    )
    score: float = Field(
        default=0.1,
        title="Lowest score",
        description="Detections below this are not looked at; the tracker uses weak ones to hold a track.",
        ge=0.01,
        le=0.95,
    )
    iou: float = Field(
        default=0.65,
        title="Overlap",
        description="Of two boxes that overlap more (IoU), the weaker is dropped.",
        ge=0.1,
        le=0.95,
    )
    max_people: int = Field(
        default=50,
        title="Most people",
        description="Strongest detections kept in a frame; a bound on the work.",
        ge=1,
        le=300,
    )
