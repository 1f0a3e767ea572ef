"""ONNX Runtime sessions, all made the same way.

The daemon runs one worker a core, so a session takes one intra-op thread and never spins: a spinning
pool would take the core away from the other workers between two calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort

__all__ = ["MissingModelError", "ModelError", "create_session"]

_SUFFIX_HINTS = {
    ".pt": "PyTorch weights; export them first: posewatch models export FILE.pt",
    ".pth": "PyTorch weights; export them to ONNX first",
    ".tflite": "a TensorFlow Lite model; convert it to ONNX first",
    ".engine": "a TensorRT engine; export to ONNX instead",
}


class ModelError(Exception):
    """A model file is missing, damaged or of a kind that cannot be used; one line, names the file."""


class MissingModelError(ModelError):
    """A model that can be fetched is not there yet: the next attempt may find it."""


def create_session(
    path: Path | bytes, *, threads: int = 1, providers: Sequence[str] | None = None
) -> ort.InferenceSession:
    """Loads an ONNX model.

    Args:
        path: The model file, or the bytes of a model.
        threads: Intra-op threads. 1 suits one worker a core; more shortens a single call and costs
            throughput when every core already has a worker.
        providers: Execution providers in order of preference, e.g. ``["CUDAExecutionProvider"]``; the
            CPU is always the last resort. None means CPU only.

    Raises:
        ModelError: The file is missing, unreadable or no valid model, or a provider is not installed.
    """
    name = "model in memory" if isinstance(path, bytes) else str(path)
    if isinstance(path, Path):
        if not path.is_file():
            raise ModelError(f"{name}: no such model file: check the path")
        hint = _SUFFIX_HINTS.get(path.suffix.lower())
        if hint is not None:
            raise ModelError(f"{name}: is {hint}")
    wanted = [*(providers or ()), "CPUExecutionProvider"]
    wanted = list(dict.fromkeys(wanted))
    available = ort.get_available_providers()
    missing = [provider for provider in wanted if provider not in available]
    if missing:
        raise ModelError(
            f"{name}: ONNX Runtime has no {missing[0]} here: use one of {', '.join(available)} "
            "or install the onnxruntime build that has it"
        )
    try:
        session = ort.InferenceSession(
            path if isinstance(path, bytes) else str(path), sess_options=_options(threads), providers=wanted
        )
        _readable(session)
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{name}: not a usable ONNX model, fetch it again or replace it ({reason})"
        ) from error
    if not session.get_inputs() or not session.get_outputs():
        raise ModelError(f"{name}: has no input or no output: replace it")
    return session


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
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options
