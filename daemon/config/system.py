"""The process itself: workers, what runs the networks, and log."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, model_validator

from daemon.config.base import ConfigModel

__all__ = ["LogConfig", "PerformanceConfig"]


class PerformanceConfig(ConfigModel):
    """Use of the machine."""

    workers: int | None = Field(
        default=None,
        title="Workers",
        description="Frames processed at the same time; one a core when left out.",
        ge=1,
        le=256,
    )
    provider: Literal["cpu", "cuda", "tensorrt", "openvino", "coreml", "auto"] = Field(
        default="cpu",
        title="Provider",
        description="What runs the networks, see docs/providers.md; auto takes the best that is installed.",
    )
    device: str | None = Field(
        default=None,
        title="Device",
        description="Number of the GPU (cuda, tensorrt), or name of the device (openvino: CPU, GPU, GPU.1, "
        "NPU; coreml: ALL, CPUAndGPU, CPUAndNeuralEngine, CPUOnly); the usual one when left out.",
        pattern=r"^[A-Za-z0-9.]{1,40}$",
    )
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = Field(
        default="fp32",
        title="Precision",
        description="Of the arithmetic. fp32 gives what the CPU gives; tf32 (cuda), bf16 and fp16 (tensorrt, "
        "openvino; fp16 coreml) are faster and less exact.",
    )
    fallback: bool = Field(
        default=False,
        title="Fallback",
        description="Go on with the CPU, with a warning, where the provider does not work; false refuses to "
        "start.",
    )
    batching: bool | None = Field(
        default=None,
        title="Batching",
        description="One call for the people of several cameras; left out where it pays: cuda, tensorrt.",
    )

    @model_validator(mode="after")
    def _provider_is_installed(self, info: ValidationInfo) -> PerformanceConfig:
        if self.provider == "cpu" and self.precision == "fp32":
            return self
        if (info.context or {}).get("base") is not None:
            from tracker.runtime import Provider, ProviderError

            try:
                Provider(self.provider, self.device, self.precision).check(installed=not self.fallback)
            except ProviderError as error:
                raise ValueError(str(error)) from error
        return self


class LogConfig(ConfigModel):
    """Log lines on standard error (the journal under systemd)."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", title="Level", description="Least severe lines to write."
    )
    format: Literal["text", "json"] = Field(
        default="text", title="Format", description="Lines for people (key=value), or JSON objects."
    )
    repeats: int = Field(
        default=10,
        title="Repeats",
        description="Lines of the same event of the same camera in a minute; further ones are counted, and "
        "told in one line. Alerts always have their line.",
        ge=1,
        le=10000,
    )
