"""Exports ultralytics' PyTorch detectors (`.pt`) to ONNX, once, so that the service needs neither of both.

The export runs in a process of its own: ultralytics reports usage, looks for updates and installs packages by
default. There all of that is switched off by its own settings, and the process may not open a connection at
all, whatever the installed version calls its settings. A `.pt` is a pickle, which can run code: only classes
that ultralytics knows are loaded from it where the installed version can limit that.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tracker.model_sources import Report, StoreError

__all__ = ["Exported", "export_detector"]

_OPSET = 17
_TIME_LIMIT = 900.0  # seconds
_NETWORK = frozenset({"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"})


@dataclass(frozen=True, slots=True)
class Exported:
    """A detector that was exported.

    Attributes:
        file: the ONNX file.
        licence: of the weights, as ultralytics wrote it into them.
    """

    file: Path
    licence: str


def export_detector(
    source: Path, progress: Report, target: Path | None = None, size: tuple[int, int] = (640, 640)
) -> Exported:
    """Exports a detection model of ultralytics.

    Args:
        source: the `.pt` file.
        progress: called with lines of progress.
        target: the ONNX file to write; None for the name of the source with `.onnx`.
        size: height and width of the input in px; ultralytics rounds up to the network's stride.

    Returns:
        The ONNX file, which `tracker.detector.Detector` could load.

    Raises:
        ModelError: the source is missing, damaged or no person detector, or ultralytics is not installed.
        StoreError: the export fails, or the file cannot be written.
    """
    from tracker.runtime import ModelError

    if source.suffix != ".pt":
        raise ModelError(f"{source}: is no .pt file: give ultralytics' PyTorch weights")
    if not source.is_file():
        raise ModelError(f"{source}: no such file: check the path")
    if find_spec("ultralytics") is None:
        raise ModelError(
            f"{source}: ultralytics, which reads it, is not installed: pip install 'posewatch[ultralytics]', "
            "or give a model that was exported to ONNX elsewhere"
        )
    target = source.with_suffix(".onnx") if target is None else target
    progress(f"exporting {source} to ONNX, which takes up to a minute")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as name:
            folder = Path(name)
            made = folder / f"{target.stem}.onnx"
            weights = made.with_suffix(".pt")  # ultralytics writes beside the weights
            weights.symlink_to(source.resolve())
            answer = _run_apart(weights, size, folder)
            if "file" not in answer:
                kind = ModelError if answer.get("kind") == "model" else StoreError
                raise kind(f"{source}: {answer['problem']}")
            licence = _checked(made, source)
            made.replace(target)
    except OSError as error:
        raise StoreError(
            f"{target}: cannot be written ({error.strerror or error}): choose another place"
        ) from error
    return Exported(target, licence)


def _checked(made: Path, source: Path) -> str:
    """The licence of what was made, when it is a person detector."""
    from tracker.detector import Detector
    from tracker.runtime import ModelError, create_session

    try:
        Detector(made)
    except ModelError as error:
        raise ModelError(str(error).replace(str(made), str(source))) from error
    metadata: dict[str, str] = create_session(made).get_modelmeta().custom_metadata_map
    return metadata.get("license", "not stated")


def _run_apart(weights: Path, size: tuple[int, int], folder: Path) -> dict[str, str]:
    """Runs `_export` in another process and returns what it answers."""
    result = folder / "answer.json"
    environment = {
        "ULTRALYTICS_SAFE_LOAD": "true",
        **os.environ,
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": str(folder),  # the user's own settings stay as they are
    }
    command = [
        sys.executable,
        "-m",
        "tracker.exporting",
        str(weights),
        str(size[0]),
        str(size[1]),
        str(result),
    ]
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIME_LIMIT,
        )
    except subprocess.TimeoutExpired:
        return {"problem": f"export took longer than {_TIME_LIMIT / 60:.0f} minutes: use a smaller model"}
    try:
        answer: dict[str, str] = json.loads(result.read_text(encoding="utf-8"))
        return answer
    except (OSError, ValueError):
        told = _line((done.stderr.strip() or f"status {done.returncode}").splitlines()[-1])
        return {"problem": f"export ended without a result ({told}): is there memory enough?"}


def _export(weights: Path, size: tuple[int, int]) -> dict[str, str]:
    """Exports, in the process of its own; `file`, or `problem` and whether the `kind` of it is the model."""
    sys.addaudithook(_refuse_network)
    try:
        from ultralytics import YOLO, settings

        settings.update({"sync": False})
    except Exception as error:  # a broken installation fails in many ways
        return {"problem": f"ultralytics cannot be imported, install it again ({_line(error)})"}
    try:
        model = YOLO(str(weights))
    except Exception as error:  # so does a pickle
        if isinstance(error.__cause__, pickle.UnpicklingError) and "types outside" in str(error):
            return {
                "kind": "model",
                "problem": "holds classes that ultralytics does not know: use a model of ultralytics, or set "
                "ULTRALYTICS_SAFE_LOAD=false if you trust the file, whose code then runs",
            }
        return {
            "kind": "model",
            "problem": f"damaged, or no model of ultralytics: get it again ({type(error).__name__})",
        }
    if model.task != "detect":
        return {"kind": "model", "problem": f"is a {model.task} model: choose one for detection"}
    try:
        # Without NMS a network that needs none (YOLO26) is exported so, and the others are as they are.
        file = model.export(
            format="onnx", imgsz=list(size), opset=_OPSET, simplify=False, nms=False, device="cpu"
        )
    except Exception as error:
        return {
            "problem": f"ultralytics cannot export it ({_line(error)}): try another version of ultralytics"
        }
    return {"file": str(file)}


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: sockets of this machine's processes only."""
    if event in _NETWORK:
        local = isinstance(arguments[0], socket.socket) and arguments[0].family == socket.AF_UNIX
        if not local:
            raise OSError("posewatch exports without a network")


def _line(error: BaseException | str) -> str:
    """One line without colours and pictures."""
    plain = re.sub(r"\x1b\[[0-9;]*m|[^\x20-\x7e]+", " ", str(error))
    line = " ".join(plain.split()) or type(error).__name__
    return line if len(line) <= 160 else f"{line[:157]}..."


def _main(arguments: list[str]) -> None:
    weights, height, width, result = arguments
    answer = _export(Path(weights), (int(height), int(width)))
    Path(result).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    _main(sys.argv[1:])
