"""Tries the user's models in a process of their own before the service takes them.

A model is a program: it may crash ONNX Runtime, run for ever, or ask for more memory than there is. Whoever
wrote the file, the service must not end of it without a word. What comes with the package, or from the store
with its sha256, is not tried.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.model_files import model_files
from tracker.runtime import ModelError

if TYPE_CHECKING:
    from daemon.config import CameraConfig

__all__ = ["main", "try_models"]

_SECONDS = 60.0  # to load and to run once; the largest detectors take ten on a slow machine
_MEMORY = 4 << 30  # bytes of addresses, of which Python and ONNX Runtime take one gigabyte
_REFUSED = 2  # status of a trial that ended with a ModelError, which is its last line


def try_models(cameras: Iterable[CameraConfig], *, seconds: float = _SECONDS) -> None:
    """Loads each model file that the configuration names, once, and runs it on a blank image.

    Args:
        cameras: their settings.
        seconds: that one may take.

    Raises:
        ModelError: one cannot be used; names the file.
    """
    for arguments in dict.fromkeys(one for camera in cameras for one in _of_camera(camera)):
        _try(arguments, seconds)


def _of_camera(camera: CameraConfig) -> list[tuple[str, str, str]]:
    """Kind, file and input size of what is not ours."""
    size = str(camera.detect.size or "")
    return [(kind, path, size if kind == "detect" else "") for kind, path in model_files(camera)]


def _try(arguments: tuple[str, str, str], seconds: float) -> None:
    path = arguments[1]
    command = [sys.executable, "-m", "daemon.model_trial", *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, env={**os.environ}
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{path}: is not ready after {seconds:g} s: take a smaller model") from None
    except OSError:  # no process is to be had here; it is loaded all the same
        return
    if done.returncode == 0:
        return
    said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
    if done.returncode == _REFUSED:
        raise ModelError(said[-1])
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise ModelError(f"{path}: ends ONNX Runtime with {name}: replace it")
    raise ModelError(f"{path}: cannot be loaded with {_MEMORY >> 30} GB of memory: {said[-1][:200]}")


def _load(kind: str, path: Path, size: str) -> None:
    """What `daemon.engines` does with such a file."""
    if kind == "detect":
        from tracker.detector import Detector

        Detector(path, pixels=int(size) ** 2 if size else None)
    elif kind == "pose":
        from tracker.pose import PoseEstimator

        PoseEstimator(path)
    elif kind == "actions":
        from classifier.model import ActionModel

        ActionModel(path)
    else:
        from classifier.fights.model import FightModel

        FightModel(path)


def main(kind: str, path: str, size: str) -> int:
    """The trial itself, in the process that is for it; returns its exit status."""
    # Time as well: whoever started this may be gone, and must leave nothing behind that runs for ever.
    for limit, value in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, int(_SECONDS)),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):  # a lower one holds already
            resource.setrlimit(limit, (value, value))
    try:
        _load(kind, Path(path), size)
    except ModelError as error:
        print(error, file=sys.stderr)
        return _REFUSED
    except MemoryError:
        print("out of memory", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
