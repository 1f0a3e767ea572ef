"""ONNX Runtime sessions, all made the same way.

The daemon runs one worker a core, so a session takes one intra-op thread and never spins: a spinning
pool would take the core away from the other workers between two calls. Everything else is left as ONNX
Runtime has it: docs/results.md has the figures of what was tried.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt
import onnxruntime as ort

from tracker.runtime.errors import ModelError, ProviderError
from tracker.runtime.providers import CPU, Provider, Shapes, openvino_device

__all__ = ["OpenSession", "Session", "create_session"]

_SUFFIX_HINTS = {
    ".pt": "PyTorch weights; export them first: posewatch models export FILE.pt",
    ".pth": "PyTorch weights; export them to ONNX first",
    ".tflite": "a TensorFlow Lite model; convert it to ONNX first",
    ".engine": "a TensorRT engine; export to ONNX instead",
}
_REASON = 200  # characters of what ONNX Runtime says
_WARNINGS, _ERRORS = 2, 3  # ONNX Runtime's severities


class Session(Protocol):
    """What runs a network: an `onnxruntime.InferenceSession`, or what stands for one."""

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, npt.NDArray[Any]]
    ) -> list[npt.NDArray[Any]]:
        """The outputs of these names, or all, for inputs by name. Several threads may call at once."""

    def get_inputs(self) -> Sequence[Any]:
        """The inputs, each with `name`, `shape` and `type`."""

    def get_outputs(self) -> Sequence[Any]:
        """The outputs, likewise."""

    def get_modelmeta(self) -> Any:
        """The model's metadata, in `custom_metadata_map`."""


class OpenSession(Protocol):
    """What loads a network: `create_session`, or a `SessionPool`."""

    def __call__(self, path: Path | bytes, *, threads: int = 1) -> Session:
        """See `create_session`."""


def create_session(path: Path | bytes, *, threads: int = 1, provider: Provider = CPU) -> ort.InferenceSession:
    """Loads an ONNX model.

    Args:
        path: The model file, or the bytes of a model.
        threads: Intra-op threads. 1 suits one worker a core; more shortens a single call and costs
            throughput when every core already has a worker.
        provider: What is to run it; its `fallback` is up to the caller.

    Raises:
        ModelError: The file is missing, unreadable or no valid model.
        ProviderError: What is to run it is not installed, or does not work here.
    """
    name = "model in memory" if isinstance(path, bytes) else str(path)
    if isinstance(path, Path):
        if not path.is_file():
            raise ModelError(f"{name}: no such model file: check the path")
        hint = _SUFFIX_HINTS.get(path.suffix.lower())
        if hint is not None:
            raise ModelError(f"{name}: is {hint}")
    provider = provider.resolved()
    provider.check()
    try:
        session = _load(path, threads, provider)
        _readable(session)
    except ProviderError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        reason = " ".join(str(error).split())
        if provider.name != "cpu":
            create_session(path, threads=threads)  # says so where it is the model's fault
            # Its last words tell most.
            raise ProviderError(
                f"{provider.name}: does not run {name} ({reason[-_REASON:]}){_advice(reason)}"
            ) from error
        raise ModelError(
            f"{name}: not a usable ONNX model, fetch it again or replace it ({reason})"
        ) from error
    if not session.get_inputs() or not session.get_outputs():
        raise ModelError(f"{name}: has no input or no output: replace it")
    # ONNX Runtime goes on with the CPU, and says nothing, where a provider's libraries cannot be loaded.
    if provider.ort_name not in session.get_providers():
        raise ProviderError(
            f"{provider.name}: does not work here: its libraries or the device's driver cannot be loaded; "
            "see docs/providers.md, or set performance.fallback: true"
        )
    return session


def _load(path: Path | bytes, threads: int, provider: Provider) -> ort.InferenceSession:
    model = path if isinstance(path, bytes) else str(path)
    options = _options(threads)
    if provider.name == "cpu":
        return ort.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])
    if provider.cache is not None:
        provider.cache.mkdir(parents=True, exist_ok=True)
    chain = provider.chain(threads, lambda: _shapes(model))
    if provider.name == "openvino":
        device = openvino_device(provider.device or "CPU")
        if device is not None:
            given = {key: value for key, value in chain[0][1].items() if key != "device_type"}
            options.add_provider_for_devices([device], given)
            return ort.InferenceSession(model, sess_options=options)
    if provider.name in ("cuda", "tensorrt") and hasattr(ort, "preload_dlls"):
        _preload()
    # What is wrong is said by us, in one line; which library is missing only ONNX Runtime's own error tells.
    ort.set_default_logger_severity(_ERRORS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Without `enable_fallback` it would print to standard output and try the CPU by itself.
            return ort.InferenceSession(model, sess_options=options, providers=chain, enable_fallback=0)
    finally:
        ort.set_default_logger_severity(_WARNINGS)


def _preload() -> None:
    """Loads CUDA and cuDNN from NVIDIA's packages where they are installed; it prints what it misses."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()):
        ort.preload_dlls()


def _advice(reason: str) -> str:
    if "can't protect" in reason:  # oneDNN, where memory that is written to may not be executed
        return ": as a service it needs the drop-in: posewatch install-service --write --with openvino"
    return ""


def _shapes(model: str | bytes) -> Shapes:
    session = ort.InferenceSession(model, sess_options=_options(1), providers=["CPUExecutionProvider"])
    return {one.name: one.shape for one in session.get_inputs()}


def _readable(session: ort.InferenceSession) -> None:
    """Names and metadata are text here or never."""
    for one in (*session.get_inputs(), *session.get_outputs()):
        str(one.name)
    dict(session.get_modelmeta().custom_metadata_map)


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = max(1, threads)
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options
