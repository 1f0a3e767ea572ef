"""Execution providers of ONNX Runtime: what can run the networks, and with which options.

Option names are those of ONNX Runtime's provider options (onnxruntime.ai/docs/execution-providers). CUDA,
TensorRT and CoreML could not be run where this was written; docs/providers.md says what was.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnxruntime as ort

from tracker.runtime.errors import ProviderError

__all__ = ["CPU", "CPU_PROVIDER", "PRECISIONS", "PROVIDERS", "Provider", "Shapes", "openvino_device"]

CPU_PROVIDER = "CPUExecutionProvider"
PROVIDERS = ("cpu", "cuda", "tensorrt", "openvino", "coreml", "auto")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")

Shapes = Mapping[str, Sequence[int | str | None]]
"""Shapes of a model's inputs by name; a text or None is a dimension that is open."""

_PLUGIN = "onnxruntime_ep_openvino"
_OPEN_SIDES = (64, 416, 1280)  # smallest, usual and largest side of an input that leaves it open
_OPEN_BATCH = (1, 4, 16)


@dataclass(frozen=True, slots=True)
class Provider:
    """What is to run the networks.

    Attributes:
        name: one of PROVIDERS; `auto` is the best one that this build of ONNX Runtime has.
        device: number of the GPU, or OpenVINO's or Core ML's name of a device; None is the usual one.
        precision: of the arithmetic, one of PRECISIONS.
        fallback: whether the CPU takes over where it does not work.
        cache: folder for what is compiled for the device; None compiles anew at each start.
    """

    name: str = "cpu"
    device: str | None = None
    precision: str = "fp32"
    fallback: bool = False
    cache: Path | None = None

    @property
    def ort_name(self) -> str:
        """ONNX Runtime's name of it."""
        return _KINDS[self.name].ort_name

    @property
    def is_shared(self) -> bool:
        """Whether one session serves several threads at once as well as a session each does."""
        return self.name != "openvino" or self._openvino_device != "CPU"

    @property
    def batches(self) -> bool:
        """Whether it takes much less time for several inputs at once than for one after the other."""
        return self.name in ("cuda", "tensorrt")

    def __str__(self) -> str:
        """Such as `openvino CPU bf16`, for people."""
        if self.name == "cpu":
            return "cpu"
        device = self._openvino_device if self.name == "openvino" else self.device
        return " ".join(part for part in (self.name, device, self.precision) if part is not None)

    def check(self, *, installed: bool = True) -> None:
        """Looks whether this build of ONNX Runtime has it.

        Args:
            installed: whether it must be installed; else only its settings are looked at.

        Raises:
            ProviderError: it has not, or the provider does not know the precision.
        """
        if self.name == "auto":
            return
        kind = _KINDS[self.name]
        if self.precision not in kind.precisions:
            raise ProviderError(
                f"{self.name} has no precision {self.precision}: use {' or '.join(kind.precisions)}"
            )
        if installed and not kind.is_there():
            raise ProviderError(f"{self.name} is not installed: {kind.install}")

    def resolved(self) -> Provider:
        """This one, or what `auto` comes to: with what is not there the CPU."""
        if self.name != "auto":
            return self
        for name in ("cuda", "coreml", "openvino"):
            kind = _KINDS[name]
            if kind.is_there():
                precision = self.precision if self.precision in kind.precisions else "fp32"
                return replace(self, name=name, precision=precision, fallback=True)
        return Provider()

    def chain(self, threads: int, shapes: Callable[[], Shapes]) -> list[tuple[str, dict[str, str]]]:
        """Names and options for ONNX Runtime, best first; the CPU is always the last one.

        Args:
            threads: of one call, where it is the CPU that calculates.
            shapes: gives the shapes of the model's inputs.
        """
        return [*_KINDS[self.name].chain(self, threads, shapes), (CPU_PROVIDER, {})]

    @property
    def _openvino_device(self) -> str:
        return self.device or "CPU"


CPU = Provider()

_Chain = Callable[[Provider, int, Callable[[], Shapes]], list[tuple[str, dict[str, str]]]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A provider as far as it is the same for everybody."""

    ort_name: str
    precisions: tuple[str, ...]
    install: str
    chain: _Chain

    def is_there(self) -> bool:
        """Whether it is installed; whether it works shows only when a model is loaded."""
        if self.ort_name in ort.get_available_providers():
            return True
        return self.ort_name == "OpenVINOExecutionProvider" and _has_plugin()


def _cuda(provider: Provider, _: int, __: Callable[[], Shapes]) -> list[tuple[str, dict[str, str]]]:
    options = {
        "device_id": provider.device or "0",
        # The exhaustive search, which is the default, would begin anew with every other number of people.
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": "1" if provider.precision == "tf32" else "0",
    }
    return [("CUDAExecutionProvider", options)]


def _tensorrt(
    provider: Provider, threads: int, shapes: Callable[[], Shapes]
) -> list[tuple[str, dict[str, str]]]:
    options = {
        "device_id": provider.device or "0",
        "trt_fp16_enable": "1" if provider.precision == "fp16" else "0",
        "trt_bf16_enable": "1" if provider.precision == "bf16" else "0",
    }
    if provider.cache is not None:
        options |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(provider.cache),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(provider.cache),
        }
    # Without these it builds the engine anew, for minutes, whenever a picture of another size comes.
    for place, bound in enumerate(("min", "opt", "max")):
        given = _sizes(shapes(), place)
        if given:
            options[f"trt_profile_{bound}_shapes"] = given
    rest = _cuda(replace(provider, name="cuda", precision="fp32"), threads, shapes)
    return [("TensorrtExecutionProvider", options), *rest]


def _sizes(shapes: Shapes, place: int) -> str:
    """Such as `crops:1x256x256x3`, of the inputs with open dimensions."""
    found = []
    for name, shape in shapes.items():
        if all(isinstance(side, int) and side > 0 for side in shape):
            continue
        sides = [
            side if isinstance(side, int) and side > 0 else (_OPEN_SIDES if axis >= 2 else _OPEN_BATCH)[place]
            for axis, side in enumerate(shape)
        ]
        found.append(f"{name}:{'x'.join(map(str, sides))}")
    return ",".join(found)


def _openvino(provider: Provider, threads: int, _: Callable[[], Shapes]) -> list[tuple[str, dict[str, str]]]:
    device = provider.device or "CPU"
    kind = device.split(".")[0]
    # Always said: left alone it takes bfloat16 for itself wherever the processor has it.
    settings = {"INFERENCE_PRECISION_HINT": {"fp32": "f32", "fp16": "f16"}.get(provider.precision, "bf16")}
    if kind == "CPU":
        settings |= {"INFERENCE_NUM_THREADS": str(threads), "NUM_STREAMS": "1", "ENABLE_CPU_PINNING": "NO"}
    options = {"device_type": device, "load_config": json.dumps({kind: settings})}
    if provider.cache is not None and kind != "CPU":  # for which it makes the start no faster
        options["cache_dir"] = str(provider.cache)
    return [("OpenVINOExecutionProvider", options)]


def _coreml(provider: Provider, _: int, __: Callable[[], Shapes]) -> list[tuple[str, dict[str, str]]]:
    options = {
        "ModelFormat": "MLProgram",
        "MLComputeUnits": provider.device or "ALL",
        "AllowLowPrecisionAccumulationOnGPU": "1" if provider.precision == "fp16" else "0",
    }
    if provider.cache is not None:
        options["ModelCacheDirectory"] = str(provider.cache)
    return [("CoreMLExecutionProvider", options)]


def _cpu(_: Provider, __: int, ___: Callable[[], Shapes]) -> list[tuple[str, dict[str, str]]]:
    return []


_GPU_INSTALL = "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"
_KINDS: Mapping[str, _Kind] = {
    "cpu": _Kind(CPU_PROVIDER, ("fp32",), "pip install onnxruntime", _cpu),
    "cuda": _Kind("CUDAExecutionProvider", ("fp32", "tf32"), _GPU_INSTALL, _cuda),
    "tensorrt": _Kind(
        "TensorrtExecutionProvider",
        ("fp32", "bf16", "fp16"),
        f"{_GPU_INSTALL} tensorrt-cu12",
        _tensorrt,
    ),
    "openvino": _Kind(
        "OpenVINOExecutionProvider",
        ("fp32", "bf16", "fp16"),
        "pip install 'posewatch[openvino]'",
        _openvino,
    ),
    "coreml": _Kind(
        "CoreMLExecutionProvider", ("fp32", "fp16"), "it is part of onnxruntime on macOS only", _coreml
    ),
}


def _has_plugin() -> bool:
    return importlib.util.find_spec(_PLUGIN) is not None


def _is_built_in() -> bool:
    return any((Path(ort.__file__).parent / "capi").glob("*onnxruntime_providers_openvino*"))


def openvino_device(wanted: str) -> Any:
    """OpenVINO's device of this name from its plugin, which works beside the usual build of ONNX Runtime.

    Returns:
        The device, or None where the build itself has OpenVINO.

    Raises:
        ProviderError: there is no such device.
    """
    # What is available does not tell the two apart: a plugin is among it once it is registered.
    if _is_built_in() or not _has_plugin():
        return None
    name = _KINDS["openvino"].ort_name
    plugin = importlib.import_module(_PLUGIN)
    if not any(one.ep_name == name for one in ort.get_ep_devices()):
        try:
            ort.register_execution_provider_library(name, plugin.get_library_path())
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            # It is registered already where it found no device before.
            if "already registered" not in str(error).lower():
                raise ProviderError(f"openvino: cannot be loaded ({' '.join(str(error).split())})") from error
    devices = {one.ep_metadata.get("ov_device"): one for one in ort.get_ep_devices() if one.ep_name == name}
    if wanted in devices:
        return devices[wanted]
    have = f"it has {', '.join(sorted(map(str, devices)))}" if devices else "it finds none (Intel only)"
    raise ProviderError(
        f"openvino: has no device {wanted} here, {have}; on other processors: "
        "pip uninstall -y onnxruntime && pip install onnxruntime-openvino"
    )
