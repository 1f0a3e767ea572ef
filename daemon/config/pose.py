"""Reading the pose of each person."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from daemon.config.base import ConfigModel, resolve_path

__all__ = ["PoseConfig"]

_VARIANTS = ("auto", "full", "lite", "heavy")


class PoseConfig(ConfigModel):
    """The pose estimator."""

    backend: Literal["onnx", "mediapipe"] = Field(
        default="onnx",
        title="Backend",
        description="BlazePose in ONNX Runtime, or in mediapipe (extra `mediapipe`, slower).",
    )
    model: str = Field(
        default="auto",
        title="Model",
        min_length=1,
        description="auto (lite for who is small, upright and steady, full for others), full, lite "
        "(half the time, less exact), heavy, or with onnx the path of an ONNX file.",
    )
    steady_rate: float = Field(
        default=5.0,
        title="Readings of steady people a second",
        description="Who stands, sits, lies or walks evenly is read so often; whoever moves otherwise, is "
        "new or may be about to raise an alert, in every frame. 0 reads everybody in every frame.",
        ge=0.0,
        le=30.0,
    )
    min_score: float = Field(
        default=0.5,
        title="Lowest score",
        description="Poses below this presence score are not used.",
        ge=0.0,
        le=1.0,
    )

    smoothing: Literal["none", "one_euro", "refine"] = Field(
        default="none",
        title="Smoothing",
        description="one_euro steadies landmarks by a filter; refine fills in hidden ones and undoes swapped "
        "sides by a recurrent network.",
    )

    @field_validator("model")
    @classmethod
    def _variant_or_file(cls, value: str, info: ValidationInfo) -> str:
        if value in _VARIANTS:
            return value
        if info.data.get("backend") == "mediapipe":
            raise ValueError(f"must be {', '.join(_VARIANTS)} where the backend is mediapipe")
        path = resolve_path(Path(value), info)
        if (info.context or {}).get("base") is not None and not path.is_file():
            raise ValueError(f"must be {', '.join(_VARIANTS)} or an ONNX file; no such file: {path}")
        return str(path)

    @model_validator(mode="after")
    def _backend_is_installed(self, info: ValidationInfo) -> PoseConfig:
        if self.backend == "mediapipe" and (info.context or {}).get("base") is not None:
            from tracker.mediapipe_pose import check_mediapipe
            from tracker.runtime import ModelError

            try:
                check_mediapipe()
            except ModelError as error:
                raise ValueError(str(error)) from error
        return self
